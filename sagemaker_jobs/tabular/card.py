"""The model card of a version: what it is for, what it was made of, what it is worth, and for whom less.

In the JSON schema of SageMaker's model package model cards (version 0.1.0).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tabular import card_evidence
from tabular.card_parts import AXIS, NAME, NOTE, filled, metric, sentences, text
from tabular.contract import ModelContract

# CreateModelPackage takes 100,000 characters; the gate still adds where the model lies and what it decided.
LARGEST = 90_000
ESSENTIAL = ("quality", "confusion matrix", "gains")


def build(
    contract: ModelContract,
    report: Mapping[str, Any],
    table: Mapping[str, Any],
    story: Mapping[str, Any],
    curves: Mapping[str, Sequence[tuple[float, float]]],
) -> dict[str, Any]:
    """
    report  evaluation.json; table: candidates.json; story: the winner's training.json
    curves  by name, points (x, y): ROC and precision-recall of the candidate
    """
    wanted = contract.evaluation.get("card") or {}
    told = contract.compiled.get("description") or {}
    card = {
        "model_overview": {"model_creator": text(wanted.get("creator") or contract.name, NOTE)},
        "intended_uses": filled(
            {
                "purpose_of_model": told.get("purpose"),
                "intended_uses": told.get("usage"),
                "factors_affecting_model_efficiency": told.get("limitations"),
                "risk_rating": wanted.get("risk_rating", "Unknown"),
                "explanations_for_risk_rating": wanted.get("risk_explanation"),
            }
        ),
        "business_details": filled(
            {
                "business_problem": told.get("purpose"),
                "business_stakeholders": wanted.get("stakeholders"),
                "line_of_business": contract.compiled.get("domain"),
            }
        ),
        "training_details": _training(contract, report, table, story),
        "evaluation_details": [
            card_evidence.holdout(contract, report, curves),
            *(card_evidence.fairness(entry) for entry in _attributes(report)),
            card_evidence.candidates(table),
        ],
        "additional_information": _additional(contract, report, table, wanted),
    }
    return bounded(card)


def compact(card: Mapping[str, Any]) -> str:
    """One line of ASCII: CreateModelPackage counts characters, and takes no line break."""
    return json.dumps(card, separators=(",", ":"), allow_nan=False)


def bounded(card: dict[str, Any], largest: int = LARGEST) -> dict[str, Any]:
    """The card without its largest charts until it fits; what is left out is named in it."""
    left_out: list[str] = []
    while len(compact(card)) > largest:
        groups = [
            (len(compact(group)), place, group)
            for place, detail in enumerate(card["evaluation_details"])
            for group in detail["metric_groups"]
            if group["name"] not in ESSENTIAL
        ]
        if not groups:
            break
        _, place, group = max(groups, key=lambda entry: entry[0])
        card["evaluation_details"][place]["metric_groups"].remove(group)
        left_out.append(f"{card['evaluation_details'][place]['name']}: {group['name']}")
        custom = card["additional_information"]["custom_details"]
        custom["left out for its size"] = text("; ".join(left_out), NOTE)
    return card


def _training(
    contract: ModelContract, report: Mapping[str, Any], table: Mapping[str, Any], story: Mapping[str, Any]
) -> dict[str, Any]:
    windows, rows, gap = report["windows"], report["rows"], report["gap"]
    line = next(line for line in table["candidates"] if line["name"] == table["chosen"])
    parameters = line["hyperparameters"]
    observed = sentences(
        f"family {line['family']}",
        f"trained on [{windows['train_start']}, {windows['train_end']}), {rows['train']} labelled rows",
        f"stopped, chosen and calibrated on [{windows['train_end']}, {windows['validation_end']}), "
        f"{rows['validation']} rows",
        table["reason"],
        gap["text"],
    )
    metrics = [
        metric("training loss", gap["train_loss"]),
        metric("validation loss", gap["validation_loss"]),
        metric("training seconds", line["seconds"]),
        metric("rounds", len(story.get("rounds") or []) or None),
    ]
    return {
        "objective_function": {
            "function": {
                "function": "Minimize",
                "facet": text(report["loss"].replace("_", " "), AXIS),
                "condition": "on the validation rows",
            },
            "notes": text(
                f"Rule to beat: {contract.compiled['model']['rule_baseline']['description']}", NOTE
            ),
        },
        "training_observations": text(observed, NOTE),
        "training_job_details": {
            "user_provided_training_metrics": [
                {key: entry[key] for key in ("name", "value")} for entry in metrics if entry is not None
            ][:50],
            "user_provided_hyper_parameters": [
                {
                    "name": text(name, NAME),
                    "value": text(str(value), NAME),
                }
                for name, value in sorted(parameters.items())
                if str(value)
            ][:100],
        },
    }


def _additional(
    contract: ModelContract, report: Mapping[str, Any], table: Mapping[str, Any], wanted: Mapping[str, Any]
) -> dict[str, Any]:
    caveats = []
    if report["champion"]["overlaps_holdout"]:
        caveats.append("the champion was fitted to a part of the hold-out window: the comparison favours it")
    if report["gap"]["verdict"] != "balanced":
        caveats.append(f"{report['gap']['verdict']}: {report['gap']['text']}")
    for worst in report["slices"][:1]:
        where = f"{worst['feature']} {worst['value']}"
        caveats.append(f"worst group: {where}, {worst['summary']} on {worst['rows']} rows")
    ethics = [wanted.get("ethical_considerations") or ""]
    ethics += [f"differences by {entry['attribute']}: {entry['reading']}" for entry in _attributes(report)]
    return filled(
        {
            "ethical_considerations": sentences(*ethics)
            or "No attribute is declared for a look at fairness.",
            "caveats_and_recommendations": sentences(*caveats) or "None beyond the limitations of the data.",
        }
    ) | {
        "custom_details": {
            name: text(str(value), NOTE)
            for name, value in {
                "run_id": report["run_id"],
                "contract": f"{contract.name} {contract.version}",
                "problem": report["problem"],
                "choice": table["reason"],
                "bias and variance": report["gap"]["verdict"],
                "recalibration": _recalibration(report),
                "threshold": "none" if report["threshold"] is None else f"{report['threshold']:.6g}",
            }.items()
        }
    }


def _attributes(report: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = (report.get("fairness") or {}).get("attributes", [])
    return found


def _recalibration(report: Mapping[str, Any]) -> str:
    found = report.get("recalibration") or {"method": "none"}
    return f"{found['method']} ({found['reason']})" if "reason" in found else found["method"]
