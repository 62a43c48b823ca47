"""Looks at the data of a run before a model does: counts, tests, clusters, are labels enough; in one report.

Nothing here is fitted for a model, and no label of the hold-out window is looked at: what a person reads
there would choose the model for them.
"""
