"""What a function knows from outside: contract and time zone beside its code, the token key in a secret."""

import json
import os
from datetime import tzinfo
from functools import cache
from typing import Any

from shared.rules import Table, tables
from shared.tokens import Tokens


@cache
def contract() -> dict[str, Any]:
    """The compiled contract that was bundled with the code."""
    # Not pathlib: it would add a fifth to the import time, which is part of every cold start.
    with open(f"{os.environ['LAMBDA_TASK_ROOT']}/contract.json", encoding="utf-8") as file:  # noqa: PTH123
        return dict(json.load(file))


@cache
def door() -> dict[str, Table]:
    """The rules by table; the token key is read once per environment."""
    # Not on the way to a first record: boto3 takes ten times as long as everything else here.
    import boto3  # noqa: PLC0415

    secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["TOKEN_SECRET_ARN"])
    return tables(contract(), Tokens(secret["SecretString"].encode()), time_zone())


def time_zone() -> tzinfo:
    """From the file in the bundle: the runtime may have no time zones, and both doors need the same."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415  # as above

    with open(f"{os.environ['LAMBDA_TASK_ROOT']}/time_zone.tzif", "rb") as file:  # noqa: PTH123
        return ZoneInfo.from_file(file, key=contract()["time_zone"])
