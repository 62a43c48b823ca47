"""One Athena query: what the catalogue says of its tables, and the statement on Spark."""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox import account, regions, selftest
from sandbox.engines import glue
from sandbox.engines.container import SHIMS
from sandbox.engines.spark import Program, s3a
from sandbox.iam import identity, sessions

if TYPE_CHECKING:
    from sandbox.engines.athena import Execution

_SERVICE = "athena.amazonaws.com"
_TIMEOUT_SECONDS = 1800  # of a DML query, Athena's default quota
_REFERENCE = re.compile(r'\b(?:FROM|JOIN)\s+((?:"?\w+"?\.)?"?\w+"?)', re.IGNORECASE)
_NAMED = re.compile(r'(?:\bWITH|,)\s+"?(\w+)"?\s+AS\s*\(', re.IGNORECASE)
_FORMATS = {
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe": "parquet",
    "org.openx.data.jsonserde.JsonSerDe": "json",
    "org.apache.hive.hcatalog.data.JsonSerDe": "json",
    "org.apache.hadoop.hive.serde2.OpenCSVSerde": "csv",
}


_minting = threading.Lock()


class QueryError(RuntimeError):
    """The query fails; the message is its StateChangeReason."""


def forwarded(access_key: str | None) -> Any:
    """The asker's rights in Athena's hands: the same principal, called via the service."""
    session = sessions.of(access_key or "")
    if session is None:
        raise QueryError("the asker is not known")
    from moto.sts.models import sts_backends

    role_arn = session.principal.role_arn or session.principal.arn
    with _minting:
        made = sts_backends[account.ACCOUNT]["aws"].assume_role(
            regions.current(), session.name or "athena", role_arn, None, 3600, None
        )
    sessions.remember(
        made.access_key_id,
        replace(session, token=made.session_token, network=None, via=_SERVICE),
    )
    return identity.Credentials(
        access_key=made.access_key_id,
        secret_key=made.secret_access_key,
        token=made.session_token,
        role_arn=role_arn,
        session=session.name,
    )


def run(execution: Execution) -> list[list[str | None]]:
    """The rows; columns and bytes scanned are noted at the execution."""
    folder = account.workdir() / "athena" / secrets.token_hex(8)
    folder.mkdir(parents=True)
    request = {
        "tables": _tables(execution),
        "statement": unqualified(execution.query.strip().rstrip(";")),
    }
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    program = Program(
        script=SHIMS / "athena_query.py",
        arguments=("request.json", "result.json"),
        directory=folder,
        environment={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        },
        conf=s3a(execution.credentials)
        | {
            "spark.app.name": "athena",
            "spark.sql.ansi.enabled": "true",
            "spark.sql.ansi.doubleQuotedIdentifiers": "true",
        },
    )
    spark = glue.spark()
    with spark.turn:
        if execution.stop.is_set():
            return []
        outcome = spark.run(program, _TIMEOUT_SECONDS)
    if outcome.ended != "succeeded":
        raise QueryError(outcome.error or f"the query ended: {outcome.ended}")
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    execution.columns, execution.scanned = result["columns"], int(result["scanned"])
    return result["rows"]  # type: ignore[no-any-return]


def references(statement: str) -> set[tuple[str | None, str]]:
    """(database or None, table) after FROM and JOIN, without the names that WITH gives."""
    named = {name.lower() for name in _NAMED.findall(statement)}
    found = set()
    for text in _REFERENCE.findall(statement):
        parts = text.replace('"', "").split(".")
        database, table = (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])
        if database is not None or table.lower() not in named:
            found.add((database, table))
    return found


def unqualified(statement: str) -> str:
    """Tables are views here, and those have no database."""
    if '"$path"' in statement and re.search(
        r"SELECT\s+(DISTINCT\s+)?([\w\"]+\.)?\*", statement, re.IGNORECASE
    ):
        raise QueryError('SELECT * beside "$path" is not in the sandbox: name the columns')
    return _REFERENCE.sub(lambda m: m[0].replace(m[1], m[1].rpartition(".")[2]), statement)


def _tables(execution: Execution) -> list[dict[str, Any]]:
    client = execution.credentials.client("glue")
    found = []
    asked = references(execution.query)
    if len({name for _, name in asked}) != len(asked):
        raise QueryError("tables of the same name in two databases are not in the sandbox")
    for database, name in sorted(asked, key=str):
        try:
            found.append(_table(client, database or execution.database, name))
        except client.exceptions.EntityNotFoundException:
            place = f"awsdatacatalog.{database or execution.database}.{name}"
            raise QueryError(f"TABLE_NOT_FOUND: Table '{place}' does not exist") from None
        except ClientError as error:
            raise QueryError(f"Insufficient permissions to execute the query: {error}") from error
    return found


def _table(client: Any, database: str, name: str) -> dict[str, Any]:
    table = client.get_table(DatabaseName=database, Name=name)["Table"]
    storage = table["StorageDescriptor"]
    serde = storage["SerdeInfo"]["SerializationLibrary"]
    if serde not in _FORMATS:
        raise QueryError(f"table {name} has SerDe {serde}; the sandbox reads: {', '.join(sorted(_FORMATS))}")
    keys = table.get("PartitionKeys") or []
    pages = (
        client.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=name) if keys else []
    )
    partitions = [
        {"values": one["Values"], "location": one["StorageDescriptor"]["Location"]}
        for page in pages
        for one in page["Partitions"]
    ]
    header = str((table.get("Parameters") or {}).get("skip.header.line.count", "0")) == "1"
    return {
        "name": name,
        "columns": [{"Name": one["Name"], "Type": one["Type"]} for one in storage["Columns"]],
        "keys": [{"Name": one["Name"], "Type": one["Type"]} for one in keys],
        "format": _FORMATS[serde],
        "options": {"header": "true"} if header else {},
        "location": storage["Location"],
        "partitions": partitions,
    }


def self_test() -> None:
    selftest.check("moto.sts.models:STSBackend.assume_role")
