"""What a model card tells of evaluations: the hold-out window, fairness by attribute, the candidates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tabular.card_parts import (
    AXIS,
    GROUP,
    MATRIX,
    TEXT,
    Group,
    bars,
    group,
    line,
    metric,
    sentences,
    short,
    span,
    text,
    with_interval,
)
from tabular.contract import ModelContract


def holdout(
    contract: ModelContract, report: Mapping[str, Any], curves: Mapping[str, Sequence[tuple[float, float]]]
) -> dict[str, Any]:
    rows, windows = report["rows"], report["windows"]
    # The first champion is the rule baseline: it is not told twice.
    others = ["rule"] if report["champion"]["kind"] == "rule" else ["champion", "rule"]
    seen = sentences(
        f"{rows['holdout']} labelled rows of {rows['days']} days, [{windows['validation_end']}, "
        f"{windows['holdout_end']}), which no training and no choice has seen",
        f"intervals are of {contract.gate['confidence']:.0%}, by drawing days",
        report["gap"]["text"],
    )
    groups = [
        group("quality", [with_interval(*item) for item in report["candidate"]["metrics"].items()]),
        group(
            "gains",
            [_gain(report, name) for name in others]
            + [_tested(name, test) for name in others for test in report["tests"][name]],
        ),
        _confusion(report),
        _classes(report),
        _clusters(report),
        group(
            "curves",
            [line(name, points, *AXES[name.split(" ")[0]]) for name, points in curves.items()],
        ),
        _calibration(report),
        _attributions(report),
        group(
            "worst slices",
            [
                bars(
                    f"mean {report['loss'].replace('_', ' ')} of the groups with the highest",
                    {f"{entry['feature']}: {entry['value']}": entry["loss"] for entry in report["slices"]},
                    report["loss"].replace("_", " "),
                )
            ],
        ),
    ]
    return {
        "name": "hold-out window",
        "evaluation_observation": text(seen, TEXT),
        "metadata": {
            name: str(value)
            for name, value in {**windows, **{f"rows_{k}": v for k, v in rows.items()}}.items()
        },
        "metric_groups": _told(groups),
    }


def _gain(report: Mapping[str, Any], name: str) -> Any:
    pair = report["paired"][name]
    notes = f"{span(pair)}; p {short(pair['p'])}; {pair['method']}"
    return metric(f"{report['loss'].replace('_', ' ')}: gain over the {name}", pair["difference"], notes)


def _tested(name: str, test: Mapping[str, Any]) -> Any:
    chances = f"p {short(test['p'])}, Holm {short(test['p_holm'])}"
    notes = f"{span(test)}; {chances}; {test['method']}; {test['why']}"
    return metric(f"{test['name']}: gain over the {name}", test["difference"], notes)


AXES = {
    "ROC": ("false positive rate", "true positive rate"),
    "precision-recall": ("recall", "precision"),
    "reliability": ("mean score", "mean label"),
}


def _confusion(report: Mapping[str, Any]) -> Group:
    found = report.get("confusion_matrix")
    if not found or len(found["classes"]) > MATRIX:
        return group("confusion matrix", [])
    threshold = report["threshold"]
    notes = "lines: true, columns: chosen"
    notes += f", at a threshold of {threshold:.4g} by the contract's costs" if threshold is not None else ""
    names = [text(name, AXIS) for name in found["classes"]]
    return group(
        "confusion matrix",
        [
            {
                "name": "confusion matrix",
                "type": "matrix",
                "value": found["rows"],
                "x_axis_name": names,
                "y_axis_name": names,
                "notes": notes,
            }
        ],
    )


def _classes(report: Mapping[str, Any]) -> Group:
    """Of several classes: one chart per measure, one bar per class."""
    lines = report.get("classes") or []
    measures = ("rows", "precision", "recall", "f1", "roc_auc")
    charts = [
        bars(name.replace("_", " "), {one["class"]: one[name] for one in lines}, name) for name in measures
    ]
    return group("classes", charts)


def _clusters(report: Mapping[str, Any]) -> Group:
    found = report.get("clusters")
    if not found:
        return group("clusters", [])
    shape = ("silhouette", "davies_bouldin", "calinski_harabasz", "smallest_share")
    entries = [metric(name.replace("_", " "), found[name]) for name in shape]
    return group("clusters", [*entries, bars("rows of each cluster", found["sizes"], "rows")])


def _calibration(report: Mapping[str, Any]) -> Group:
    """The reliability line, and the calibration error before and after a recalibration."""
    points = [(entry["mean_score"], entry["mean_label"]) for entry in report["calibration"]]
    found = report.get("recalibration") or {"method": "none"}
    entries = [line("reliability", points, *AXES["reliability"])]
    if found["method"] != "none":
        for when in ("before", "after"):
            entries.append(
                metric(
                    f"calibration error {when} recalibration",
                    found[when]["calibration_error"],
                    f"{found['method']}, fitted on {found['rows']} validation rows, measured on the hold-out",
                )
            )
    return group("calibration", entries)


def _attributions(report: Mapping[str, Any]) -> Group:
    found = report.get("attributions") or {"global": []}
    values = {entry["feature"]: entry["mean_contribution"] for entry in found["global"]}
    if not values:
        return group("attributions", [])
    name = f"{found['method']}: {found['unit']}, {found['rows']} rows"
    return group("attributions", [bars(name, values, "mean contribution")])


def fairness(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Bar charts of the rates by group, and the differences with their intervals."""
    rates = [
        name for name in (entry["groups"][0] if entry["groups"] else {}) if name not in ("group", "rows")
    ]
    charts = [bars("rows", {each["group"]: each["rows"] for each in entry["groups"]}, "rows")]
    charts += [
        bars(
            rate.replace("_", " "),
            {
                each["group"]: each[rate]["value"]
                for each in entry["groups"]
                if each[rate]["value"] is not None
            },
            rate.replace("_", " "),
        )
        for rate in rates
    ]
    small = ", ".join(f"{each['group']} ({each['rows']} rows)" for each in entry["left_out"])
    return {
        "name": text(f"fairness by {entry['attribute']}", GROUP),
        "evaluation_observation": text(
            sentences(entry["reading"], f"left out as too small: {small or 'none'}"), TEXT
        ),
        "metric_groups": _told(
            [
                group("differences", [with_interval(*item) for item in entry["differences"].items()]),
                group("groups", charts),
            ]
        ),
    }


def candidates(table: Mapping[str, Any]) -> dict[str, Any]:
    entries = table["candidates"]

    def chart(title: str, values: Iterable[tuple[str, Any]], unit: str) -> Any:
        return bars(title, {name: value for name, value in values if value is not None}, unit)

    charts = [
        chart(
            f"validation {table['loss'].replace('_', ' ')}",
            ((each["name"], each["loss"]["value"]) for each in entries),
            "loss",
        ),
        chart("training seconds", ((each["name"], each["seconds"]) for each in entries), "seconds"),
        chart("training cost", ((each["name"], each["usd"]) for each in entries), "USD"),
        chart(
            "latency of one row, median",
            ((each["name"], each["latency"]["p50_ms"]) for each in entries),
            "ms",
        ),
        chart(
            "latency of one row, p99", ((each["name"], each["latency"]["p99_ms"]) for each in entries), "ms"
        ),
        chart("size of the archive", ((each["name"], each["bytes"]) for each in entries), "bytes"),
    ]
    lost = "; ".join(f"{entry['name']}: {entry['reason']}" for entry in table["left_out"])
    told = sentences(table["reason"], f"left out: {lost}" if lost else "")
    return {
        "name": "candidates on the validation window",
        "evaluation_observation": text(told, TEXT),
        "metric_groups": _told(
            [
                group("side by side", charts),
                group(
                    "loss above the lowest",
                    [
                        metric(
                            each["name"],
                            each["loss_above_best"]["difference"],
                            _above(each["loss_above_best"]),
                        )
                        for each in entries
                        if len(entries) > 1
                    ],
                ),
            ]
        ),
    }


def _above(pair: Mapping[str, Any]) -> str:
    return f"{span(pair)}; Holm p {short(pair['p_holm'])}; {pair['method']}"


def _told(groups: Iterable[Group]) -> list[Group]:
    """Groups with something in them: the schema allows empty ones, readers need none."""
    return [each for each in groups if each["metric_data"]]
