"""One warm JVM for all Spark programs of an account; each program has a process and a context of its own.

A process of its own, started by sandbox/engines/spark.py: a request per line on standard input, an answer per
line on standard output. It launches the JVM once, then forks a child per program. The child makes its own
SparkContext in that JVM with the credentials of its program, and stops it at the end: nothing of one program
(credentials, file systems, cached tables, Python modules) is there for the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

CREDENTIALS = ("aws.accessKeyId", "aws.secretKey", "aws.sessionToken")  # system properties of the JVM
KILLED = 86  # exit status of a program that was killed on order
_POLL_SECONDS = 0.01


def main() -> None:
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    settings = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints may not reach the answers
    _java, gateway = _launch(settings["command"])
    baseline = _spark_properties(gateway.jvm)
    port, secret = gateway.gateway_parameters.port, gateway.gateway_parameters.auth_token
    _import_what_programs_need()
    answers.write(json.dumps({"ready": os.getpid()}) + "\n")
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if process == 0:
            _run_child(request, port, secret, baseline)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        answers.write(json.dumps({"status": status}) + "\n")


def _die_with(parent: int) -> None:
    """A sandbox that was killed cannot stop its worker; nobody else would."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _launch(command: list[str]) -> Any:
    """Spark's gateway, without spark-submit: that starts a JVM of its own just to work out this command."""
    from py4j.clientserver import ClientServer, JavaParameters, PythonParameters

    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "connection")
        # The gateway ends with its standard input, that is with this process.
        java = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=os.environ | {"_PYSPARK_DRIVER_CONN_INFO_PATH": str(told)}
        )
        while not told.exists():
            if java.poll() is not None:
                raise RuntimeError(f"the JVM ended with status {java.returncode} before it was ready")
            time.sleep(_POLL_SECONDS)
        data = told.read_bytes()
    port, length = struct.unpack(">ii", data[:8])
    secret = data[8 : 8 + length].decode()
    # Port 0 for calls back from Java: the default one would meet that of another sandbox on this machine.
    client = ClientServer(
        java_parameters=JavaParameters(port=port, auth_token=secret, auto_convert=True),
        python_parameters=PythonParameters(port=0, eager_load=False),
    )
    return java, client


def _import_what_programs_need() -> None:
    """Imported before the fork, so that every program finds it loaded."""
    import boto3  # noqa: F401
    import pyspark.sql.functions  # noqa: F401


def _spark_properties(jvm: Any) -> dict[str, str]:
    properties = jvm.java.lang.System.getProperties()
    return {name: properties[name] for name in properties if str(name).startswith("spark.")}


def _run_child(request: dict[str, Any], port: int, secret: str, baseline: dict[str, str]) -> None:
    status = 1
    try:
        _redirect(request)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.environ["PYSPARK_GATEWAY_PORT"] = str(port)
        os.environ["PYSPARK_GATEWAY_SECRET"] = secret
        status = _run_program(request, baseline)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)  # no exit hooks: the JVM and the connections of the parent must stay


def _redirect(request: dict[str, Any]) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        target = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(target, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def _run_program(request: dict[str, Any], baseline: dict[str, str]) -> int:
    from pyspark import SparkContext

    SparkContext._gateway = SparkContext._jvm = None  # those are the parent's
    SparkContext._ensure_initialized()
    jvm = SparkContext._jvm
    _set_properties(jvm, request["conf"], baseline)
    if request.get("kill_after_write"):
        _kill_after_first_write(jvm)
    os.chdir(request["directory"])
    sys.argv = [request["script"], *request["arguments"]]
    sys.path[:0] = request["path"]
    error = None
    try:
        runpy.run_path(request["script"], run_name="__main__")
    except SystemExit as stop:
        error = None if stop.code in (None, 0) else f"SystemExit: {stop.code}"
    except BaseException as cause:
        traceback.print_exc()
        error = _summary(cause)
    finally:
        _clean(jvm)
    if request.get("kill_after_write"):
        return KILLED  # it was quicker than the order; the order stands
    if error is not None:
        Path(request["error"]).write_text(error, encoding="utf-8")
    return 0 if error is None else 1


def _set_properties(jvm: Any, conf: dict[str, str], baseline: dict[str, str]) -> None:
    """A new SparkConf reads these: exactly the worker's own and this program's, none of an earlier one."""
    system = jvm.java.lang.System
    for name in _spark_properties(jvm):
        if name not in baseline:
            system.clearProperty(name)
    for name, value in (baseline | conf).items():
        system.setProperty(name, value)


def _clean(jvm: Any) -> None:
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is not None:
        # Its server would take up to half a second to notice that it should end; it ends with this process.
        context._accumulatorServer = None
        context.stop()
    jvm.org.apache.spark.sql.SparkSession.clearActiveSession()
    jvm.org.apache.spark.sql.SparkSession.clearDefaultSession()
    jvm.org.apache.hadoop.fs.FileSystem.closeAll()
    for name in _spark_properties(jvm):
        if name.startswith("spark.hadoop.fs."):
            jvm.java.lang.System.clearProperty(name)
    for name in CREDENTIALS:
        jvm.java.lang.System.clearProperty(name)


def _kill_after_first_write(jvm: Any) -> None:
    """As a lost executor: the whole worker dies once the program has written something to S3."""
    jvm.org.apache.hadoop.fs.FileSystem.clearStatistics()

    def watch() -> None:
        while True:
            time.sleep(_POLL_SECONDS)
            statistics = jvm.org.apache.hadoop.fs.FileSystem.getAllStatistics()
            if any(one.getScheme().startswith("s3") and one.getBytesWritten() > 0 for one in statistics):
                os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _summary(cause: BaseException) -> str:
    """The one line that GetJobRun shows."""
    from py4j.protocol import Py4JJavaError

    if isinstance(cause, Py4JJavaError):
        deepest = cause.java_exception
        while deepest.getCause() is not None:
            deepest = deepest.getCause()
        return f"{str(cause).splitlines()[0].rstrip(':.')}. {deepest.toString()}".splitlines()[0]
    return traceback.format_exception_only(cause)[-1].strip().splitlines()[0]


if __name__ == "__main__":
    main()
