"""The errors of the engine: what a caller sees, and what a stack event says."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class ValidationError(ServiceException):  # type: ignore[misc]
    """The request is refused before anything is done."""

    code = "ValidationError"


class AlreadyExistsError(ServiceException):  # type: ignore[misc]
    code = "AlreadyExistsException"


class ChangeSetNotFoundError(ServiceException):  # type: ignore[misc]
    code = "ChangeSetNotFound"


class InsufficientCapabilitiesError(ServiceException):  # type: ignore[misc]
    code = "InsufficientCapabilitiesException"


class TemplateError(ValueError):
    """The template says something that cannot be resolved; names the place."""


class PropertyError(ValueError):
    """A property that the type does not have, or a value that it does not take."""


class UnsupportedError(ValueError):
    """AWS knows this, the sandbox does not: it fails by name instead of leaving it out."""
