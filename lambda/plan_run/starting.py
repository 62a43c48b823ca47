"""What a training starts from: nothing, or the trees of the champion."""

import os
from collections.abc import Mapping
from typing import Any

from shared.aws import manifest, write_json

from plan_run.request import START, HyperparameterError


def manifest_of(start: str, champion: Mapping[str, Any], key: str) -> str:
    """Writes which files the training's channel `champion` brings: its model, or only the list itself."""
    bucket = os.environ["MODELS_BUCKET"]
    if start == "nothing":
        # SageMaker refuses an empty manifest.
        return write_json(bucket, key, manifest(bucket, [key]))
    if champion["kind"] == "baseline":
        raise HyperparameterError(
            f"hyperparameters.{START}: got {start!r}, but the rule baseline serves, and a rule has no trees "
            "to go on from: leave it out until a model was promoted"
        )
    if os.environ["ALGORITHM"] != "script":
        raise HyperparameterError(
            f"hyperparameters.{START}: got {start!r}, but the built-in algorithm cannot go on from a model: "
            "leave it out, or set train.algorithm='script' in settings.py"
        )
    home, _, place = champion["model_data_url"].removeprefix("s3://").partition("/")
    return write_json(bucket, key, manifest(home, [place]))
