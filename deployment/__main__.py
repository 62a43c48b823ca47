"""`python -m deployment destroy --profile <profile>`: deletes a deployment, after an explicit yes."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deployment import cli, inventory, left, place, refusals, stacks
from deployment.destroy import Destruction
from deployment.errors import AGAIN, DeletionError, DeletionRefusedError, explained
from deployment.inventory import Inventory
from deployment.names import Names, names_for
from deployment.place import Place
from deployment.rest import Rest

GONE, LEFT, REFUSED, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None, pause: Callable[[float], None] = time.sleep) -> int:
    """Exit status: 0 gone, 1 something that costs is left, 2 refused and nothing deleted, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="destroy-") as folder:
            return _run(options, Path(folder), pause)
    except DeletionRefusedError as error:
        print(f"refused: {error}\nnothing was deleted", file=sys.stderr)
        return REFUSED
    except DeletionError as error:
        print(f"stopped: {error}", file=sys.stderr)
        return LEFT
    except (BotoCoreError, ClientError) as error:
        print(f"stopped: {explained(error)}", file=sys.stderr)
        return LEFT
    except KeyboardInterrupt:
        print(f"interrupted; {AGAIN}", file=sys.stderr)
        return INTERRUPTED


def _run(options: argparse.Namespace, folder: Path, pause: Callable[[float], None]) -> int:
    try:
        site, names, work = _prepared(options, folder, pause)
    except (BotoCoreError, ClientError) as error:
        raise DeletionRefusedError(explained(error)) from error
    if work is not None:
        work.run()
    return _report(site, names, pause)


def _prepared(
    options: argparse.Namespace, folder: Path, pause: Callable[[float], None]
) -> tuple[Place, Names, Destruction | None]:
    """Everything that can be refused, and the yes. Without stacks there is nothing left to do but to look."""
    site = place.here()
    tell(f"account {site.account}, Region {site.region}, as {site.caller}")
    every = stacks.all_names(site)
    names = names_for(options.profile, every)
    found = stacks.present(site, names)
    if not found:
        gone = stacks.gone(site, names)
        if not gone:
            refusals.refuse_unknown(site, names, every)
        when = max(stack["DeletionTime"] for stack in gone)
        tell(f"no stack of profile {names.profile} is left: the last was deleted on {when:%Y-%m-%d}")
        return site, names, None
    refusals.refuse_protected(found)
    refusals.refuse_imported(site, found)
    have = Inventory(stacks=found, resources={stack.name: stacks.resources(site, stack) for stack in found})
    refusals.refuse_locked(site, have)
    assembly = options.app or cli.synthesised(site, names.profile, folder / "cdk.out")
    cdk = cli.cdk(site, assembly.resolve(), [stack.name for stack in found], tell)
    _summary(site, names, have)
    refusals.confirm(names.profile, is_given=options.yes)
    return (
        site,
        names,
        Destruction(place=site, names=names, cdk=cdk, inventory=have, tell=tell, pause=pause),
    )


def _summary(site: Place, names: Names, have: Inventory) -> None:
    tell(f"profile {names.profile}, stacks in the order of deletion:")
    for stack in have.stacks:
        tell(f"  {stack.name} ({stack.status})")
    tell("lost for good:")
    for line in inventory.losses(site, names, have):
        tell(f"  {line}")
    if kept := list(inventory.kept(have)):
        tell(f"left behind, as the templates say: {', '.join(kept)}")


def _report(site: Place, names: Names, pause: Callable[[float], None]) -> int:
    rest = Rest(place=site, names=names, tell=tell, pause=pause)
    search = left.Search(place=site, names=names, rest=rest, gone=stacks.gone(site, names))
    search.delete_service_logs(tell)
    found = search.all()
    for line in left.told(names, found):
        tell(line)
    return LEFT if any(each.is_wrong for each in found) else GONE


def tell(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployment", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    destroy = commands.add_parser("destroy", help="delete the stacks of a profile, and all that is in them")
    destroy.add_argument("--profile", required=True, help="as in settings.py; not the AWS CLI's profile")
    destroy.add_argument("--yes", action="store_true", help="do not ask")
    destroy.add_argument("--app", type=Path, help="a synthesised assembly (cdk.out) instead of this checkout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
