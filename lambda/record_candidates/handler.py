"""Writes what trained into the run's folder, where the evaluation and people find it.

runs/<run_id>/training/candidates.json  every candidate with its seconds, and why the others were lost
runs/<run_id>/tuning/tuning.json        every trial of the search
runs/<run_id>/candidates.manifest       the models to compare, and candidates.json beside them
"""

import os
from typing import Any

from shared.aws import write_json
from shared.environment import contract

from record_candidates.table import lost, table, trials


def handler(event: dict[str, Any], _context: object) -> dict[str, str]:
    plan, bucket = event["plan"], os.environ["MODELS_BUCKET"]
    folder = f"runs/{plan['run_id']}"
    home = f"s3://{bucket}/{folder}/training/"
    price = os.environ["USD_PER_HOUR"]
    content = table(
        plan,
        event["trained"],
        event["search"],
        home=home,
        instance_type=os.environ["INSTANCE_TYPE"],
        usd_per_hour=float(price) if price else None,
    )
    write_json(bucket, f"{folder}/training/candidates.json", content)
    if event["search"].get("trials"):
        ranges = (contract()["model"]["tuning"] or {}).get("ranges", {})
        write_json(bucket, f"{folder}/tuning/tuning.json", trials(plan["run_id"], event["search"], ranges))
    models = [candidate["path"] for candidate in content["candidates"]]
    manifest = write_json(
        bucket, f"{folder}/candidates.manifest", [{"prefix": home}, "candidates.json", *models]
    )
    return {"manifest": manifest, "lost": lost(content)}
