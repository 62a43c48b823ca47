"""What the monitor notices on the real months of the flights, how soon, and how often it rings without cause.

    python -m benchmarks.monitoring [--repetitions 200] [--write benchmarks/monitoring.json]

Features come from the Glue jobs on all real flights (as in benchmarks.quality). A champion is evaluated on
the month before it serves and judged on each later one, as the deployed monitor does it.

real      each month as it was, for a champion that stays and for one trained anew each month
no drift  the days of evaluation month and served month dealt out anew between the two: what rings is false
drift     in a served month, from its first day on, the labels of a share of the rows are dealt out within the
          day: base rate and features stay, the relation goes
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "sagemaker_jobs")]

import evaluate  # noqa: E402
from tabular import (  # noqa: E402
    attribution,
    bias,
    comparison,
    concept,
    contract,
    drift,
    fairness,
    frame,
    influence,
    metrics,
    models,
    split,
)

import contracts  # noqa: E402
from benchmarks import quality  # noqa: E402

FIRST, LAST = 7, 12
SHARES = (0.25, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class Champion:
    """A model with the rows that it was evaluated on, and its scores there."""

    model: models.TrainedModel
    threshold: float
    parts: split.Split
    score: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Days, labels and scores: of an evaluation, or of a month that was served."""

    date: np.ndarray
    label: np.ndarray
    score: np.ndarray

    def take(self, rows: np.ndarray) -> "Judged":
        return Judged(date=self.date[rows], label=self.label[rows], score=self.score[rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--features", type=Path, help="a feature table that is there already")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    text = json.dumps(measure(options.repetitions, options.features), indent=1)
    print(text)
    if options.write:
        options.write.write_text(text + "\n")


def measure(repetitions: int, folder: Path | None = None) -> dict[str, Any]:
    started = time.monotonic()
    compiled = contracts.load("flights")
    agreed = contract.parse(compiled)
    rows = frame.read(folder or quality.features(compiled), agreed.kinds).labelled()
    champions = {month: champion(agreed, rows, month) for month in range(FIRST - 1, LAST)}
    print(f"champions: {time.monotonic() - started:.0f} s", file=sys.stderr)
    first = champions[FIRST - 1]
    newest = {month: champions[month - 1] for month in range(FIRST, LAST + 1)}
    found = {
        "command": f"python -m benchmarks.monitoring --repetitions {repetitions}",
        "date": date.today().isoformat(),
        "contract": f"{compiled['name']} {compiled['version']}",
        "limits": agreed.monitor,
        "real": {
            "frozen": {
                _name(month): served(agreed, first, rows, month, newest[month])
                for month in range(FIRST, LAST + 1)
            },
            "trained_anew": {
                _name(month): served(agreed, each, rows, month) for month, each in newest.items()
            },
        },
        "no_drift": no_drift(agreed, rows, newest, repetitions),
        "drift": {
            f"{share:g}": planted(agreed, rows, newest, share, max(1, repetitions // 20)) for share in SHARES
        },
    }
    return found | {"seconds": round(time.monotonic() - started)}


def champion(agreed: contract.ModelContract, rows: frame.Frame, month: int) -> Champion:
    """Learned until two months before, stopped and recalibrated by the month before, evaluated on `month`."""
    parts = split.split(rows, quality._until(month))
    fitted = quality._fit(
        agreed, agreed.candidates[0]["hyperparameters"], parts, agreed.candidates[0]["name"]
    )
    bare = replace(fitted.model, content={"kind": "xgboost"})
    _, model = evaluate.finished(agreed, bare, parts.validation)
    return Champion(
        model=model, threshold=model.content["threshold"], parts=parts, score=model.scores(parts.holdout)
    )


def served(
    agreed: contract.ModelContract,
    champion: Champion,
    rows: frame.Frame,
    month: int,
    other: Champion | None = None,
) -> dict[str, Any]:
    """What the report of one look says of this month."""
    live = _month(rows, month)
    score = champion.model.scores(live)
    before = Judged(
        date=champion.parts.holdout.date, label=champion.parts.holdout.label, score=champion.score
    )
    now = Judged(date=live.date, label=live.label, score=score)
    options = agreed.evaluation["fairness"]
    fair = [
        fairness.report("binary", options, part, scores, champion.threshold)
        for part, scores in ((champion.parts.holdout, champion.score), (live, score))
    ]
    train = champion.parts.train
    psi = {name: drift.psi(live.columns[name], drift.bins(train.columns[name])) for name in agreed.kinds}
    return {
        "rows": len(live),
        **rings(agreed, before, now),
        "features_drifted": sum(value > agreed.monitor["psi"] for value in psi.values() if value is not None),
        "prediction_psi": drift.psi(score, drift.bins(champion.score)),
        "attribution_ndcg": influence.ndcg(
            _means(champion.model, champion.parts.holdout), _means(champion.model, live)
        ),
        "differences_grown": bias.drifted(bias.of_report(fair[0]), fair[1])["grew"],
        "gain_of_training_anew": None if other is None else _gain(live, score, other.model.scores(live)),
    }


def rings(agreed: contract.ModelContract, before: Judged, now: Judged) -> dict[str, Any]:
    """What the three alarms look at, and which of them ring."""
    old, new = (metrics.Measure("binary", each.label, each.score)() for each in (before, now))
    drop = _number(old["roc_auc"]) - _number(new["roc_auc"])
    gap, looked = _number(new["calibration_gap"]), look(agreed, before, now)
    return {
        "quality_drop": drop,
        "calibration_gap": gap,
        "concept": {name: looked[name] for name in ("lost_since", "at_least")},
        "rings": [
            name
            for name, value in (("quality_drop", drop), ("calibration_gap", gap))
            if value > agreed.monitor[name]
        ]
        + ["concept_drift"] * bool(looked["is_drift"]),
    }


def look(agreed: contract.ModelContract, before: Judged, now: Judged) -> dict[str, Any]:
    return concept.look(
        "binary",
        now.label,
        now.score,
        now.date,
        concept.baseline("binary", before.label, before.score, before.date),
        margin=agreed.monitor["concept_drift"],
        false_alarm=agreed.monitor["false_alarm"],
    )


def no_drift(
    agreed: contract.ModelContract, rows: frame.Frame, newest: Mapping[int, Champion], repetitions: int
) -> dict[str, Any]:
    """Share of looks that ring, by alarm."""
    random = np.random.default_rng(0)
    counts: dict[str, int] = dict.fromkeys(("quality_drop", "calibration_gap", "concept_drift"), 0)
    looks = 0
    for before, now in _pairs(rows, newest):
        pool = Judged(
            date=np.concatenate([before.date, now.date]),
            label=np.concatenate([before.label, now.label]),
            score=np.concatenate([before.score, now.score]),
        )
        days = np.unique(pool.date)
        for _ in range(repetitions // len(newest)):
            chosen = random.permutation(days)[: len(np.unique(before.date))]
            is_before = np.isin(pool.date, chosen)
            looks += 1
            for name in rings(agreed, pool.take(is_before), pool.take(~is_before))["rings"]:
                counts[name] += 1
    return {"looks": looks, "rings": {name: count / looks for name, count in counts.items()}}


def planted(
    agreed: contract.ModelContract,
    rows: frame.Frame,
    newest: Mapping[int, Champion],
    share: float,
    repetitions: int,
) -> dict[str, Any]:
    """Share of looks that ring, and after how many days of labels a look rings, in the months that do."""
    random = np.random.default_rng(1)
    counts: dict[str, int] = dict.fromkeys(("quality_drop", "calibration_gap", "concept_drift"), 0)
    delays, looks = [], 0
    for before, now in _pairs(rows, newest):
        for _ in range(repetitions):
            label = now.label.copy()
            for day in np.unique(now.date):
                there = np.flatnonzero((now.date == day) & (random.random(len(label)) < share))
                label[there] = label[random.permutation(there)]
            changed = replace(now, label=label)
            looks += 1
            found = rings(agreed, before, changed)
            for name in found["rings"]:
                counts[name] += 1
            delays += _days_until_noticed(agreed, before, changed)
    return {
        "looks": looks,
        "rings": {name: count / looks for name, count in counts.items()},
        "days_until_noticed": {
            "median": float(np.median(delays)) if delays else None,
            "most": max(delays, default=None),
        },
    }


def _pairs(rows: frame.Frame, newest: Mapping[int, Champion]) -> Iterator[tuple[Judged, Judged]]:
    for month, champion in newest.items():
        live, holdout = _month(rows, month), champion.parts.holdout
        yield (
            Judged(date=holdout.date, label=holdout.label, score=champion.score),
            Judged(date=live.date, label=live.label, score=champion.model.scores(live)),
        )


def _days_until_noticed(agreed: contract.ModelContract, before: Judged, now: Judged) -> list[int]:
    """The first number of days after which a look rings; nothing where it does not within the month."""
    days = np.unique(now.date)
    for count in range(concept.MINIMUM_DAYS, len(days) + 1):
        if look(agreed, before, now.take(now.date <= days[count - 1]))["is_drift"]:
            return [count]
    return []


def _gain(live: frame.Frame, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """Above zero: the model trained anew has the lower log loss."""
    losses = [metrics.row_loss("binary", live.label, score) for score in (theirs, ours)]
    found = comparison.paired(losses[0], losses[1], live.date)
    return {"value": found.difference, "low": found.low, "high": found.high}


def _means(model: Any, rows: frame.Frame) -> dict[str, float]:
    chosen = rows.take(attribution.evenly(len(rows), attribution.EXPLAINED_ROWS))
    parts = attribution.contributions(model, chosen) or {}
    return {name: float(np.abs(values).mean()) for name, values in parts.items()}


def _month(rows: frame.Frame, month: int) -> frame.Frame:
    windows = quality._until(month)
    return rows.between(windows.validation_end, windows.holdout_end)


def _name(month: int) -> str:
    return f"2013-{month:02d}"


def _number(value: float | None) -> float:
    if value is None:
        raise ValueError("a month has labels of one kind only")
    return value


if __name__ == "__main__":
    main()
