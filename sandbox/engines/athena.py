"""Athena: a SELECT over the Glue catalogue's tables really runs, on Spark, with the rights of the asker."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox import clock, selftest, work
from sandbox.engines import athena_run, transfer
from sandbox.engines.athena_run import QueryError
from sandbox.engines.backends import backend
from sandbox.iam import parse

_STATEMENT = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
_WORKGROUP = "primary"


@dataclass
class Execution:
    """A query; moto's lists read it by attributes."""

    query: str
    database: str
    catalog: str
    workgroup_name: str
    location: str
    encryption: dict[str, str]
    limit: int | None
    credentials: Any
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "QUEUED"
    reason: str = ""
    start_time: datetime = field(default_factory=clock.now)
    end_time: datetime | None = None
    began: float = field(default_factory=time.monotonic)
    milliseconds: int = 0
    scanned: int = 0
    columns: list[dict[str, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def workgroup(self) -> Any:
        return backend("athena").work_groups.get(self.workgroup_name)

    @property
    def output(self) -> str:
        return f"{self.location.rstrip('/')}/{self.id}.csv"

    def move(self, status: str, reason: str = "") -> None:
        self.status, self.reason = status, reason
        if status in ("SUCCEEDED", "FAILED", "CANCELLED"):
            self.end_time = clock.now()
            self.milliseconds = round((time.monotonic() - self.began) * 1000)

    def shown(self) -> dict[str, Any]:
        status: dict[str, Any] = {"State": self.status, "SubmissionDateTime": self.start_time.timestamp()}
        if self.end_time:
            status["CompletionDateTime"] = self.end_time.timestamp()
        if self.reason:
            status["StateChangeReason"] = self.reason
            status["AthenaError"] = {"ErrorCategory": 2, "ErrorMessage": self.reason, "Retryable": False}
        return {
            "QueryExecutionId": self.id,
            "Query": self.query,
            "StatementType": "DML",
            "ResultConfiguration": {
                "OutputLocation": self.output,
                "EncryptionConfiguration": _encryption_shown(self.encryption),
            },
            "QueryExecutionContext": {"Database": self.database, "Catalog": self.catalog},
            "Status": status,
            "Statistics": {
                "EngineExecutionTimeInMillis": self.milliseconds,
                "TotalExecutionTimeInMillis": self.milliseconds,
                "DataScannedInBytes": self.scanned,
            },
            "WorkGroup": self.workgroup_name,
            "EngineVersion": {"EffectiveEngineVersion": "sandbox (Spark SQL 3.5, ANSI)"},
        }


def _encryption_shown(encryption: Mapping[str, str]) -> dict[str, str]:
    if not encryption:
        return {"EncryptionOption": "SSE_S3"}
    return {"EncryptionOption": "SSE_KMS", "KmsKey": encryption["SSEKMSKeyId"]}


class RequestError(ValueError):
    """Answered as InvalidRequestException."""


def _start_query_execution(self: Any) -> Any:
    try:
        execution = _execution(self)
    except RequestError as error:
        return _refusal(error)
    backend("athena").executions[execution.id] = execution
    work.start(f"athena {execution.id}", _run, execution)
    return json.dumps({"QueryExecutionId": execution.id})


def _execution(self: Any) -> Execution:
    get = self._get_param
    if get("ExecutionParameters") or get("ResultReuseConfiguration"):
        raise RequestError("ExecutionParameters and ResultReuseConfiguration are not in the sandbox")
    if not _STATEMENT.match(get("QueryString")):
        raise RequestError("the sandbox runs SELECT and WITH statements only")
    context = get("QueryExecutionContext") or {}
    if (catalog := context.get("Catalog", "AwsDataCatalog")) != "AwsDataCatalog":
        raise RequestError(f"catalog {catalog} is not in the sandbox; there is: AwsDataCatalog")
    name = get("WorkGroup") or _WORKGROUP
    group = backend("athena").work_groups.get(name)
    if group is None:
        raise RequestError(f"WorkGroup {name} is not found.")
    settings = group.configuration
    result = settings.get("ResultConfiguration") or {}
    if not settings.get("EnforceWorkGroupConfiguration"):
        result = get("ResultConfiguration") or result
    if not result.get("OutputLocation"):
        raise RequestError("No output location provided: the workgroup has none, and neither has the request")
    limit = settings.get("BytesScannedCutoffPerQuery")
    return Execution(
        query=get("QueryString"),
        database=context.get("Database", "default"),
        catalog=catalog,
        workgroup_name=name,
        location=result["OutputLocation"],
        encryption=_encryption(result.get("EncryptionConfiguration")),
        limit=int(limit) if limit else None,
        credentials=_asker(self),
    )


def _encryption(config: Mapping[str, str] | None) -> dict[str, str]:
    option = (config or {}).get("EncryptionOption")
    if option == "SSE_KMS" and config:
        return transfer.encrypted_with(config["KmsKey"])
    if option in (None, "SSE_S3"):
        return {}
    raise RequestError(f"EncryptionOption {option} is not in the sandbox; there are: SSE_S3, SSE_KMS")


def _asker(self: Any) -> Any:
    """Athena acts with the rights of whoever asks."""
    return athena_run.forwarded(parse.access_key(self.normalized_request))


def _run(execution: Execution) -> None:
    try:
        execution.move("RUNNING")
        rows = athena_run.run(execution)
        if execution.stop.is_set():
            execution.move("CANCELLED")
            return
        body = _csv([[one["Name"] for one in execution.columns], *rows])
        s3 = execution.credentials.client("s3")
        transfer.upload(s3, execution.output, body, execution.encryption)
        if execution.limit is not None and execution.scanned > execution.limit:
            raise QueryError(f"Bytes scanned limit was exceeded: {execution.scanned} of {execution.limit}")
    except (QueryError, transfer.TransferError) as error:
        execution.move("FAILED", str(error))
    except BaseException as error:
        execution.move("FAILED", f"sandbox: {type(error).__name__}: {error}")
        raise
    else:
        execution.move("SUCCEEDED")


def _csv(rows: list[list[str | None]]) -> bytes:
    """Every value in quotes; a null is nothing at all."""

    def cell(value: str | None) -> str:
        return "" if value is None else '"' + value.replace('"', '""') + '"'

    return "".join(",".join(map(cell, row)) + "\n" for row in rows).encode()


def _get_query_execution(self: Any) -> Any:
    try:
        return json.dumps({"QueryExecution": _found(self).shown()})
    except RequestError as error:
        return _refusal(error)


def _get_query_results(self: Any) -> Any:
    try:
        execution = _found(self)
        if execution.status != "SUCCEEDED":
            raise RequestError(f"Query did not finish successfully. Final query state: {execution.status}")
        body = transfer.read_object(_asker(self).client("s3"), execution.output).decode()
    except (RequestError, transfer.TransferError) as error:
        return _refusal(error)
    # The reader cannot tell a null from an empty text; Athena's own answer can, by leaving the value out.
    rows = [
        {"Data": [{"VarCharValue": value} if value else {} for value in row]}
        for row in csv.reader(io.StringIO(body))
    ]
    start = int(self._get_param("NextToken") or 0)
    end = start + int(self._get_param("MaxResults") or 1000)
    columns = [
        {"CatalogName": "hive", "Name": one["Name"], "Label": one["Name"], "Type": one["Type"]}
        for one in execution.columns
    ]
    answer: dict[str, Any] = {
        "ResultSet": {"Rows": rows[start:end], "ResultSetMetadata": {"ColumnInfo": columns}},
        "UpdateCount": 0,
    }
    return json.dumps(answer | ({"NextToken": str(end)} if end < len(rows) else {}))


def _stop_query_execution(self: Any) -> Any:
    with contextlib.suppress(RequestError):
        _found(self).stop.set()
    return json.dumps({})


def _found(self: Any) -> Execution:
    execution = backend("athena").executions.get(self._get_param("QueryExecutionId"))
    if execution is None:
        raise RequestError(f"QueryExecution {self._get_param('QueryExecutionId')} was not found")
    return execution  # type: ignore[no-any-return]


def _refusal(error: Exception) -> Any:
    body = json.dumps({"__type": "InvalidRequestException", "Message": str(error)})
    return body, {"status": 400, "x-amzn-errortype": "InvalidRequestException"}


def install() -> None:
    from moto.athena.responses import AthenaResponse

    AthenaResponse.start_query_execution = _start_query_execution
    AthenaResponse.get_query_execution = _get_query_execution
    AthenaResponse.get_query_results = _get_query_results
    AthenaResponse.stop_query_execution = _stop_query_execution


def reset() -> None:
    for execution in backend("athena").executions.values():
        if isinstance(execution, Execution):
            execution.stop.set()


def self_test() -> None:
    for name in ("start_query_execution", "get_query_execution", "get_query_results", "stop_query_execution"):
        selftest.check(f"moto.athena.responses:AthenaResponse.{name}", "self")
    selftest.check("moto.athena.models:AthenaBackend")
    athena_run.self_test()
