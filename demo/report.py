"""A run's evidence as one self-contained HTML page: figures inside, no network, readable in five minutes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from demo import charts, charts_models

FOLDER = Path(__file__).parent
TITLES = {
    "roc_auc": "ranking: area under the ROC curve (higher is better)",
    "accuracy": "share of right choices (higher is better)",
    "log_loss": "log loss (lower is better)",
    "rmse": "root mean squared error (lower is better)",
    "mae": "mean absolute error (lower is better)",
    "r2": "share of variance explained (higher is better)",
}


def write(evidence: dict[str, Any], folder: Path, pages: Mapping[str, str] | None = None) -> Path:
    """Write evidence.json, the figures as PNG files, `pages` and index.html; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (pages or {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "evidence.json").write_text(json.dumps(evidence, indent=1, sort_keys=True, default=str))
    figures = draw(evidence)
    for name, image in figures.items():
        (folder / f"{name}.png").write_bytes(image)
    page = render(evidence, figures)
    target = folder / "index.html"
    target.write_text(page, encoding="utf-8")
    return target


def draw(evidence: dict[str, Any]) -> dict[str, bytes]:
    months = evidence["months"]
    figures = {"timeline": charts.timeline(evidence["events"], "What happened, on the account's clock")}
    for metric in evidence["metrics"]:
        figures[metric] = charts.quality_over_months(months, metric, _sentence(TITLES.get(metric, metric)))
    figures["rate"] = charts.rate_over_months(
        months, "Predicted and observed, by month", evidence["label_unit"]
    )
    figures["drift"] = charts.drift_map(
        months, evidence["psi_limit"], "Drift of each feature against the champion's training rows"
    )
    evaluation = evidence["champion_evaluation"]
    if evaluation:
        figures |= _champion_figures(evaluation)
    return figures | _science_figures(evidence["science"])


def _science_figures(science: dict[str, Any]) -> dict[str, bytes]:
    figures = {}
    if science.get("candidates"):
        figures["candidates"] = charts_models.candidates(science["candidates"])
    if science.get("tuning") and any(trial["objective"] is not None for trial in science["tuning"]["trials"]):
        figures["tuning"] = charts_models.search(science["tuning"])
    if science.get("looks"):
        figures["bounds"] = charts_models.bounds(science["looks"])
    return figures


def _champion_figures(evaluation: dict[str, Any]) -> dict[str, bytes]:
    figures = {}
    if evaluation["confusion"]:
        at = "" if evaluation["threshold"] is None else f" at threshold {evaluation['threshold']:.2f}"
        title = f"Hold-out{at}"
        figures["confusion"] = charts.confusion(evaluation["confusion"], title)
    curves = evaluation["curves"]
    if "roc" in curves:
        axes = ("false_positive_rate", "true_positive_rate")
        figures["roc"] = charts.curves(curves["roc"], *axes, "ROC", diagonal=True)
    if "pr" in curves:
        figures["precision"] = charts.curves(
            curves["pr"], "recall", "precision", "Precision and recall", diagonal=False
        )
    shown = evaluation["importance"][:15]
    if shown:
        figures["attributions"] = charts.bars(
            [entry["feature"] for entry in shown],
            [entry["mean_contribution"] for entry in shown],
            f"What the champion looks at ({evaluation['explained']['method']})",
            evaluation["explained"]["unit"],
        )
    return figures


def render(evidence: dict[str, Any], figures: dict[str, bytes]) -> str:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: "–" if value is None else f"{value:,}"
    environment.filters["duration"] = duration
    environment.filters["decimal"] = lambda value, digits=3: "–" if value is None else f"{value:.{digits}f}"
    images = {
        name: Markup(f'<img alt="{name}" src="data:image/png;base64,{base64.b64encode(image).decode()}">')  # noqa: S704 - our own figures
        for name, image in figures.items()
    }
    return environment.get_template("report.html.j2").render(evidence=evidence, images=images)


def duration(seconds: float) -> str:
    """Seconds as a person says them: 9.1 s, 12 min, 5 h, 61 d."""
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < limit:
            return f"{seconds / size:.1f} {unit}" if unit == "s" else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def _sentence(text: str) -> str:
    """First letter upper case, the rest as it is: `capitalize` would write ROC as roc."""
    return text[:1].upper() + text[1:]
