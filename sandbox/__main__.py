"""`python -m sandbox up` starts the account; the other commands talk to one that runs."""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from sandbox import account, control, work


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.command == "up":
        return _up(options)
    try:
        answer = _ask(options.port, options.route, options.parameters(options))
    except urllib.error.HTTPError as error:
        print(json.loads(error.read())["error"], file=sys.stderr)
        return 1
    except urllib.error.URLError as error:
        print(f"no sandbox on port {options.port} ({error.reason}): python -m sandbox up", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2))
    return 0


def _up(options: argparse.Namespace) -> int:
    # Streams and objects stay until the end: looking through them again and again for garbage stops every
    # call.
    gc.set_threshold(100_000, 50, 100)
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    try:
        running = account.Account(port=options.port, enforce=not options.allow_everything).start()
    except account.AccountError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"account {account.ACCOUNT}, {account.REGION}, {account.endpoint()}; Ctrl-C stops it and forgets all"
    )
    for name, value in account.environment().items():
        print(f"export {name}={value}", flush=True)
    if options.warm:
        from sandbox.engines import glue

        work.start("spark starts", glue.warm)
    if options.deploy is not None:
        _deploy(options)
    parent = os.getppid()
    while not stopped.wait(1.0):
        if options.with_parent and os.getppid() != parent:
            break
    running.stop()
    return 0


def _deploy(options: argparse.Namespace) -> None:
    """Deploy an assembly, or the project synthesised now; a failure is told and leaves the account up."""
    from sandbox import deploy

    try:
        assembly = Path(options.deploy) if options.deploy else deploy.synthesise(profile=options.profile)
        outputs = deploy.deploy(assembly, lambda subject, verb: print(f"{verb} {subject}", flush=True))
        print(json.dumps(outputs, indent=2), flush=True)
    except deploy.DeploymentError as error:
        print(error, file=sys.stderr)


def _ask(port: int, route: str, parameters: dict[str, Any]) -> Any:
    url = f"http://localhost:{port}{control.PREFIX}{route}"
    body = json.dumps(parameters).encode() if parameters else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, body), timeout=900) as response:  # noqa: S310 always http, loopback
        return json.load(response)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    up = commands.add_parser("up", help="start the account and stay in the foreground")
    up.add_argument("--warm", action="store_true", help="start Spark now, not with the first Glue job")
    up.add_argument("--with-parent", action="store_true", help="end when the process that started it ends")
    up.add_argument("--allow-everything", action="store_true", help="record what IAM decides, refuse nothing")

    up.add_argument(
        "--deploy", nargs="?", const="", metavar="ASSEMBLY", help="deploy cdk.out, or synthesise now"
    )
    up.add_argument("--profile", default="sandbox", help="of settings.py, where --deploy synthesises")

    def command(name: str, text: str, parameters: Any = lambda _: {}, route: str | None = None) -> Any:
        sub = commands.add_parser(name, help=text)
        sub.set_defaults(parameters=parameters, route=route or name)
        return sub

    command("status", "what runs in the account", route="health")
    clock = command("clock", "show or move the clock", lambda o: _given(set=o.set, advance=o.advance))
    clock.add_argument("--set", help="ISO time, such as 2013-06-01T00:00:00+00:00")
    clock.add_argument("--advance", type=float, help="seconds")
    command("flush", "deliver what the streams still buffer")
    names = ("kind", "target", "after", "times")
    fault = command(
        "fault", "let an engine fail", lambda o: _given(**{n: getattr(o, n) for n in names}), route="faults"
    )
    fault.add_argument("kind")
    fault.add_argument("target")
    fault.add_argument("--after", type=int)
    fault.add_argument("--times", type=int)
    command("record", "the calls made so far and what IAM decided")
    for sub in commands.choices.values():
        sub.add_argument("--port", type=int, default=account.DEFAULT_PORT)
    return parser


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


if __name__ == "__main__":
    raise SystemExit(main())
