"""A hop: one unit and one service that it calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Hop:
    """
    unit      construct path of what calls; <machine>/<state> for a request in a state machine
    address   of the resource that the finding is about
    service   as endpoint services are called, for example s3 or sagemaker.api
    endpoint  construct path, None where there is none
    passed    steps that are open: endpoint, name, egress, ingress, route, endpoint policy, resource policy
    missing   the step that is closed, in words; "" when the service is reached
    rule      of the missing step; "" when the service is reached
    notes     what could not be judged
    """

    unit: str
    address: str
    service: str
    actions: tuple[str, ...] = ()
    endpoint: str | None = None
    passed: tuple[str, ...] = ()
    missing: str = ""
    rule: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return not self.rule
