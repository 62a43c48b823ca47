"""The document as the Open Data Contract Standard 3 sees it, checked with the standard's own schema."""

import functools
import json
from typing import Any

import jsonschema
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from contracts.errors import ContractError


def read(text: str) -> dict[str, Any]:
    """The document as plain data; refuses what ODCS 3 does not know."""
    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # safe both
    except yaml.YAMLError as error:
        raise ContractError(
            "contract.yaml", str(error).replace("\n", " "), "YAML", "correct the syntax"
        ) from error
    if not isinstance(document, dict):
        raise ContractError(
            "contract.yaml", type(document).__name__, "a mapping", "start from another contract"
        )
    mistake = jsonschema.exceptions.best_match(_validator().iter_errors(document))
    if mistake:
        place = _readable(document, [str(part) for part in mistake.absolute_path])
        allowed = f"ODCS 3: {mistake.message[:300]}"
        raise ContractError(place, mistake.instance, allowed, "see the standard")
    OpenDataContractStandard(**document)
    for part in ("name", "schema", "customProperties"):
        if not document.get(part):
            raise ContractError("contract.yaml", document.get(part), f"a {part} section", f"add {part}")
    if not str(document["apiVersion"]).startswith("v3."):
        raise ContractError("apiVersion", document["apiVersion"], "v3.0.0 or newer", "write it in ODCS 3")
    return document


def custom(element: dict[str, Any], place: str = "customProperties") -> dict[str, Any]:
    """The custom properties of an element, by name."""
    found: dict[str, Any] = {}
    for entry in element.get("customProperties") or []:
        if entry["property"] in found:
            raise ContractError(place, entry["property"], "each property once", "remove one of the two")
        found[entry["property"]] = entry["value"]
    return found


@functools.cache
def _validator() -> Any:
    schema = OpenDataContractStandard.json_schema()  # type: ignore[no-untyped-call]
    return jsonschema.Draft201909Validator(json.loads(schema))


def _readable(document: dict[str, Any], parts: list[str]) -> str:
    """`schema.0.properties.3` with the names that stand there."""
    here: Any = document
    named = []
    for part in parts:
        here = here[int(part)] if isinstance(here, list) else here[part]
        named.append(here["name"] if isinstance(here, dict) and isinstance(here.get("name"), str) else part)
    return ".".join(named) or "contract.yaml"
