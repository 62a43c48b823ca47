"""`python -m deployment.pause pause|resume --profile <profile>`: takes away what costs by existing, and back.

A pause is a deployment of the same stacks without interface endpoints, endpoint of the model and dashboard,
and with what starts by itself switched off (docs/decisions/0053-pause.md). Data, models, runs, the registry
and the champion stay as they are; to resume is to deploy the stacks as they were. Both look how far things
are, so that after an interruption the same command goes on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deployment import cli, inventory, place, stacks, token_keys
from deployment.errors import AGAIN, explained
from deployment.names import CORE, Names, names_for
from deployment.place import Place
from deployment.stacks import Resource, Stack

DONE, STOPPED, REFUSED, INTERRUPTED = 0, 1, 2, 130
# What differs when it is paused, in the order of the pause: nothing may start that needs the endpoints. The
# middle one is there only with a second Region.
CHANGED = ("operations", "replication", "base")
GONE = {
    "AWS::SageMaker::Endpoint": "the model's endpoint: clients get an error",
    "AWS::EC2::VPCEndpoint": "interface endpoints: records and files that arrive are set aside, not checked",
    "AWS::CloudWatch::Dashboard": "dashboard",
}
_MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack")
_SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_LAST_LINES = 15


class PauseError(RuntimeError):
    """It could not be finished; the message says what to do."""


class PauseRefusedError(PauseError):
    """Nothing was changed, on purpose."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """The deployment that is to be paused or resumed."""

    place: Place
    names: Names
    resources: Mapping[str, Sequence[Resource]]  # by group

    def named(self, kind: str) -> list[str]:
        return [each.name for some in self.resources.values() for each in some if each.type == kind]


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 stopped half-way, 2 refused and nothing changed, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="pause-") as folder:
            try:
                site = _site(options.profile)
            except (BotoCoreError, ClientError) as error:
                raise PauseRefusedError(explained(error)) from error
            work = _pause if options.command == "pause" else _resume
            work(site, options, Path(folder) / "cdk.out")
    except PauseRefusedError as error:
        print(f"refused: {error}\nnothing was changed", file=sys.stderr)
        return REFUSED
    except (BotoCoreError, ClientError) as error:
        print(f"stopped: {explained(error)}", file=sys.stderr)
        return STOPPED
    except RuntimeError as error:  # also of the modules that a deletion shares with this
        print(f"stopped: {error}", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        print(f"interrupted; {AGAIN}", file=sys.stderr)
        return INTERRUPTED
    return DONE


def _site(profile: str) -> Site:
    here = place.here()
    tell(f"account {here.account}, Region {here.region}, as {here.caller}")
    names = names_for(profile, stacks.all_names(here))
    found = {stack.name: stack for stack in stacks.present(here, names)}
    if missing := [names.stack(group) for group in CORE if names.stack(group) not in found]:
        raise PauseRefusedError(
            f"{names.prefix} is not deployed here: there is no stack {', '.join(missing)}; "
            f"fix: make deploy PROFILE={profile}, or the Region and credentials that it was deployed with"
        )
    _refuse_unsettled(list(found.values()))
    resources = {group: stacks.resources(here, found[names.stack(group)]) for group in CORE}
    return Site(place=here, names=names, resources=resources)


def _refuse_unsettled(found: Sequence[Stack]) -> None:
    if wrong := [f"{stack.name} ({stack.status})" for stack in found if stack.status not in _SETTLED]:
        raise PauseRefusedError(
            f"{', '.join(wrong)}: allowed are stacks that are {', '.join(_SETTLED)}; "
            "fix: wait for what works on it, or deploy it again until it succeeds"
        )


def _pause(site: Site, options: argparse.Namespace, folder: Path) -> None:
    if busy := list(running(site)):
        raise PauseRefusedError(_told_busy(site, busy))
    assembly = options.app or _synthesised(site, folder, paused=True)
    _summary(site)
    _confirm(site.names.profile, is_given=options.yes)
    *first, last = _changed(site, assembly)
    for group in first:
        _deploy(site, assembly, group)
    # One may have begun just before its schedule was switched off, and needs the endpoints until its end.
    if busy := list(running(site)):
        raise PauseError(_told_busy(site, busy))
    _deploy(site, assembly, last)
    tell(f"{site.names.prefix} is paused; champion: {_champion(site)}")
    tell(f"back: make resume PROFILE={site.names.profile}")
    _bill(assembly, f"{site.names.prefix}, paused")


def _resume(site: Site, options: argparse.Namespace, folder: Path) -> None:
    assembly = options.app or _synthesised(site, folder, paused=False)
    for group in reversed(_changed(site, assembly)):
        _deploy(site, assembly, group)
    after = _site(site.names.profile)
    for endpoint in after.named("AWS::SageMaker::Endpoint"):
        name = endpoint.rsplit("/", 1)[-1]
        found = site.place.client("sagemaker").describe_endpoint(EndpointName=name)
        tell(f"endpoint {name} is {found['EndpointStatus']} on {found['EndpointConfigName']}")
    for secret in after.named(token_keys.SECRET):
        if not token_keys.renew(site.place, secret, tell, wait):
            raise PauseError(
                f"the stacks are back, but the rotation of the token keys {secret} does not come through; "
                "without keys records are set aside. fix: see why in the log of the function that rotates "
                f"them, then {AGAIN}"
            )
    tell(f"{site.names.prefix} is back; champion: {_champion(site)}")
    _bill(assembly, f"{site.names.prefix}, without any use")


def _changed(site: Site, assembly: Path) -> list[str]:
    known = cli.stack_ids(assembly)
    return [group for group in CHANGED if group in CORE or site.names.stack(group) in known]


def running(site: Site) -> Iterator[str]:
    """Executions that are under way, and an endpoint that is moving."""
    states = site.place.client("stepfunctions")
    for machine in site.named("AWS::StepFunctions::StateMachine"):
        pages = states.get_paginator("list_executions")
        for page in pages.paginate(stateMachineArn=machine, statusFilter="RUNNING"):
            yield from (f"execution {each['executionArn']}" for each in page["executions"])
    prefix = f"{site.names.prefix}-"
    pages = site.place.client("sagemaker").get_paginator("list_endpoints")
    for page in pages.paginate(NameContains=prefix):
        for each in page["Endpoints"]:
            if site.names.begins(each["EndpointName"]) and each["EndpointStatus"] in _MOVING:
                yield f"endpoint {each['EndpointName']} ({each['EndpointStatus']})"


def _told_busy(site: Site, busy: Sequence[str]) -> str:
    return (
        "under way:\n"
        + "\n".join(f"  {each}" for each in busy)
        + "\nallowed: nothing that needs the endpoint, as its challenger and its locks would be left behind; "
        "fix: wait for its end, or stop it (aws stepfunctions stop-execution --execution-arn ...), put the "
        "endpoint back and free its locks (docs/operations.md, Roll back and Locks), then "
        f"make pause PROFILE={site.names.profile}"
    )


def _summary(site: Site) -> None:
    tell(f"profile {site.names.profile}: a pause takes away")
    for kind, words in GONE.items():
        found = [
            each
            for some in site.resources.values()
            for each in some
            if each.type == kind and each.definition["Properties"].get("VpcEndpointType") != "Gateway"
        ]
        tell(f"  {len(found)} {words}")
    tell("  the schedules and the start by alarms, which are switched off")
    tell(f"data, models, runs and registry stay; champion: {_champion(site)}")
    tell("stop the producers first: docs/operations.md, Pause")


def _champion(site: Site) -> str:
    return inventory.champion(site.place, site.names) or "none"


def _confirm(profile: str, *, is_given: bool) -> None:
    if is_given:
        return
    if not sys.stdin.isatty():
        raise PauseRefusedError(
            "there is no terminal to ask for a yes; allowed: a person at a terminal, or a yes on the command "
            f"line; fix: python -m deployment.pause pause --profile {profile} --yes"
        )
    try:
        said = input(f"Type the profile's name ({profile}) to pause it: ").strip()
    except EOFError:
        said = ""
    if said != profile:
        raise PauseRefusedError(f"not confirmed: got {said!r}, allowed: {profile!r}")


def _synthesised(site: Site, folder: Path, *, paused: bool) -> Path:
    """The assembly of this checkout's app: what else has changed in it since is deployed with it."""
    said: list[str] = []
    context = [
        f"profile={site.names.profile}",
        f"paused={str(paused).lower()}",
        f"region={site.place.region}",  # what CloudFormation lacks there is left out
    ]
    given = [word for each in context for word in ("--context", each)]
    if not _cdk(site, "synth", "--quiet", "--output", str(folder), *given, said=said.append):
        last = "\n".join(said[-_LAST_LINES:])
        raise PauseRefusedError(f"the app cannot be synthesised; fix: mend it. The CLI said:\n{last}")
    return folder


def _deploy(site: Site, assembly: Path, group: str) -> None:
    name = site.names.stack(group)
    tell(f"deploy {name}")
    known = cli.stack_ids(assembly)
    if name not in known:
        raise PauseRefusedError(
            f"{assembly} has no stack {name}; got {', '.join(sorted(known)) or 'none'}; "
            "fix: give the profile that it was synthesised for, or no --app"
        )
    options = ["--exclusively", "--require-approval", "never", "--progress", "events", "--app", str(assembly)]
    if not _cdk(site, "deploy", known[name], *options, said=lambda line: tell(f"    {line}")):
        raise PauseError(
            f"{name} could not be deployed, and CloudFormation has put it back to what it was; "
            f"the CLI's lines above say why; fix: mend that, then {AGAIN}"
        )


def _cdk(site: Site, *arguments: str, said: Callable[[str], None]) -> bool:
    process = subprocess.Popen(
        cli._command(*arguments),
        cwd=cli.ROOT,
        env=cli._environment(site.place),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101 for mypy: it is piped
    for line in process.stdout:
        if line.strip():
            said(line.rstrip())
    return process.wait() == 0


def _bill(assembly: Path, title: str) -> None:
    """What still costs, by the templates that were just deployed."""
    command = [sys.executable, "-m", "audit.bill", str(assembly), "--idle", "--title", title]
    run = subprocess.run(command, cwd=cli.ROOT, text=True, capture_output=True, check=False)
    tell(run.stdout.rstrip() if run.returncode == 0 else f"no bill: {run.stderr.strip()}")


def wait(seconds: float) -> None:
    time.sleep(seconds)


def tell(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployment.pause", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    helps = {"pause": "take away what costs by existing", "resume": "bring it back, with the same champion"}
    for name, words in helps.items():
        command = commands.add_parser(name, help=words)
        command.add_argument("--profile", required=True, help="as in settings.py; not the AWS CLI's profile")
        command.add_argument("--yes", action="store_true", help="do not ask")
        command.add_argument("--app", type=Path, help="a synthesised assembly instead of this checkout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
