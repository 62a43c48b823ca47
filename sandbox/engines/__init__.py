"""The engines: each makes one service really do what moto only stores."""

from __future__ import annotations

# Module names, in the order they are installed (sandbox/parts.py); each offers install, reset and self_test.
ENGINES = (
    "functions",
    "rotation",
    "firehose",
    "events",
    "alarms",
    "metric_data",
    "notifications",
    "states",
    "glue",
    "sagemaker",
    "athena",
    "replication",
)
