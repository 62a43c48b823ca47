"""A contract folder in, the compiled contract out: checked, plain JSON, the same every time."""

import functools
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from contracts import features, model, privacy, standard, tables
from contracts.errors import ContractError, one_of, only_keys

FOLDER = Path(__file__).parent
FORMAT = 1
TOLD = ("purpose", "usage", "limitations")
SECTIONS = {"timeZone", "latenessDays", "tokenEpochs", "features", "model", "monitor"}


def load(name: str = "flights", folder: Path = FOLDER) -> dict[str, Any]:
    """The compiled contract of a data set; the caller owns the copy."""
    known = {path.parent.name for path in folder.glob("*/contract.yaml")}
    one_of("contract", name, known, "choose one of these, or add a folder with a contract.yaml")
    return dict(json.loads(_compiled(folder / name / "contract.yaml")))


@functools.cache
def _compiled(path: Path) -> str:
    return json.dumps(compile_text(path.read_text(encoding="utf-8")))


def compile_text(text: str) -> dict[str, Any]:
    """The compiled contract of an ODCS 3 document."""
    document = standard.read(text)
    custom = standard.custom(document)
    only_keys("customProperties", custom, required=SECTIONS)
    compiled_tables = tables.compile_tables(document)
    compiled_features = features.compile_features(custom["features"], compiled_tables, custom["model"])
    return {
        "format": FORMAT,
        "name": document["name"],
        "version": document["version"],
        # For people, in the model card.
        "description": {
            name: str(text) for name, text in (document.get("description") or {}).items() if name in TOLD
        },
        "domain": document.get("domain"),
        "time_zone": _time_zone(custom["timeZone"]),
        "lateness_days": _days(custom["latenessDays"]),
        "token_epochs": privacy.token_epochs(custom["tokenEpochs"]),
        "tables": compiled_tables,
        "features": compiled_features,
        "model": model.compile_model(custom["model"], compiled_features),
        "monitor": model.compile_monitor(custom["monitor"]),
        "quality": tables.quality_rules(document, compiled_tables)
        | {"features": features.quality_rules(custom["features"], compiled_features)},
        "partitions": {"grain": "month"},
    }


def _time_zone(got: Any) -> str:
    try:
        ZoneInfo(got)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ContractError(
            "customProperties.timeZone",
            got,
            "a name of the IANA time zone database",
            "write for example Europe/Paris",
        ) from error
    return str(got)


def _days(got: Any) -> int:
    if not isinstance(got, int) or isinstance(got, bool) or not 0 <= got <= 365:
        raise ContractError(
            "customProperties.latenessDays", got, "a whole number of days, 0 to 365", "correct it"
        )
    return got
