"""Looks at the data that a run learns from: counts, tests, clusters, are labels enough; in one report.

Nothing here is fitted for a model, and no label of the hold-out window is looked at: what a person reads
there would choose the model for them.
"""
