"""Explores the data that a run learns from: report.html for people, explore.json with every number.

Reads  features. Writes  report.html (self-contained), explore.json, and each figure as a PNG.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabular import contract
from tabular.explore import report
from tabular.explore.sampling import Sizes


@dataclass(frozen=True, kw_only=True)
class Places:
    features: Path
    output: Path

    @classmethod
    def below(cls, root: Path) -> "Places":
        processing = root / "processing"
        return cls(features=processing / "input" / "features", output=processing / "output" / "explore")


def run(
    agreed: contract.ModelContract, plan: Mapping[str, Any], places: Places, sizes: Sizes | None = None
) -> dict[str, Any]:
    # Imported late: figures take a second to import, and a wrong plan should not wait for it.
    looked = report.look(agreed, plan, places.features, sizes)
    from tabular.explore import figures, page

    drawn = figures.draw(looked)
    places.output.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        (places.output / f"{name}.png").write_bytes(figure.png)
    found = json.dumps(looked.found, indent=1, allow_nan=False, ensure_ascii=False)
    (places.output / "explore.json").write_text(found, encoding="utf-8")
    (places.output / "report.html").write_text(page.render(looked, drawn), encoding="utf-8")
    return looked.found
