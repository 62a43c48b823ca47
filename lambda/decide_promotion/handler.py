"""Reads a run's evaluation, answers whether its candidate may challenge the champion, and writes down why.

A candidate that may gets its model card for the registry.
"""

import os
from dataclasses import asdict
from typing import Any

from shared.aws import read_json, write_json
from shared.environment import contract

from decide_promotion.card import completed, text
from decide_promotion.gate import decide


class EvaluationError(ValueError):
    """The evaluation is of another run."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    run_id, bucket = event["plan"]["run_id"], os.environ["MODELS_BUCKET"]
    evaluation = read_json(bucket, f"runs/{run_id}/evaluation/evaluation.json")
    if evaluation["run_id"] != run_id:
        raise EvaluationError(f"the evaluation below runs/{run_id}/ is of run {evaluation['run_id']}")
    decision = decide(evaluation, contract()["model"]["gate"])
    card = ""
    if decision.promote:
        told = completed(
            read_json(bucket, f"runs/{run_id}/evaluation/model_card.json"),
            model=f"s3://{bucket}/runs/{run_id}/model/model.tar.gz",
            data=f"s3://{os.environ['FEATURES_BUCKET']}/features/",
            run_id=run_id,
            reason=decision.reason,
        )
        card = text(told)
        write_json(bucket, f"runs/{run_id}/model_card.json", told)
    answer = {
        "promote": decision.promote,
        "reason": decision.reason,
        "checks": [asdict(check) for check in decision.checks],
    }
    write_json(bucket, f"runs/{run_id}/decision.json", answer)
    # The card only passes through the state machine, on its way into the registry.
    return answer | {"card": card}
