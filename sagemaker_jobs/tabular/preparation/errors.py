"""The one error of preparation: what cannot be done with the training rows at hand."""


class PreparationError(ValueError):
    """A feature cannot be prepared as the contract asks."""
