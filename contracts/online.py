"""What a challenger has to prove on live traffic, and how often that may go wrong."""

from typing import Any

from contracts.errors import ContractError, only_keys

# name: (lowest, highest, what an absent section means)
NUMBERS: dict[str, tuple[float, float, float]] = {
    "false_promotion": (0.001, 0.5, 0.05),
    "false_roll_back": (0.001, 0.5, 0.05),
    "margin": (0.0, 0.5, 0.05),
    "planned_requests": (40, 10**9, 200),
}


def compile_online(section: Any) -> dict[str, float]:
    """Chances over the whole bake; margin as a share of the champion's loss; requests of both variants."""
    place = "customProperties.model.online"
    given = section or {}
    only_keys(place, given, required=set(), optional=set(NUMBERS))
    compiled = {}
    for name, (low, high, default) in NUMBERS.items():
        value = given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ContractError(f"{place}.{name}", value, f"a number from {low:g} to {high:g}", "correct it")
        compiled[name] = value
    return compiled
