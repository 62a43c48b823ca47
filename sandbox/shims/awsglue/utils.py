"""Reading a job's arguments as Glue does."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

_RESERVED = (
    "JOB_ID",
    "JOB_RUN_ID",
    "SECURITY_CONFIGURATION",
    "job-bookmark-option",
    "job-bookmark-from",
    "job-bookmark-to",
    "encryption-type",
    "RedshiftTempDir",
)


class GlueArgumentError(Exception):
    """An argument that the job asks for was not given."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(message)


def getResolvedOptions(args: Sequence[str], options: Sequence[str]) -> dict[str, Any]:  # noqa: N802 its name on Glue
    """The asked options (all required) and the reserved ones that are there; others are ignored.

    Names are taken as written, never abbreviated (Glue 6 dropped that; a job should not depend on it).
    """
    parser = _Parser(prog=args[0] if args else "job", allow_abbrev=False, add_help=False)
    for name in _RESERVED:
        if name in options:
            raise RuntimeError(f"option {name} is reserved by Glue: ask for another name")
        parser.add_argument(f"--{name}", required=False)
    if "TempDir" not in options:
        parser.add_argument("--TempDir", required=False)
    for name in options:
        parser.add_argument(f"--{name}", required=name != "TempDir")
    parsed, _ = parser.parse_known_args(args[1:])
    return vars(parsed)


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotImplementedError(f"awsglue.utils.{name} is not in the sandbox; it has getResolvedOptions")
