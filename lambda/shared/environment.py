"""What a function knows from outside: contract and time zone beside its code, the token keys in a secret."""

import json
import os
import time
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Any, NamedTuple

from shared import token_keys
from shared.rules import Table, tables
from shared.tokens import Tokens

# A key that was destroyed is out of every warm function after this; a new one is there long before its epoch.
KEYS_SECONDS = 300


class Door(NamedTuple):
    """`version` of the secret from which the rules were made, and when that was last looked at."""

    looked_at: float
    version: str
    tables: dict[str, Table]


_door: Door | None = None


@cache
def contract() -> dict[str, Any]:
    """The compiled contract that was bundled with the code."""
    # Not pathlib: it would add a fifth to the import time, which is part of every cold start.
    with open(f"{os.environ['LAMBDA_TASK_ROOT']}/contract.json", encoding="utf-8") as file:  # noqa: PTH123
        return dict(json.load(file))


def door() -> dict[str, Table]:
    """The rules by table, with the token keys as they are now or were up to KEYS_SECONDS ago."""
    global _door
    # The wall clock: the other one may stand still while an environment is frozen.
    if _door is None or not 0 <= time.time() - _door.looked_at < KEYS_SECONDS:
        _door = _opened(_door)
    return _door.tables


def close() -> None:
    """Forget the keys; the next call of `door` reads them anew."""
    global _door
    _door = None


def _opened(before: Door | None) -> Door:
    # Not on the way to a first record: boto3 takes ten times as long as everything else here.
    import boto3  # noqa: PLC0415

    looked_at = time.time()
    secret = boto3.client("secretsmanager").get_secret_value(
        SecretId=os.environ["TOKEN_SECRET_ARN"],
        VersionStage="AWSCURRENT",  # the role may read this one only, and has to say so
    )
    if before is not None and before.version == secret["VersionId"]:
        return before._replace(looked_at=looked_at)
    keys = token_keys.parse(secret["SecretString"])
    tokens = Tokens(keys, contract()["token_epochs"]["grain"], datetime.now(UTC))
    return Door(looked_at, secret["VersionId"], tables(contract(), tokens, time_zone()))


def time_zone() -> tzinfo:
    """From the file in the bundle: the runtime may have no time zones, and both doors need the same."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415  # as above

    with open(f"{os.environ['LAMBDA_TASK_ROOT']}/time_zone.tzif", "rb") as file:  # noqa: PTH123
        return ZoneInfo.from_file(file, key=contract()["time_zone"])
