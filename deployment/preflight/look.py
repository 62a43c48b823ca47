"""Every check of a preflight, one after the other; one that cannot be made leaves the others to be made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from botocore.exceptions import ClientError

from deployment import errors
from deployment.names import Names
from deployment.place import Place
from deployment.preflight import asked, limits, surroundings, taken
from deployment.preflight.asked import Asked
from deployment.preflight.findings import Problem, Severity

Check = Callable[[], Iterable[Problem]]


def problems(
    where: Place,
    names: Names,
    wanted: Asked,
    tell: Callable[[str], None],
    skip: Collection[str] = (),
) -> list[Problem]:
    """Everything that stands in the way of deploying `wanted` there; `skip` names checks to leave out.

    For a deployment that looks before it begins. Raises what AWS answers to unknown and expired credentials.
    """
    checks: dict[str, Check] = {
        "region": lambda: _region(wanted, where),
        "bootstrap": lambda: surroundings.bootstrap(wanted, where),
        "stacks": lambda: surroundings.stack_states(where, names),
        "names": lambda: taken.names(wanted, where, names),
        "roles": lambda: surroundings.service_roles(wanted, where),
        "lake formation": lambda: surroundings.lake_formation(wanted, where),
        limits.AREA: lambda: limits.Limits(place=where, names=names).problems(wanted.templates),
    }
    return _run({area: check for area, check in checks.items() if area not in skip}, tell)


def of_assembly(
    where: Place,
    names: Names,
    assembly: Path,
    tell: Callable[[str], None],
    skip: Collection[str] = (),
) -> tuple[list[Problem], int]:
    """As `problems`, of a synthesised assembly; with the number of resources in it."""
    found: list[Problem] = []
    resources = 0
    for second, wanted in asked.by_region(assembly).items():
        if second:
            tell(f"second Region, {second}:")
        some = problems(where.at(second), names, wanted, tell, skip)
        found += [replace(each, what=f"{each.what} in {second}") for each in some] if second else some
        resources += len(wanted.templates.resources)
    return found, resources


def offline(wanted: Asked, region: str, tell: Callable[[str], None]) -> list[Problem]:
    """Without an account: what templates, tables and dated figures say."""
    checks: dict[str, Check] = {limits.AREA: lambda: limits.offline(wanted.templates, region)}
    if region:
        checks = {"region": lambda: surroundings.region(wanted, region), **checks}
    return _run(checks, tell)


def _run(checks: dict[str, Check], tell: Callable[[str], None]) -> list[Problem]:
    found: list[Problem] = []
    for number, (area, check) in enumerate(checks.items(), 1):
        tell(f"[{number}/{len(checks)}] {area}")
        found += _guarded(area, check)
    return found


def _guarded(area: str, check: Check) -> Iterator[Problem]:
    """A check that the caller may not make leaves the others to be made."""
    try:
        yield from check()
    except ClientError as error:
        said = error.response["Error"]
        if errors.is_about_credentials(error):
            raise
        yield Problem(
            area=area,
            severity=Severity.UNKNOWN,
            what=error.operation_name,
            got=f"{said['Code']}: {said.get('Message', '')}; allow the caller {error.operation_name}, or "
            "look by hand",
        )


def _region(wanted: Asked, where: Place) -> Iterator[Problem]:
    yield from surroundings.region(wanted, where.region)
    yield from surroundings.prefix_lists(wanted, where)
    yield from surroundings.endpoint_services(wanted, where)
