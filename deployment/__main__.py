"""`python -m deployment deploy|destroy|failover|failback|standby --profile <profile>`: makes a deployment,
takes it away, or has its second Region answer instead of the first."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deployment import cli, deploying, destroying, failing_over
from deployment.errors import AGAIN, RefusedError, StoppedError, explained
from deployment.names import DELIVERING

DONE, STOPPED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def main(
    arguments: list[str] | None = None,
    pause: Callable[[float], None] = time.sleep,
    make_cdk: cli.Make = cli.cdk,
) -> int:
    """Exit status: 0 done; 1 stopped, or something that costs is left; 2 refused, nothing was changed;
    130 interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="deployment-") as folder:
            done: int = options.run(options, Path(folder), pause, make_cdk)
            return done
    except RefusedError as error:
        print(f"refused: {error}\nnothing was {options.word}", file=sys.stderr)
        return REFUSED
    except StoppedError as error:
        print(f"stopped: {error}", file=sys.stderr)
        return STOPPED
    except (BotoCoreError, ClientError) as error:
        print(f"stopped: {explained(error)}", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        print(f"interrupted: CloudFormation ends what it is at by itself; {AGAIN}", file=sys.stderr)
        return INTERRUPTED


def _deploy(
    options: argparse.Namespace, folder: Path, pause: Callable[[float], None], make_cdk: cli.Make
) -> int:
    command = deploying.Command(options=options, folder=folder, tell=tell, pause=pause, make_cdk=make_cdk)
    try:
        work = command.prepared()
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(explained(error)) from error
    work.run()
    command.warm_up(work)
    command.report(work)
    return DONE


def _destroy(
    options: argparse.Namespace, folder: Path, pause: Callable[[float], None], make_cdk: cli.Make
) -> int:
    command = destroying.Command(options=options, folder=folder, tell=tell, pause=pause, make_cdk=make_cdk)
    try:
        site, names, work = command.prepared()
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(explained(error)) from error
    if work is not None:
        work.run()
    return DONE if command.is_clean(site, names, work) else STOPPED


def _stand(verb: str) -> Callable[..., int]:
    """Of the commands about the second Region, which need no assembly."""

    def run(
        options: argparse.Namespace, _folder: Path, pause: Callable[[float], None], _make_cdk: cli.Make
    ) -> int:
        getattr(failing_over.Command(options=options, tell=tell, pause=pause), verb)()
        return DONE

    return run


def tell(line: str) -> None:
    print(line, flush=True)


def _reason(text: str) -> str:
    """Some words: whoever reads the log later wants to know."""
    if len(text.split()) < 2:
        raise argparse.ArgumentTypeError(f"got {text!r}, allowed: why, in some words")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployment", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    deploy = commands.add_parser("deploy", help="make the stacks of a profile, or bring them up to date")
    deploy.set_defaults(run=_deploy, word="changed")
    deploy.add_argument(
        "--yes", action="store_true", help="do not ask, also not the first time in an account"
    )
    deploy.add_argument(
        "--reopen", action="store_true", help="keep a deployment whose deletion was begun: open its buckets"
    )
    deploy.add_argument(
        "--delivery",
        action="store_true",
        help="for what may only take on the bootstrap's roles: looks about with one, needs --app, and leaves "
        f"the stacks that deliver ({', '.join(DELIVERING)}) to a person",
    )
    deploy.add_argument(
        "--skip-preflight",
        type=_reason,
        metavar="WHY",
        help="do not ask whether quotas, Region and names are in order; why is said in the log",
    )
    destroy = commands.add_parser("destroy", help="delete the stacks of a profile, and all that is in them")
    destroy.set_defaults(run=_destroy, word="deleted")
    destroy.add_argument("--yes", action="store_true", help="do not ask")
    destroy.add_argument("--only", metavar="STACK", help="this stack alone, for example mlref-sandbox-data")
    away = commands.add_parser("failover", help="have the second Region answer")
    away.set_defaults(run=_stand("fail_over"), word="changed")
    away.add_argument(
        "--older", action="store_true", help="an older champion, should the newest not be there"
    )
    away.add_argument("--rule", action="store_true", help="the contract's rule instead of a champion")
    away.add_argument(
        "--although-healthy", action="store_true", help="for a rehearsal: the first Region still answers"
    )
    back = commands.add_parser("failback", help="have the first Region answer again")
    back.set_defaults(run=_stand("fail_back"), word="changed")
    warm = commands.add_parser("standby", help="bring the standby's endpoint to the newest champion")
    warm.set_defaults(run=_stand("warm_up"), word="changed")
    for command in (away, back, warm):
        command.add_argument("--profile", required=True, help="as in settings.py; not the AWS CLI's profile")
        command.add_argument("--yes", action="store_true", help="do not ask")
        command.add_argument("--account", help="refuse credentials of any other account")
        command.add_argument("--region", help="instead of the environment's")
    for command in (deploy, destroy):
        command.add_argument("--profile", required=True, help="as in settings.py; not the AWS CLI's profile")
        command.add_argument("--account", help="refuse credentials of any other account")
        command.add_argument("--region", help="refuse any other Region")
        command.add_argument(
            "--app", type=Path, help="a synthesised assembly (cdk.out) instead of this checkout"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
