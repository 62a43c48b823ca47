"""What live traffic says of the models behind the endpoint: quality, drift, data quality, comparison.

Pure: captured rows, labels and the champion's baseline in, the monitor's report out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tabular import (
    bias,
    comparison,
    concept,
    drift,
    fairness,
    influence,
    metrics,
    models,
    rules,
    sequential,
    statistics,
)
from tabular.capture import Captures, Row, to_frame
from tabular.contract import ModelContract
from tabular.frame import Frame

CHAMPION, CHALLENGER = "champion", "challenger"
Framed = tuple[Frame, np.ndarray]  # rows, and the scores that they were answered with


def report(
    contract: ModelContract,
    captures: Captures,
    labels: Mapping[str, float],
    baseline: Mapping[str, Any] | None,
    constraints: Mapping[str, Any] | None,
    *,
    known: Frame | None = None,
    champion: models.Model | None = None,
    framed: Framed | None = None,
) -> dict[str, Any]:
    """`baseline` is None while the rule baseline is the champion: there is nothing yet to drop from.

    known     the feature table's rows: their days, and the attributes that fairness looks at
    champion  the model itself, for its attributions; None for a rule, or one that cannot be loaded
    framed    `frame_of` the captures, where the caller needs it as well
    """
    everything, all_scores = framed or frame_of(contract, captures, labels)
    by_variant: dict[str, list[int]] = {name: [] for name in captures.variants()}
    for place, row in enumerate(captures.rows):
        by_variant[row.variant].append(place)
    scored = {name: _part(everything, all_scores, places) for name, places in by_variant.items()}
    found = statistics.violations(everything, constraints) if constraints else []
    answered = _with_days(*scored[CHAMPION], known) if CHAMPION in scored and known is not None else None
    return {
        "format": 1,
        "problem": contract.problem,
        "captures": captures.counts(),
        "labels": {"known": len(labels)},
        "variants": {
            name: {
                "refused": captures.refused.get(name, 0),
                "since": min((captures.rows[place].time for place in by_variant[name]), default=None),
                **variant(contract, *pair, baseline),
            }
            for name, pair in scored.items()
        },
        "comparison": _comparison(contract, scored),
        "sequential": _sequential(contract, captures.rows, by_variant, scored),
        "drift": drifted(contract, everything, all_scores, baseline),
        "concept": concept_drift(contract, answered, baseline),
        "attributions": influence.drifted(
            (baseline or {}).get("attributions"),
            influence.measured(contract.problem, champion, everything) if champion else None,
        ),
        "bias": bias_drift(contract, answered, baseline),
        "data_quality": {"checked": constraints is not None, "violations": found},
        "baseline": {name: baseline[name] for name in ("run_id", "metrics", "rows")} if baseline else None,
    }


def variant(
    contract: ModelContract, frame: Frame, scores: np.ndarray, baseline: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Metrics are None, with the reason, while too few labels are known: an alarm then gets no value.

    mean_score  of several classes: how sure the model is of its choice, on average
    """
    known = ~np.isnan(frame.label)
    result: dict[str, Any] = {
        "captured": len(frame),
        "labelled": int(known.sum()),
        "mean_score": _mean_score(scores),
        "metrics": None,
        "reason": None,
        "loss": None,
        "calibration_gap": None,
        "quality": None,
        "quality_drop": None,
    }
    if contract.problem not in metrics.HEADLINE:
        return result | {"reason": f"answers of a {contract.problem} problem are not right or wrong"}
    minimum = int(contract.monitor["minimum_labels"])
    if known.sum() < minimum:
        reason = (
            f"{int(known.sum())} of {len(frame)} captured rows have a label, at least {minimum} are needed"
        )
        return result | {"reason": reason}
    label, score, days = frame.label[known], scores[known], frame.date[known]
    threshold = baseline.get("threshold") if baseline else None

    naive = _rule_scores(contract, frame.take(known)) if contract.problem == "forecasting" else None
    measure = metrics.Measure(
        contract.problem, label, score, threshold=threshold, costs=contract.costs, naive=naive
    )
    # With few days a draw of days says little: rows are drawn then.
    groups = days if len(np.unique(days)) >= comparison.MINIMUM_GROUPS else np.arange(len(label))
    found = metrics.intervals(measure, groups)
    quality = _quality(contract, found, baseline)
    return result | {
        "metrics": found,
        "loss": float(metrics.row_loss(contract.problem, label, score).mean()),
        "calibration_gap": found["calibration_gap"]["value"],
        "quality": quality,
        "quality_drop": quality["drop"],
    }


def drifted(
    contract: ModelContract, frame: Frame, scores: np.ndarray, baseline: Mapping[str, Any] | None
) -> dict[str, Any]:
    limit = float(contract.monitor["psi"])
    if baseline is None:
        reason = "the champion has no baseline"
        return {"limit": limit, "features": {}, "drifted": [], "prediction_psi": None, "reason": reason}
    known = {name: bins for name, bins in baseline["features"].items() if name in frame.columns}
    features = {
        name: drift.psi(drift.comparable(frame.columns[name], contract.kinds[name]), bins)
        for name, bins in known.items()
    }
    few = len(frame) < drift.MINIMUM_ROWS
    return {
        "limit": limit,
        "features": features,
        "drifted": sorted(name for name, value in features.items() if value is not None and value > limit),
        "prediction_psi": drift.psi(drift.answered(scores, contract.classes), baseline["scores"]),
        "reason": f"{len(frame)} rows, at least {drift.MINIMUM_ROWS} are needed" if few else None,
    }


def concept_drift(
    contract: ModelContract, answered: tuple[Frame, np.ndarray] | None, baseline: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Of the champion's answers whose label is known."""
    empty = np.zeros(0)
    frame, scores = answered or (Frame(key=empty, date=empty, label=empty, columns={}), empty)
    return concept.look(
        contract.problem,
        frame.label,
        scores,
        frame.date,
        (baseline or {}).get("concept"),
        margin=contract.monitor["concept_drift"],
        false_alarm=contract.monitor["false_alarm"],
    )


def bias_drift(
    contract: ModelContract, answered: tuple[Frame, np.ndarray] | None, baseline: Mapping[str, Any] | None
) -> dict[str, Any]:
    before, now = (baseline or {}).get("fairness"), None
    if before and answered and len(answered[0]) >= contract.monitor["minimum_labels"]:
        now = fairness.report(
            contract.problem,
            contract.evaluation.get("fairness") or {},
            *answered,
            (baseline or {}).get("threshold"),
            classes=contract.classes,
            confidence=contract.gate["confidence"],
        )
    return bias.drifted(before, now)


def _with_days(frame: Frame, scores: np.ndarray, known: Frame) -> tuple[Frame, np.ndarray]:
    """The answered rows whose label is known, as the feature table has them: with the day of the event."""
    place = {key: index for index, key in enumerate(known.key.tolist())}
    found = [place.get(key, -1) for key in frame.key.tolist()]
    rows = np.array(found, dtype=np.intp)
    kept = (rows >= 0) & ~np.isnan(frame.label)
    return known.take(rows[kept]), scores[kept]


def _quality(
    contract: ModelContract, live: Mapping[str, Any], baseline: Mapping[str, Any] | None
) -> dict[str, Any]:
    """drop: lost AUC (classes), or the growth of the RMSE as a share of the baseline's (numbers)."""
    name, lower_is_better = metrics.HEADLINE[contract.problem]
    now = live[name]["value"]
    before = baseline["metrics"][name] if baseline else None
    result: dict[str, Any] = {"metric": name, "baseline": before, "live": now, "drop": None, "reason": None}
    if before is None:
        return result | {"reason": "the champion has no baseline"}
    if now is None:
        return result | {
            "reason": f"{name} is not defined on these labels, for example because all are equal"
        }
    return result | {"drop": (now - before) / before if lower_is_better else before - now}


def _comparison(
    contract: ModelContract, scored: Mapping[str, tuple[Frame, np.ndarray]]
) -> dict[str, Any] | None:
    """Each request went to one variant by chance, so the rows differ and Welch's test applies.

    difference > 0: the challenger's loss is lower.
    """
    if CHAMPION not in scored or CHALLENGER not in scored or contract.problem not in metrics.HEADLINE:
        return None
    losses = {}
    for name in (CHAMPION, CHALLENGER):
        frame, scores = scored[name]
        known = ~np.isnan(frame.label)
        losses[name] = metrics.row_loss(contract.problem, frame.label[known], scores[known])
    found = comparison.unpaired(losses[CHALLENGER], losses[CHAMPION], contract.gate["confidence"])
    if found is None:
        return None
    return found.to_json() | {f"{name}_rows": len(values) for name, values in losses.items()}


def _sequential(
    contract: ModelContract,
    rows: Sequence[Row],
    by_variant: Mapping[str, list[int]],
    scored: Mapping[str, Framed],
) -> dict[str, Any] | None:
    """The bounds on which a challenger is judged, from requests of the time in which both answered."""
    if not by_variant.get(CHALLENGER) or not by_variant.get(CHAMPION):
        return None
    if contract.problem not in metrics.HEADLINE:
        return None
    answered = {name: [rows[place] for place in by_variant[name]] for name in (CHAMPION, CHALLENGER)}
    since = min(row.time for row in answered[CHALLENGER])
    online = contract.online
    levels = sequential.Levels(
        false_promotion=online["false_promotion"],
        false_roll_back=online["false_roll_back"],
        planned=int(online["planned_requests"]),
    )
    found = sequential.bounds(
        *(_losses(contract, answered[name], *scored[name], since) for name in (CHAMPION, CHALLENGER)), levels
    )
    if found is None:
        return None
    return {
        "verdict": sequential.decide(found, online["margin"]),
        "since": since,
        **online,
        **found.to_json(),
    }


def _losses(
    contract: ModelContract, rows: list[Row], frame: Frame, scores: np.ndarray, since: str
) -> sequential.Losses:
    """With what no choice of a variant can change: the label, and the rule's loss on the same row."""
    is_later = np.array([row.time >= since for row in rows], dtype=bool)
    known = is_later & ~np.isnan(frame.label)
    part, request = frame.take(known), np.array([row.request for row in rows], dtype=object)[known]
    rule = _rule_scores(contract, part)
    covariates = [part.label, metrics.row_loss(contract.problem, part.label, rule)]
    return sequential.Losses(
        loss=metrics.row_loss(contract.problem, part.label, scores[known]),
        request=request.astype(str),
        known=np.column_stack(covariates),
    )


def frame_of(contract: ModelContract, captures: Captures, labels: Mapping[str, float]) -> Framed:
    """All captured rows, in their order, and their scores: made once, as it takes longest."""
    return to_frame(captures.rows, contract.kinds, labels, contract.classes)


def _part(frame: Frame, scores: np.ndarray, places: list[int]) -> Framed:
    rows = np.array(places, dtype=np.intp)
    return frame.take(rows), scores[rows]


def _rule_scores(contract: ModelContract, frame: Frame) -> np.ndarray:
    return models.RuleModel(content=rules.rule_model(contract.compiled)).scores(frame)


def _mean_score(scores: np.ndarray) -> float | None:
    if not len(scores):
        return None
    return float((scores if scores.ndim == 1 else scores.max(axis=1)).mean())
