"""The Spark settings that results depend on, the same on every machine."""

from pyspark.sql import SparkSession

SETTINGS = {
    # Text such as 2013-01-01T05:00:00Z means the same moment wherever the job runs.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.files.maxRecordsPerFile": "5000000",
    "spark.sql.sources.partitionOverwriteMode": "static",
    # Raw files are many and small (one for each day and delivery): read some dozens of them in one task.
    "spark.sql.files.openCostInBytes": "131072",
    # Their folders are listed in this many tasks; Spark would start one for each folder.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
}


def configure(spark: SparkSession) -> SparkSession:
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    return spark
