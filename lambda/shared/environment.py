"""What a function knows from outside: the compiled contract beside its code, the token key in a secret."""

import json
import os
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
    import boto3  # noqa: PLC0415  # takes ten times as long as everything else here: not on the way to a first record

    secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["TOKEN_SECRET_ARN"])
    return tables(contract(), Tokens(secret["SecretString"].encode()))
