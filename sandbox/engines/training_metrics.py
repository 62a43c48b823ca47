"""Metrics of a training job: its definitions read over its log lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sandbox import clock
from sandbox.engines.jobs import Job

# What SageMaker knows of its built-in algorithm without being told.
_BUILT_IN = re.compile(r"#011(train|validation)-([\w@.-]+?):(\S+)")


def final(job: Job, lines: Iterable[str]) -> list[dict[str, Any]] | None:
    """The last value of every metric; None if there is none."""
    values: dict[str, float] = {}
    definitions = job.fields["AlgorithmSpecification"].get("MetricDefinitions") or []
    patterns = [(one["Name"], re.compile(one["Regex"])) for one in definitions]
    built_in = "sagemaker_program" not in (job.fields.get("HyperParameters") or {})
    for line in lines:
        for name, pattern in patterns:
            if match := pattern.search(line):
                _take(values, name, match[1])
        if built_in:
            for data, metric, value in _BUILT_IN.findall(line):
                _take(values, f"{data}:{metric}", value)
    now = clock.now()
    return [{"MetricName": name, "Value": value, "Timestamp": now} for name, value in values.items()] or None


def series(job: Job, name: str) -> list[float]:
    """What the job has reported of one metric so far, line by line."""
    definitions = job.fields["AlgorithmSpecification"].get("MetricDefinitions") or []
    patterns = [re.compile(one["Regex"]) for one in definitions if one["Name"] == name]
    built_in = "sagemaker_program" not in (job.fields.get("HyperParameters") or {})
    found = []
    for line in list(job.lines):
        values: dict[str, float] = {}
        for pattern in patterns:
            if match := pattern.search(line):
                _take(values, name, match[1])
        if built_in:
            for data, metric, value in _BUILT_IN.findall(line):
                if f"{data}:{metric}" == name:
                    _take(values, name, value)
        found += values.values()
    return found


def _take(values: dict[str, float], name: str, text: str) -> None:
    try:
        values[name] = float(text)
    except ValueError:  # as SageMaker does: a match that is no number is no metric
        return
