"""Settings with the optional second Region switched on, for the tests of it."""

from __future__ import annotations

import dataclasses
from typing import Any

from settings import SecondRegionSettings, Settings

REGION = "eu-central-1"


def any_second_region(**changes: Any) -> SecondRegionSettings:
    given: dict[str, Any] = {
        "region": REGION,
        "standby": "pilot_light",
        "instances": 1,
        "cidr": "10.40.0.0/20",
        "has_time_control": False,
    }
    return SecondRegionSettings(**given | changes)


def switched_on(settings: Settings, **changes: Any) -> Settings:
    return dataclasses.replace(settings, second_region=any_second_region(**changes))
