"""What a run's data science left behind: its data explored, candidates, search, card, verdict."""

from __future__ import annotations

from typing import Any

from demo.analyst import Analyst

# Pages of a run that are kept beside the report, by the name that they get there.
PAGES = {
    "explore.html": "explore/report.html",
    "model-card.html": "evaluation/model_card.html",
}


def gather(analyst: Analyst, runs: list[dict[str, Any]], champion: str | None) -> dict[str, Any]:
    """Of the champion's run; where no model was promoted, of the last run that judged one."""
    judged = [run["run_id"] for run in runs if run["gate"] != "not reached"]
    run_id = champion or (judged[-1] if judged else None)
    if run_id is None:
        return {"run_id": None}
    read = {
        name: analyst.report(f"runs/{run_id}/{path}")
        for name, path in (
            ("explored", "explore/explore.json"),
            ("candidates", "evaluation/candidates.json"),
            ("tuning", "tuning/tuning.json"),
            ("card", "evaluation/model_card.json"),
        )
    }
    explored = read.pop("explored")
    return {
        "run_id": run_id,
        "findings": explored["findings"] if explored else [],
        **read,
        "has_card": read["card"] is not None,
        "pages": [name for name, path in PAGES.items() if analyst.text(f"runs/{run_id}/{path}") is not None],
        "looks": looks(analyst),
    }


def looks(analyst: Analyst) -> list[dict[str, Any]]:
    """What each monitoring report says of champion and challenger, in the order of the looks."""
    found = []
    for path in sorted(analyst.paths("monitor/")):
        report = analyst.report(path) if path.endswith("/report.json") else None
        if report and report.get("sequential"):
            day = path.removeprefix("monitor/").removesuffix("/report.json")
            found.append({"day": day, **report["sequential"]})
    return found


def pages(analyst: Analyst, run_id: str) -> dict[str, str]:
    """Name -> the page itself."""
    found = {name: analyst.text(f"runs/{run_id}/{path}") for name, path in PAGES.items()}
    return {name: text for name, text in found.items() if text is not None}
