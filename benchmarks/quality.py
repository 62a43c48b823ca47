"""What the models of the flights reach on months that they have not seen, by our own jobs and training code.

    python -m benchmarks.quality [--trials 12] [--write benchmarks/quality.json]

Features come from the Glue jobs on all real flights (kept below build/, by the contract's steps). Learned
from January to August, stopped and chosen by September and October, judged on November and December. It takes
some minutes.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "sagemaker_jobs")]
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # noqa: E402
from tabular import comparison, contract, frame, metrics, models, rules, split, training  # noqa: E402
from tabular.families import arguments  # noqa: E402

import contracts  # noqa: E402

WINDOWS = split.Windows(
    train_start="2013-01-01", train_end="2013-09-01", validation_end="2013-11-01", holdout_end="2014-01-01"
)
# What a first attempt has: these features as they are, and XGBoost with usual settings.
PLAIN_FEATURES = (
    "minute_of_day", "weekday", "month_of_year", "scheduled_minutes", "distance", "plane_age", "seats",
    "engines", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
    "carrier_rate", "origin_rate", "carrier", "origin", "dest",
)  # fmt: skip
# No candidate of the contract: it takes longer than its members together.
STACK = {
    "name": "stack",
    "family": "stack",
    "hyperparameters": {"members": "boosted, forest, logistic", "folds": 3},
}
PLAIN = {"num_round": 300, "early_stopping_rounds": 20, "max_depth": 6, "eta": 0.1, "min_child_weight": 20}
ENCODED = {"carrier": "ordinal", "origin": "one_hot", "dest": "target"}
# Frozen knows January to April, of which the last month stops it; each later month has a model that knows all
# months before it, of which again the last one stops it.
FROZEN_FOR = 5
MONTHS = range(7, 13)
BINS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=12, help="of the search for the tuned model")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    given = f" --write {options.write}" if options.write else ""
    command = f"python -m benchmarks.quality --trials {options.trials}{given}"
    text = json.dumps({"command": command, **rounded(measure(options.trials))}, indent=1)
    print(text)
    if options.write:
        options.write.write_text(text + "\n")


def measure(trials: int) -> dict[str, Any]:
    started = time.monotonic()
    compiled = contracts.load("flights")
    agreed = contract.parse(compiled)
    rows = frame.read(features(compiled), {**agreed.kinds, **_plain(agreed).kinds})
    parts = split.split(rows, WINDOWS)
    fitted = {"plain": _fit(_plain(agreed), PLAIN, parts)}
    agreed = replace(agreed, candidates=[*agreed.candidates, STACK])
    for entry in agreed.candidates:
        fitted[entry["name"]] = _fit(agreed, entry["hyperparameters"], parts, entry["name"])
        print(f"{entry['name']}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    tuned = search(agreed, parts, trials)
    fitted["tuned"] = _fit(agreed, tuned, parts)
    rule = models.RuleModel(content=rules.rule_model(compiled))
    scored = {name: outcome.model.scores(parts.holdout) for name, outcome in fitted.items()}
    scored["rule"] = rule.scores(parts.holdout)
    # Chosen by the validation rows; the hold-out only says what the choice is worth.
    winner = min((name for name in fitted if name != "plain"), key=lambda name: fitted[name].loss)
    return {
        "date": date.today().isoformat(),
        "contract": f"{compiled['name']} {compiled['version']}",
        "windows": vars(WINDOWS),
        "rows": {name: len(getattr(parts, name)) for name in ("train", "validation", "holdout")},
        "holdout": {name: judged(parts.holdout, scores) for name, scores in scored.items()},
        "validation_loss": {name: outcome.loss for name, outcome in fitted.items()},
        "winner": winner,
        "winner_over_plain": auc_gain(parts.holdout, scored[winner], scored["plain"]),
        "tuned_hyperparameters": tuned,
        "calibration": calibration(fitted[winner].model, parts),
        "frozen_against_retrained": retrained(agreed, rows, tuned),
        "seconds": round(time.monotonic() - started),
    }


def rounded(found: Any) -> Any:
    """To five digits: what follows differs between machines."""
    if isinstance(found, dict):
        return {name: rounded(value) for name, value in found.items()}
    return round(found, 5) if isinstance(found, float) else found


def features(compiled: Mapping[str, Any]) -> Path:
    """The folder of the feature table, made by the Glue jobs when it is not there for these steps yet."""
    steps = json.dumps([compiled["features"], compiled["tables"]], sort_keys=True)
    folder = ROOT / "build" / f"quality-{hashlib.sha256(steps.encode()).hexdigest()[:12]}"
    done = folder / "done"
    if not done.exists():
        from benchmarks import etl
        from benchmarks.processes import fresh

        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "raw").exists():
            etl.land(folder, 1)
        fresh(etl.run, folder, 1)
        done.touch()
    return folder / "features"


class Fitted:
    """An outcome of training with the model that it serves."""

    def __init__(self, found: training.Outcome) -> None:
        self.loss, self.seconds = found.loss, found.seconds
        self.rounds = found.trained.best_round + 1
        self.model = models.TrainedModel(
            content={}, predictor=found.trained.predictor, preparation=found.preparation
        )


def _fit(
    agreed: contract.ModelContract,
    given: Mapping[str, Any],
    parts: split.Split,
    name: str | None = None,
) -> Fitted:
    family = agreed.candidate(name)["family"] if name else "xgboost"
    lean = {key: value for key, value in given.items() if key not in arguments.COMMON}
    plan = training.Plan(
        family=family, hyperparameters=arguments.typed(family, lean), threads=os.cpu_count() or 1
    )
    found = training.outcome(agreed, plan, parts.train, parts.validation)
    training.check_against_rule(agreed, found)
    return Fitted(found)


def _plain(agreed: contract.ModelContract) -> contract.ModelContract:
    specs = {
        name: {
            "kind": "categorical" if name in ENCODED else "numeric",
            "encoding": ENCODED.get(name, "passthrough"),
            "imputation": "none",
        }
        for name in PLAIN_FEATURES
    }
    return replace(agreed, features=specs, preparation={})


def search(agreed: contract.ModelContract, parts: split.Split, trials: int) -> dict[str, Any]:
    """The hyperparameters of the lowest validation loss, from the contract's own on."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    start = next(entry for entry in agreed.candidates if entry["family"] == "xgboost")["hyperparameters"]
    fixed = {name: value for name, value in start.items() if name not in arguments.COMMON}

    def trial(one: optuna.Trial) -> float:
        chosen = {
            "max_depth": one.suggest_int("max_depth", 4, 9),
            "min_child_weight": one.suggest_float("min_child_weight", 10, 200, log=True),
            "colsample_bytree": one.suggest_float("colsample_bytree", 0.3, 1.0),
            "subsample": one.suggest_float("subsample", 0.5, 1.0),
            "lambda": one.suggest_float("lambda", 0.1, 30, log=True),
        }
        return _fit(agreed, {**fixed, **chosen}, parts).loss

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=7))
    study.enqueue_trial({name: fixed[name] for name in ("max_depth", "min_child_weight") if name in fixed})
    study.optimize(trial, n_trials=trials)
    return {**fixed, **study.best_params}


def judged(rows: frame.Frame, scores: np.ndarray) -> dict[str, Any]:
    measure = metrics.Measure("binary", rows.label, scores)
    found = metrics.intervals(measure, rows.date, replicates=200)
    return {name: found[name] for name in ("roc_auc", "pr_auc", "log_loss", "brier")}


def auc_gain(rows: frame.Frame, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """By a bootstrap of days: rows of one day share its weather."""

    def gain(weight: np.ndarray) -> metrics.Metrics:
        one, other = (metrics.Measure("binary", rows.label, scores)(weight) for scores in (ours, theirs))
        both = (one["roc_auc"], other["roc_auc"])
        return {"gain": both[0] - both[1] if both[0] is not None and both[1] is not None else None}

    return metrics.intervals(gain, rows.date, replicates=200)["gain"]


def calibration(model: models.TrainedModel, parts: split.Split) -> dict[str, Any]:
    """Expected calibration error on the hold-out, before and after Platt's method on validation rows."""
    from sklearn.linear_model import LogisticRegression

    def odds(rows: frame.Frame) -> np.ndarray:
        scores = np.clip(model.scores(rows), 1e-6, 1 - 1e-6)
        return np.log(scores / (1 - scores)).reshape(-1, 1)

    platt = LogisticRegression(C=1e6).fit(odds(parts.validation), parts.validation.label)
    after = platt.predict_proba(odds(parts.holdout))[:, 1]
    label = parts.holdout.label
    return {
        "before": calibration_error(label, model.scores(parts.holdout)),
        "after": calibration_error(label, after),
        "base_rate": {name: float(getattr(parts, name).label.mean()) for name in ("validation", "holdout")},
    }


def calibration_error(label: np.ndarray, scores: np.ndarray) -> float:
    """Mean distance of mean score and mean label, in bins of equal count."""
    bins = metrics.calibration(label, scores, BINS)
    return sum(bin_["rows"] * abs(bin_["mean_score"] - bin_["mean_label"]) for bin_ in bins) / len(label)


def retrained(agreed: contract.ModelContract, rows: frame.Frame, given: Mapping[str, Any]) -> dict[str, Any]:
    frozen = _fit(agreed, given, split.split(rows, _until(FROZEN_FOR))).model
    months: dict[str, Any] = {}
    wins = {"roc_auc": 0, "log_loss": 0}
    for month in MONTHS:
        parts = split.split(rows, _until(month))
        ours, theirs = _fit(agreed, given, parts).model.scores(parts.holdout), frozen.scores(parts.holdout)
        gain = auc_gain(parts.holdout, ours, theirs)
        label = parts.holdout.label
        paired = comparison.paired(
            metrics.row_loss("binary", label, ours),
            metrics.row_loss("binary", label, theirs),
            parts.holdout.date,
        )
        measured = [metrics.Measure("binary", label, scores)()["roc_auc"] for scores in (theirs, ours)]
        months[f"2013-{month:02d}"] = {
            "frozen": measured[0],
            "retrained": measured[1],
            "gain": gain,
            "log_loss_gain": {"value": paired.difference, "low": paired.low, "high": paired.high},
        }
        wins["roc_auc"] += int((gain["value"] or 0) > 0)
        wins["log_loss"] += int(paired.difference > 0)
    return {"months": months, "retrained_is_better_in": wins, "of": len(months)}


def _until(month: int) -> split.Windows:
    """For the flights of this month: learned until two months before, stopped by the month before."""
    first = [
        f"2013-{number:02d}-01" if number < 13 else "2014-01-01" for number in range(month - 1, month + 2)
    ]
    return split.Windows(
        train_start="2013-01-01", train_end=first[0], validation_end=first[1], holdout_end=first[2]
    )


if __name__ == "__main__":
    main()
