"""Writes who the champion is beside the models; the same champion twice is written once."""

import os
from typing import Any

from shared.aws import client, read_json, write_json

from publish_champion.pointer import pointer


def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    bucket, key = os.environ["MODELS_BUCKET"], os.environ["CHAMPION_KEY"]
    found = client("ssm").get_parameter(Name=os.environ["CHAMPION_PARAMETER"])["Parameter"]
    wanted = pointer(found["Value"], bucket=bucket, region=os.environ["AWS_REGION"])
    is_new = wanted != _written(bucket, key)
    if is_new:
        write_json(bucket, key, wanted)
    return {"run_id": wanted["run_id"], "written": is_new}


def _written(bucket: str, key: str) -> Any:
    """Each write is a version, and a copy of it: an hourly look is not to make twenty-four a day."""
    try:
        return read_json(bucket, key)
    except client("s3").exceptions.NoSuchKey:
        return None
