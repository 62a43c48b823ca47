"""Asks the preflight before a deployment begins: what CloudFormation would run into is known by then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deployment.errors import RefusedError
from deployment.names import Names
from deployment.place import Place

# Looked at by the deployment itself, which can also do something about it.
_LOOKED_AT = ("stacks", "bootstrap")


def refuse_foreseen(place: Place, names: Names, assembly: Path, tell: Callable[[str], None]) -> None:
    """Everything in the way is told; only what the deployment would fail of refuses.

    What the caller may not ask is told as not looked at, and stops nothing.
    """
    # Not above: it reads templates with the audit, and a deletion has to work without.
    from deployment import preflight

    try:
        found, resources = preflight.of_assembly(place, names, assembly, tell, _LOOKED_AT)
    except ValueError as error:
        raise RefusedError(f"the preflight cannot read the templates: {error}") from error
    for line in preflight.told(found):
        tell(line)
    tell(preflight.summary(found, resources))
    if stops := [problem for problem in found if problem.severity is preflight.Severity.STOPS]:
        raise RefusedError(
            f"the deployment would fail: {'; '.join(f'{each.area}: {each.what}' for each in stops)}; fix: "
            f"the commands above (for more of a quota AWS takes minutes to days), then: make deploy "
            f"PROFILE={names.profile}. Where the preflight is wrong: SKIP_PREFLIGHT='why it is'"
        )
