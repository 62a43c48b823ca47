"""Draws a CloudWatch dashboard as one picture, from its own body and the metrics of the account.

For judging a dashboard without a console: of the embedded account after `make demo KEEP=1`, or of any account
that the environment's credentials lead to. Widgets of text, metrics and alarms are drawn as they are placed.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import matplotlib as mpl

mpl.use("Agg")
import matplotlib.dates as mdates  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402

COLUMNS, UNIT = 24, 0.66  # of the console's grid; inches
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#17becf")
RINGS, CALM, BLIND = "#d62728", "#2ca02c", "#9aa5b1"
MOST_POINTS = 1_440  # that GetMetricData may return for a metric, so that a long window stays readable


class Board:
    def __init__(self, session: boto3.Session, name: str, start: datetime, end: datetime) -> None:
        self._metrics = session.client("cloudwatch")
        body = json.loads(self._metrics.get_dashboard(DashboardName=name)["DashboardBody"])
        self._widgets: list[dict[str, Any]] = body["widgets"]
        self._start, self._end = start, end

    def draw(self, path: Path) -> None:
        rows = max(widget["y"] + widget["height"] for widget in self._widgets)
        figure = plt.figure(figsize=(COLUMNS * UNIT, rows * UNIT), facecolor="#f4f5f7")
        draw = {"text": self._text, "metric": self._graph, "alarm": self._alarms}
        for widget in self._widgets:
            place = (widget["x"], rows - widget["y"] - widget["height"], widget["width"], widget["height"])
            draw[widget["type"]](figure, place, rows, widget["properties"])
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=80)
        plt.close(figure)

    def _panel(self, figure: plt.Figure, place: Sequence[float], rows: int) -> plt.Axes:
        x, y, width, height = place
        edge = 0.08
        box = (
            (x + edge) / COLUMNS,
            (y + edge) / rows,
            (width - 2 * edge) / COLUMNS,
            (height - 2 * edge) / rows,
        )
        axes = figure.add_axes(box)
        axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(0, height))
        axes.spines[:].set_color("#d5dbdb")
        return axes

    def _text(
        self, figure: plt.Figure, place: Sequence[float], rows: int, properties: Mapping[str, Any]
    ) -> None:
        axes = self._panel(figure, place, rows)
        y = place[3] - 0.45
        for line in properties["markdown"].splitlines():
            size = {"# ": 17, "##": 14}.get(line[:2], 10)
            for part in textwrap.wrap(line.lstrip("# ").replace("**", "").replace("`", ""), 190) or [""]:
                axes.text(0.2, y, part, fontsize=size, va="center", weight="bold" if size > 10 else "normal")
                y -= 0.62 if size > 10 else 0.4

    def _alarms(
        self, figure: plt.Figure, place: Sequence[float], rows: int, properties: Mapping[str, Any]
    ) -> None:
        axes = self._panel(figure, place, rows)
        axes.text(0.2, place[3] - 0.4, properties["title"], fontsize=11, weight="bold", va="center")
        names = [arn.split(":alarm:", 1)[1] for arn in properties["alarms"]]
        states = self._states(names)
        if wanted := properties.get("states"):
            names = [name for name in names if states.get(name) in wanted]
        columns = max(int(place[2] // 4), 1)
        for number, name in enumerate(names):
            x, y = number % columns, number // columns
            colour = {"ALARM": RINGS, "OK": CALM}.get(states.get(name, ""), BLIND)
            at = (0.25 + x * place[2] / columns, place[3] - 0.95 - 0.5 * y)
            axes.text(*at, "■ " + name.split(" ", 1)[1], fontsize=7.5, color=colour, va="center")

    def _states(self, names: Sequence[str]) -> dict[str, str]:
        found = {}
        for first in range(0, len(names), 100):
            pages = self._metrics.get_paginator("describe_alarms")
            for page in pages.paginate(AlarmNames=list(names[first : first + 100])):
                found |= {alarm["AlarmName"]: alarm["StateValue"] for alarm in page["MetricAlarms"]}
        return found

    def _graph(
        self, figure: plt.Figure, place: Sequence[float], rows: int, properties: Mapping[str, Any]
    ) -> None:
        panel = self._panel(figure, place, rows)
        if properties["view"] == "singleValue":
            self._numbers(panel, place, properties)
            return
        x, y, width, height = place
        box = ((x + 1.25) / COLUMNS, (y + 1.0) / rows, (width - 1.6) / COLUMNS, (height - 1.85) / rows)
        axes = figure.add_axes(box)
        axes.set_title(properties["title"], loc="left", fontsize=10, weight="bold")
        drawn = 0
        for number, (label, times, values) in enumerate(self._lines(properties)):
            drawn += len(times)
            # A lone point has no line, and monthly ones are easily overlooked without a mark.
            mark = "o" if len(times) < 60 else ""
            axes.plot(times, values, color=COLOURS[number % 6], label=label, marker=mark, ms=3, lw=1.1)
        for limit in properties.get("annotations", {}).get("horizontal", []):
            axes.axhline(limit["value"], color=limit.get("color", RINGS), lw=1)
            axes.text(
                self._end, limit["value"], limit["label"], fontsize=7, color=RINGS, ha="right", va="bottom"
            )
        if not drawn:
            axes.text(0.5, 0.5, "no data", transform=axes.transAxes, color=BLIND, ha="center")
        left = properties.get("yAxis", {}).get("left", {})
        axes.set_ylabel(left.get("label", ""), fontsize=8)
        axes.set_ylim(left.get("min"), left.get("max"))
        axes.set_xlim(self._start, self._end)
        axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False, ncols=4, loc="upper left", bbox_to_anchor=(-0.02, -0.12))

    def _numbers(self, axes: plt.Axes, place: Sequence[float], properties: Mapping[str, Any]) -> None:
        axes.text(0.2, place[3] - 0.4, properties["title"], fontsize=11, weight="bold", va="center")
        lines = list(self._lines(properties))
        for number, (label, _, values) in enumerate(lines):
            x = 0.3 + number * place[2] / max(len(lines), 1)
            axes.text(x, place[3] - 1.8, f"{values[-1]:.4g}" if values else "--", fontsize=20, va="center")
            axes.text(x, place[3] - 2.8, label, fontsize=8, va="center")

    def _lines(self, properties: Mapping[str, Any]) -> Iterator[tuple[str, list[datetime], list[float]]]:
        queries, labels = self._queries(properties)
        found: dict[str, list[tuple[datetime, float]]] = {number: [] for number in labels}
        pages = self._metrics.get_paginator("get_metric_data")
        for page in pages.paginate(MetricDataQueries=queries, StartTime=self._start, EndTime=self._end):
            for result in page["MetricDataResults"]:
                if result["Id"] in found:
                    found[result["Id"]] += zip(result["Timestamps"], result["Values"], strict=True)
        for number, label in labels.items():
            points = sorted(found[number])
            yield label, [time for time, _ in points], [value for _, value in points]

    def _queries(self, properties: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Rows of a widget are namespace, name, dimensions and options; `.` repeats the row above."""
        queries, labels = [], {}
        above: list[Any] = []
        least = int((self._end - self._start).total_seconds() / MOST_POINTS / 60 + 1) * 60
        for number, row in enumerate(properties["metrics"]):
            options = row[-1] if isinstance(row[-1], dict) else {}
            words = [each for each in row if not isinstance(each, dict)]
            words = [above[at] if word == "." else word for at, word in enumerate(words)]
            above = words
            if "expression" in options:
                queries.append({"Id": options.get("id", f"e{number}"), "Expression": options["expression"]})
            else:
                pairs = zip(words[2::2], words[3::2], strict=True)
                measured = {"Namespace": words[0], "MetricName": words[1]}
                measured |= {"Dimensions": [{"Name": name, "Value": value} for name, value in pairs]}
                period = max(options.get("period", properties.get("period", 300)), least)
                stat = options.get("stat", properties.get("stat", "Average"))
                query = {"Metric": measured, "Period": period, "Stat": stat}
                queries.append({"Id": options.get("id", f"m{number}"), "MetricStat": query})
            if options.get("visible", True):
                labels[queries[-1]["Id"]] = options.get("label", words[1] if len(words) > 1 else "")
        return queries, labels


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="mlref-sandbox-loop", help="of the dashboard")
    parser.add_argument("--days", type=float, default=7, help="how far it looks back")
    parser.add_argument(
        "--at", type=datetime.fromisoformat, default=datetime.now(UTC), help="ISO time with a zone"
    )
    parser.add_argument("--output", type=Path, default=Path("build/dashboard.png"))
    options = parser.parse_args(arguments)
    start = options.at - timedelta(days=options.days)
    Board(boto3.Session(), options.name, start, options.at).draw(options.output)
    print(options.output)


if __name__ == "__main__":
    main()
