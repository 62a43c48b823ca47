"""What a second Region has to know of the champion: which run it is of, and where its artefact lies."""

import json
from typing import Any

BASELINE = "baseline"


class ChampionError(RuntimeError):
    """The champion parameter cannot be read."""


def pointer(value: str, *, bucket: str, region: str) -> dict[str, Any]:
    """`value` is the parameter's: the word baseline, or what the loop wrote at the last promotion.

    The artefact is named by its key alone: its copy has the same key in another bucket. `region` is where
    this was written, for those who have to ask whether it still answers.
    """
    if value == BASELINE:
        return {"run_id": BASELINE, "model_name": "", "model_data_key": "", "region": region}
    try:
        content = json.loads(value)
        run_id, model_name, url = (content[name] for name in ("run_id", "model_name", "model_data_url"))
    except (ValueError, KeyError, TypeError) as error:
        raise ChampionError(
            f"the champion parameter names no run_id, model_name and model_data_url ({error!r}): "
            "write what the loop wrote, or the word baseline to start again from the rule"
        ) from error
    beginning = f"s3://{bucket}/"
    if not str(url).startswith(beginning):
        raise ChampionError(
            f"the champion's artefact lies at {url}, allowed is a place below {beginning}: what lies "
            "elsewhere is not copied to the second Region"
        )
    key = str(url).removeprefix(beginning)
    return {"run_id": run_id, "model_name": model_name, "model_data_key": key, "region": region}
