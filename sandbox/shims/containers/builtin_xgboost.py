"""The built-in XGBoost algorithm (image sagemaker-xgboost without a program of one's own), for one instance.

Reads the channels train and validation (CSV or Parquet with the label first, or libsvm), trains with the
hyperparameters of the built-in, resumes from the newest checkpoint, and leaves `xgboost-model`.
"""

import csv
import json
import os
import re
from pathlib import Path

import xgboost

_ROOT = Path(os.environ["ML_ROOT"])
_CHECKPOINT = re.compile(r"xgboost-checkpoint\.(\d+)$")
_WHOLE = frozenset(
    [
        "max_depth",
        "max_leaves",
        "max_bin",
        "num_class",
        "seed",
        "nthread",
        "verbosity",
        "one_drop",
        "num_parallel_tree",
        "refresh_leaf",
    ]
)
_FRACTION = frozenset(
    [
        "eta",
        "gamma",
        "min_child_weight",
        "max_delta_step",
        "subsample",
        "colsample_bytree",
        "colsample_bylevel",
        "colsample_bynode",
        "lambda",
        "alpha",
        "scale_pos_weight",
        "rate_drop",
        "skip_drop",
        "lambda_bias",
        "tweedie_variance_power",
        "base_score",
        "aft_loss_distribution_scale",
    ]
)
_TEXT = frozenset(
    [
        "booster",
        "tree_method",
        "grow_policy",
        "process_type",
        "objective",
        "sample_type",
        "normalize_type",
        "updater",
        "aft_loss_distribution",
        "monotone_constraints",
        "interaction_constraints",
    ]
)
_OWN = frozenset(
    [
        "num_round",
        "early_stopping_rounds",
        "csv_weights",
        "eval_metric",
        "save_model_on_termination",
        "_tuning_objective_metric",
    ]
)


class UserError(ValueError):
    """The request or the data are wrong; shown as the job's failure reason."""


def main() -> None:
    """Called by the training toolkit."""
    given = json.loads((_ROOT / "input/config/hyperparameters.json").read_text())
    channels = json.loads((_ROOT / "input/config/inputdataconfig.json").read_text())
    parameters, own = split(given)
    weights = own.get("csv_weights") == "1"
    if "train" not in channels:
        raise UserError(f"channel train is missing: got {sorted(channels)}, allowed train and validation")
    watched = {
        name: _matrix(name, channels[name], weights) for name in ("train", "validation") if name in channels
    }
    booster = _train(parameters, own, watched)
    booster.save_model(_ROOT / "model/model.ubj")
    (_ROOT / "model/model.ubj").rename(_ROOT / "model/xgboost-model")


def split(given: dict[str, str]) -> tuple[dict[str, object], dict[str, str]]:
    """Hyperparameters as XGBoost takes them, and those that steer the training itself."""
    parameters: dict[str, object] = {}
    own: dict[str, str] = {}
    for name, value in given.items():
        if name in _WHOLE:
            parameters[name] = int(value)
        elif name in _FRACTION:
            parameters[name] = float(value)
        elif name in _TEXT:
            parameters[name] = value
        elif name in _OWN:
            own[name] = value
        else:
            raise UserError(f"extraneous hyperparameter found: {name}")
    if int(own.get("num_round", 0)) < 1:
        raise UserError(f"num_round is required and at least 1: got {own.get('num_round')}")
    parameters.setdefault("nthread", 1)
    if own.get("eval_metric"):
        parameters["eval_metric"] = own["eval_metric"].split(",")
    return parameters, own


def _matrix(name: str, channel: dict[str, str], weights: bool) -> xgboost.DMatrix:
    folder = _ROOT / "input/data" / name
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith((".", "_"))]
    if not files:
        raise UserError(f"no data in {name} channel path {folder}")
    content = channel.get("ContentType", "libsvm").partition(";")[0].strip()
    if content in ("csv", "text/csv"):
        return _from_table(_csv(files), weights)
    if content in ("parquet", "application/x-parquet"):
        import pyarrow.parquet

        return _from_table(pyarrow.parquet.read_table(folder).to_pandas().to_numpy(dtype=float), weights)
    if content in ("libsvm", "text/libsvm", "text/x-libsvm"):
        from scipy.sparse import vstack
        from sklearn.datasets import load_svmlight_files

        parts = load_svmlight_files([str(p) for p in files], zero_based=True)
        labels = [one for part in parts[1::2] for one in part]
        return xgboost.DMatrix(vstack(parts[0::2]).tocsr(), label=labels)
    raise UserError(f"{content} is not an accepted ContentType: csv, libsvm, parquet")


def _csv(files: list[Path]):  # type: ignore[no-untyped-def]
    import numpy
    import pandas

    with files[0].open() as file:
        line = file.readline()
    try:
        delimiter = csv.Sniffer().sniff(line).delimiter
    except csv.Error as error:
        raise UserError(f"could not determine delimiter on line {line[:50]}: {error}") from error
    try:
        return numpy.vstack(
            [pandas.read_csv(p, header=None, sep=delimiter).to_numpy(dtype=float) for p in files]
        )
    except ValueError as error:
        raise UserError(f"failed to load csv data with exception: {error}") from error


def _from_table(table, weights: bool) -> xgboost.DMatrix:  # type: ignore[no-untyped-def]
    if weights:
        return xgboost.DMatrix(table[:, 2:], label=table[:, 0], weight=table[:, 1])
    return xgboost.DMatrix(table[:, 1:], label=table[:, 0])


def _train(
    parameters: dict[str, object], own: dict[str, str], watched: dict[str, xgboost.DMatrix]
) -> xgboost.Booster:
    rounds = int(own["num_round"])
    folder = _ROOT / "checkpoints"
    before, done = _newest(folder)
    callbacks: list[xgboost.callback.TrainingCallback] = [_Printed(done)]
    if folder.is_dir():
        callbacks.append(_Saved(folder, done))
    stop = own.get("early_stopping_rounds")
    return xgboost.train(
        parameters,
        watched["train"],
        num_boost_round=rounds - done,
        evals=[(matrix, name) for name, matrix in watched.items()],
        early_stopping_rounds=int(stop) if stop else None,
        callbacks=callbacks,
        xgb_model=before,
        verbose_eval=False,
    )


def _newest(folder: Path) -> tuple[str | None, int]:
    found = [(int(m[1]), p) for p in folder.glob("*") if (m := _CHECKPOINT.match(p.name))]
    if not found:
        return None, 0
    number, path = max(found)
    return str(path), number + 1


class _Printed(xgboost.callback.TrainingCallback):
    """One line per round: its metrics are read from there."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start

    def after_iteration(self, model, epoch, evals_log) -> bool:  # type: ignore[no-untyped-def]  # noqa: ARG002
        parts = [
            f"{data}-{metric}:{values[-1]:.5f}"
            for data, of in evals_log.items()
            for metric, values in of.items()
        ]
        print("\t".join([f"[{epoch + self.start}]", *parts]), flush=True)
        return False


class _Saved(xgboost.callback.TrainingCallback):
    """Keeps the five newest checkpoints; written beside and moved in, so that a kill leaves none half."""

    def __init__(self, folder: Path, start: int) -> None:
        super().__init__()
        self.folder, self.start = folder, start

    def after_iteration(self, model, epoch, evals_log) -> bool:  # type: ignore[no-untyped-def]  # noqa: ARG002
        number = epoch + self.start
        part = self.folder / f".part-{number}.ubj"
        model.save_model(part)
        part.rename(self.folder / f"xgboost-checkpoint.{number}")
        (self.folder / f"xgboost-checkpoint.{number - 5}").unlink(missing_ok=True)
        return False
