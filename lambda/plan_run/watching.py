"""The plan of a look at the endpoint: which captures, which labels, which baseline."""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from shared.aws import client, manifest, objects, write_json

from plan_run.calendar_months import DAY, months_of
from plan_run.request import Request

REPORT = re.compile(r"monitor/(\d{4}-\d{2}-\d{2})/report\.json")
# Labels of a few days seldom suffice; also the reach of the first look.
FEWEST_DAYS, FIRST_DAYS = 7, 31
# A prediction may be asked for days before the event that dates its row of features, or after it.
LABEL_REACH = timedelta(days=31)


def monitoring(
    request: Request,
    lateness_days: int,
    features: Mapping[str, str],
    champion: Mapping[str, str],
) -> dict[str, Any]:
    """`features`: month -> location, as published."""
    bucket, folder = os.environ["MODELS_BUCKET"], f"monitor/{request.through}"
    start = window_start(request.through, _last_look(request.through), lateness_days)
    captures = list(_capture_keys(start, request.through))
    months = months_of(start - LABEL_REACH, request.through + LABEL_REACH)
    labels = [key for month in sorted(months & set(features)) for key in _keys_below(features[month])]
    return {
        "start": start.isoformat(),
        "end": request.through.isoformat(),
        "captures": len(captures),
        "captures_manifest": _write(bucket, f"{folder}/captures.manifest", "CAPTURES_BUCKET", captures),
        "features_manifest": _write(bucket, f"{folder}/features.manifest", "FEATURES_BUCKET", labels),
        "report_uri": f"s3://{bucket}/{folder}/report.json",
        # The rule has no baseline and no attributions; a job's input may not be empty, and this folder holds
        # the manifests.
        "baseline_uri": champion["baseline_uri"] or f"s3://{bucket}/{folder}/",
        "champion_uri": champion["model_data_url"]
        if champion["baseline_uri"]
        else f"s3://{bucket}/{folder}/",
    }


def window_start(through: date, last: date | None, lateness_days: int) -> date:
    """Where the last look ended, and the days before whose labels were still on their way."""
    if last is None:
        return through - FIRST_DAYS * DAY
    return min(last - lateness_days * DAY, through - FEWEST_DAYS * DAY)


def _write(bucket: str, key: str, source: str, keys: list[str]) -> str:
    # SageMaker refuses an empty manifest; one that lists itself brings a file that no reader takes for data.
    content = manifest(os.environ[source], keys) if keys else manifest(bucket, [key])
    return write_json(bucket, key, content)


def _last_look(through: date) -> date | None:
    found = (REPORT.fullmatch(entry["Key"]) for entry in objects(os.environ["MODELS_BUCKET"], "monitor/"))
    days = [date.fromisoformat(match.group(1)) for match in found if match]
    return max((day for day in days if day < through), default=None)


def _capture_keys(start: date, end: date) -> Iterator[str]:
    """One day longer: SageMaker files a request by the hour at which it wrote it down."""
    bucket, folder = os.environ["CAPTURES_BUCKET"], f"captures/{os.environ['ENDPOINT_NAME']}/"
    answer = client("s3").list_objects_v2(Bucket=bucket, Prefix=folder, Delimiter="/")
    for variant in answer.get("CommonPrefixes", []):
        day = start
        while day < end + DAY:
            for entry in objects(bucket, f"{variant['Prefix']}{day:%Y/%m/%d}/"):
                yield entry["Key"]
            day += DAY


def _keys_below(location: str) -> Iterator[str]:
    bucket, _, folder = location.removeprefix("s3://").partition("/")
    return (entry["Key"] for entry in objects(bucket, f"{folder}/") if entry["Key"].endswith(".parquet"))
