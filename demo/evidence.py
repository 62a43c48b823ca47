"""Gathers what the run left behind: reports in the lake, the ledger, executions, the record of calls.

Nothing here is written down in advance: a figure that the run did not produce is missing from the page.
"""

from __future__ import annotations

import csv
import io
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from tabular import contract as agreement
from tabular import frame, metrics, models, packaging, rules

from demo import privacy, science
from demo.actors import Answer
from demo.analyst import WHOLE_FILE, Analyst
from demo.operator import Operator
from demo.story import Sent, Story

SHOWN = {
    "binary": ("roc_auc", "log_loss"),
    "multiclass": ("accuracy", "log_loss"),
    "regression": ("rmse", "r2"),
    "forecasting": ("rmse", "mae"),
}
# What the months' means are means of.
UNITS = {
    "binary": "share of positive labels",
    "multiclass": "share that is right, and how sure it is",
}
NORMAL = 1.96


def gather(story: Story, facts: Mapping[str, Any]) -> dict[str, Any]:
    """`facts`: what the caller measured itself (seconds, memory, synthesis, versions)."""
    contract, told = story.contract, story.told
    runs = _runs(story.operator, story.analyst)
    champion = story.operator.champion()
    promoted = [run for run in runs if run["bake"] == "promoted"]
    frozen = promoted[0]["run_id"] if promoted else None
    evaluation = _evaluation(story.analyst, champion["run_id"]) if champion else None
    record = story.account.ask("record", last=500)
    denied = _denied(story, record["denials"])
    months = _months(story, frozen)
    ingest = _ingest(story)
    executions = _executions(story)
    return {
        "contract": contract["name"],
        "expects": [*story.plot.expects, *_promised(contract)],
        "summary": _summary(story, runs),
        "tiles": _tiles(facts, ingest, runs, record, story),
        "events": told.events,
        "metrics": SHOWN[contract["model"]["problem"]],
        "label_unit": UNITS.get(contract["model"]["problem"], "mean of the label"),
        "months": months,
        "psi_limit": contract["monitor"]["psi"],
        "champion": champion["run_id"] if champion else "rule baseline",
        "frozen": frozen,
        "champion_evaluation": evaluation,
        "runs": runs,
        "science": science.gather(story.analyst, runs, champion["run_id"] if champion else None),
        "training": story.operator.training(),
        "bulk": told.bulk,
        "ingest": ingest,
        "privacy": privacy.gather(story),
        "executions": executions,
        "roles": story.account.ask("roles"),
        "denied": denied,
        "failures": [
            {name: failure[name] for name in ("name", "error", "message", "at")}
            for failure in story.account.ask("health")["work"]["failures"]
        ],
        "chapters": told.chapters,
        "facts": dict(facts),
        "colophon": facts["colophon"],
    }


def _promised(contract: Mapping[str, Any]) -> list[str]:
    """What the contract has the loop do with persons."""
    tables = contract["tables"].values()
    has_tokens = any("token" in column for table in tables for column in table["columns"].values())
    has_suppression = any((table["anonymity"] or {}).get("below") == "suppress" for table in tables)
    return ["tokens"] * has_tokens + ["suppression"] * has_suppression


# -- models over the months


def _months(story: Story, frozen: str | None) -> list[dict[str, Any]]:
    """Frozen, live and rule on the same rows: answered by the champion variant, and with a known label."""
    agreed = agreement.parse(story.contract)
    rule = models.RuleModel(content=rules.rule_model(story.contract))
    reports = _reports(story.analyst)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        first = _model(story.analyst, frozen, Path(folder)) if frozen else None
        for month, answers in story.told.answers.items():
            table = _features(story.analyst, agreed, month, Path(folder) / month)
            score = {
                answer.key: _values(answer, agreed.classes)
                for answer in answers
                if answer.variant == "champion"
            }
            known = np.array([key in score for key in table.key]) & ~np.isnan(table.label)
            part = table.take(np.flatnonzero(known))
            live = np.array([score[key] for key in part.key])
            report = reports.get(month, {})
            champion = ((report.get("baseline") or {}).get("run_id")) or "rule baseline"
            rows.append(
                {
                    "month": month,
                    "rows": len(part),
                    "requests": len(answers),
                    "observed": _observed(part.label, live) if len(part) else None,
                    "champion": champion,
                    "live": _measured(agreed, part, live),
                    "frozen": _measured(agreed, part, first.scores(part)) if first else None,
                    "rule": _measured(agreed, part, rule.scores(part)),
                    "psi": (report.get("drift") or {}).get("features") or {},
                    "variants": report.get("variants"),
                    "comparison": report.get("comparison"),
                    "watched": _watched(report),
                }
            )
    for before, after in zip(rows, rows[1:], strict=False):
        after["promoted"] = before["champion"] != after["champion"]
    return rows


def _watched(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the monitor said of the relation to the labels, and as context; None without a report."""
    if not report:
        return None
    concept, attributions, bias = (report[name] for name in ("concept", "attributions", "bias"))
    return {
        "concept": {name: concept[name] for name in ("lost_since", "at_least", "is_drift", "reason")},
        "attributions": {name: attributions[name] for name in ("ndcg", "reason")},
        "bias": {name: bias[name] for name in ("grew", "reason")},
        "drifted": report["drift"]["drifted"],
    }


def _values(answer: Answer, classes: Sequence[str]) -> float | list[float]:
    """In the contract's order, which the server's answer need not have."""
    return [answer.probabilities[name] for name in classes] if answer.probabilities else answer.score


def _observed(label: np.ndarray, score: np.ndarray) -> float:
    """What the mean prediction is compared with: the mean label, of classes the share of right choices."""
    return float((label if score.ndim == 1 else score.argmax(axis=1) == label).mean())


def _measured(agreed: agreement.ModelContract, part: frame.Frame, score: np.ndarray) -> dict[str, Any] | None:
    """Metric -> value with a 95 % interval by a jackknife over days, as rows of one day share its weather.

    None without a row whose label is known.
    """
    if not len(part):
        return None
    days, codes = np.unique(part.date, return_inverse=True)

    measure = metrics.Measure(agreed.problem, part.label, score)
    whole = measure()
    left_out = [measure((codes != day).astype(float)) for day in range(len(days))]
    return {
        **{name: _interval(value, [each[name] for each in left_out]) for name, value in whole.items()},
        "mean_prediction": _interval(float((score if score.ndim == 1 else score.max(axis=1)).mean()), []),
    }


def _interval(value: float | None, others: list[float | None]) -> dict[str, float] | None:
    if value is None:
        return None
    known = np.array([other for other in others if other is not None])
    count = len(known)
    error = float(np.sqrt((count - 1) / count * ((known - known.mean()) ** 2).sum())) if count > 1 else 0.0
    return {"value": value, "low": value - NORMAL * error, "high": value + NORMAL * error}


def _model(analyst: Analyst, run_id: str, folder: Path) -> models.RuleModel | models.TrainedModel:
    body = analyst.content(f"runs/{run_id}/model/model.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        packaging.extract(archive, folder / run_id)
    return models.load(folder / run_id)


def _features(analyst: Analyst, agreed: agreement.ModelContract, month: str, folder: Path) -> frame.Frame:
    folder.mkdir()
    for number, body in enumerate(analyst.feature_files(month)):
        (folder / f"{number}.parquet").write_bytes(body)
    return frame.read(folder, agreed.kinds)


def _reports(analyst: Analyst) -> dict[str, dict[str, Any]]:
    """Monitoring reports by the month that they judge: the looks are in the first days of the next one."""
    found = {}
    for path in sorted(analyst.paths("monitor/")):
        if path.endswith("/report.json") and (report := analyst.report(path)):
            last = date.fromisoformat(report["window"]["end"]).replace(day=1) - timedelta(days=1)
            found[f"{last:%Y-%m}"] = report
    return found


# -- runs and executions


def _runs(operator: Operator, analyst: Analyst) -> list[dict[str, Any]]:
    rows = []
    for run in operator.runs():
        decision = analyst.report(f"runs/{run['run_id']}/decision.json")
        if decision is None and run["outcome"] == "refreshed":
            continue
        passed = bool(decision and decision["promote"])
        rows.append(
            {
                "run_id": run["run_id"],
                "trigger": run["trigger"],
                "outcome": run["outcome"],
                "gate": "passed" if passed else ("refused" if decision else "not reached"),
                "gate_reason": decision["reason"] if decision else run.get("reason", ""),
                "bake": run["outcome"] if passed else "no bake",
                "bake_reason": run.get("reason", "") if passed else "",
            }
        )
    return rows


def _evaluation(analyst: Analyst, run_id: str) -> dict[str, Any] | None:
    found = analyst.report(f"runs/{run_id}/evaluation/evaluation.json")
    if found is None:
        return None
    curves = {
        kind: _curve(text)
        for kind in ("roc", "pr")
        if (text := analyst.text(f"runs/{run_id}/evaluation/{kind}.csv")) is not None
    }
    return {
        "rows": found["rows"]["holdout"],
        "threshold": found.get("threshold"),
        "confusion": found.get("confusion_matrix"),
        "curves": curves,
        "importance": found["importance"],
        "explained": {name: (found.get("attributions") or {}).get(name) or "" for name in ("method", "unit")},
        "candidate": found["candidate"],
        "paired": found["paired"],
    }


def _curve(text: str) -> dict[str, dict[str, list[float]]]:
    """{model: {column: points}} of a curve file."""
    found: dict[str, dict[str, list[float]]] = {}
    for line in csv.DictReader(io.StringIO(text)):
        model = found.setdefault(line.pop("model"), {})
        for column, value in line.items():
            model.setdefault(column, []).append(float(value))
    return found


def _executions(story: Story) -> list[dict[str, Any]]:
    rows = []
    now = story.account.now()
    for execution in story.operator.executions():
        path, counts = [], {}
        for state in story.operator.path(execution["arn"]):
            counts[state] = counts.get(state, 0) + 1
            if counts[state] == 1:
                path.append(state)
        stopped = execution["stopped"] or now  # by the account's clock, which the story moves
        given = execution["input"]
        rows.append(
            {
                "machine": execution["machine"],
                "name": execution["name"],
                "trigger": given.get("trigger", "person"),
                "action": given.get("action", ""),
                "status": execution["status"],
                "seen_at": story.told.seen_at.get(execution["arn"]),
                "seconds": (stopped - execution["started"]).total_seconds(),
                "error": execution["error"],
                "failures": story.operator.retries(execution["arn"]),
                "path": " → ".join(
                    f"{state} ×{counts[state]}" if counts[state] > 1 else state for state in path
                ),
            }
        )
    return rows


# -- who was refused what


def _denied(story: Story, denials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Refused calls, with the reason why the story made them; None for one that nobody meant."""
    meant = {(role, action): why for role, action, why in story.told.meant_denials}
    return [
        {
            "role": call["principal"].rsplit("/", 1)[-1],
            "action": call["action"],
            "resource": call["resource"],
            "reason": call["reason"],
            "meant": meant.get((call["principal"], call["action"])),
        }
        for call in denials
    ]


# -- data at the door


def _ingest(story: Story) -> list[dict[str, Any]]:
    rows = []
    for table in story.contract["tables"]:
        reasons = story.analyst.set_aside(table)
        files = sum(count for reason, count in reasons.items() if reason.startswith(WHOLE_FILE))
        sent = story.told.sent.get(table, Sent())
        rows.append(
            {
                "table": table,
                "sent": sent.records,
                "copies": sent.copies,
                "rows_of_refused_files": sent.in_refused_files,
                "refused_files": files,
                "curated": story.analyst.curated_rows(table),
                "quarantined": sum(reasons.values()) - files,
                "reasons": ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common(6)),
            }
        )
    return rows


# -- words


def _summary(story: Story, runs: list[dict[str, Any]]) -> str:
    said = _count_words(runs)
    return (
        f"{story.contract['name']}, {story.plot.start} to {story.plot.end}: {story.told.records:,} records "
        f"went through the deployed stacks in the embedded account; {said}. Every figure below was read from "
        "what the run left behind: the lake, the ledger, the executions and the record of calls."
    )


def _count_words(runs: list[dict[str, Any]]) -> str:
    count: Callable[[str], int] = lambda outcome: sum(run["outcome"] == outcome for run in runs)  # noqa: E731
    return (
        f"{len(runs)} retraining runs, {count('promoted')} promoted, {count('refused')} refused at the gate"
    )


def _tiles(
    facts: Mapping[str, Any],
    ingest: list[dict[str, Any]],
    runs: list[dict[str, Any]],
    record: Mapping[str, Any],
    story: Story,
) -> list[dict[str, str]]:
    answers = sum(len(given) for given in story.told.answers.values())
    return [
        {"label": "records sent", "value": f"{sum(row['sent'] for row in ingest):,}"},
        {"label": "records in quarantine", "value": f"{sum(row['quarantined'] for row in ingest):,}"},
        {"label": "predictions served", "value": f"{answers:,}"},
        {"label": "retraining runs", "value": str(len(runs))},
        {"label": "promotions", "value": str(sum(run["bake"] == "promoted" for run in runs))},
        {"label": "calls authorised", "value": f"{record['calls']:,}"},
        {"label": "calls denied, as meant", "value": str(record["denied"])},
        {"label": "wall time of the story", "value": f"{facts['seconds']:.0f} s"},
    ]
