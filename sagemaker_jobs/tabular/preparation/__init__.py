"""Raw features to model columns, fitted on training rows only and kept as plain JSON.

A preparation is one list of steps with numbers in it. Training, batch scoring and the endpoint apply it by
the same code, to whole columns or to one record, so that they cannot drift apart. scikit-learn finds the
numbers; applying them needs numpy alone.
"""

from tabular.preparation.assembling import Fitted
from tabular.preparation.encodings import FOLDS, SMOOTHING, factorised
from tabular.preparation.errors import PreparationError
from tabular.preparation.fitting import ENCODINGS, IMPUTATIONS, continued, fit, training
from tabular.preparation.prepared import Preparation

__all__ = [
    "ENCODINGS",
    "FOLDS",
    "IMPUTATIONS",
    "SMOOTHING",
    "Fitted",
    "Preparation",
    "PreparationError",
    "factorised",
    "continued",
    "fit",
    "training",
]
