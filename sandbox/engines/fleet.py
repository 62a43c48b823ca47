"""The servers behind an endpoint configuration, one per variant, and which of them gets a request."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sandbox import clock, regions
from sandbox.engines.hosting import HostingError, ModelServer
from sandbox.engines.models import EndpointConfig

_random = random.Random(0)  # noqa: S311 routing, repeatable


def seed(number: int) -> None:
    """From here on requests are routed in the same order again."""
    _random.seed(number)


@dataclass
class Variant:
    """One variant in service. Its instances are one container here, whatever their number."""

    name: str
    weight: float
    instances: int
    image: str
    server: ModelServer

    def shown(self) -> dict[str, Any]:
        return {
            "VariantName": self.name,
            "DeployedImages": [
                {"SpecifiedImage": self.image, "ResolvedImage": self.image, "ResolutionTime": clock.now()}
            ],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
            "CurrentInstanceCount": self.instances,
            "DesiredInstanceCount": self.instances,
        }


class Fleet:
    """All variants of one configuration; started together, stopped together."""

    def __init__(self, endpoint: str, config: EndpointConfig, write: Callable[..., None]) -> None:
        self.config = config
        self.variants: list[Variant] = []
        self._endpoint = endpoint
        self._write = write

    def start(self) -> None:
        """HostingError if any variant cannot be put into service; none is then left running."""
        with ThreadPoolExecutor(len(self.config.production_variants)) as pool:
            futures = [
                pool.submit(regions.carried(self._variant), one) for one in self.config.production_variants
            ]
        self.variants = [future.result() for future in futures if future.exception() is None]
        for future in futures:
            if error := future.exception():
                self.stop()
                raise error

    def _variant(self, definition: dict[str, Any]) -> Variant:
        name = definition["VariantName"]

        def write(lines: list[str], credentials: Any) -> None:
            self._write(name, lines, credentials)

        server = ModelServer(definition["ModelName"], write, f"{self._endpoint}-{name}")
        try:
            server.start()
        except BaseException:
            server.stop()
            raise
        return Variant(
            name=name,
            weight=float(definition["InitialVariantWeight"]),
            instances=int(definition["InitialInstanceCount"]),
            image=str(server.model.primary_container["Image"]),
            server=server,
        )

    def stop(self) -> None:
        for variant in self.variants:
            variant.server.stop()

    def pick(self, target: str | None = None) -> Variant | None:
        """By weight, or the named one; None if there is no such variant."""
        if target is not None:
            return next((one for one in self.variants if one.name == target), None)
        weights = [one.weight for one in self.variants]
        if not any(weights):
            return None
        return _random.choices(self.variants, weights)[0]


def happens(share: float) -> bool:
    """True with this probability."""
    return share >= 1 or (share > 0 and _random.random() < share)


__all__ = ["Fleet", "HostingError", "Variant", "happens", "seed"]
