"""The Glue context: here only the door to the Spark session."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession


class GlueContext:
    def __init__(self, sparkContext: Any, **options: Any) -> None:  # noqa: N803 its name on Glue
        if options:
            raise NotImplementedError(f"GlueContext option {sorted(options)[0]} is not in the sandbox")
        self._ssc = sparkContext
        self.spark_session = SparkSession(sparkContext)

    def get_logger(self) -> Any:
        """A log4j logger; its lines reach the job's error log group, as on Glue."""
        return self._ssc._jvm.org.apache.log4j.LogManager.getLogger("GlueLogger")

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(f"GlueContext.{name} is not in the sandbox: use the Spark DataFrame API")


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotImplementedError(f"awsglue.context.{name} is not in the sandbox; it has GlueContext")
