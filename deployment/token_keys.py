"""Token keys after a pause: their rotation needs an endpoint, so one that fell due meanwhile has failed.

So has the first one, where the first deployment was made paused: without it no record passes the door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deployment.place import Place

SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 a type
_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"
_POLL_SECONDS, _UNDER_WAY, _RENEWAL = 5, 12, 36  # a minute for one that has begun, three for ours


@dataclass(frozen=True, kw_only=True)
class Standing:
    """
    made     when a rotation succeeded last; None: never, there is no key
    due      the next one
    pending  version of a rotation that is under way, or did not come through; "" without one
    """

    made: datetime | None
    due: datetime | None
    pending: str

    @property
    def is_sound(self) -> bool:
        return self.made is not None and not self.pending


def standing(place: Place, secret: str) -> Standing:
    told = place.client("secretsmanager").describe_secret(SecretId=secret)
    stages: Mapping[str, list[str]] = told.get("VersionIdsToStages", {})
    pending = [name for name, labels in stages.items() if _PENDING in labels and _CURRENT not in labels]
    return Standing(
        made=told.get("LastRotatedDate"),
        due=told.get("NextRotationDate"),
        pending=pending[0] if pending else "",
    )


def renew(place: Place, secret: str, tell: Callable[[str], None], pause: Callable[[float], None]) -> bool:
    """Makes up for a rotation that did not come through. False: neither did this one."""
    if standing(place, secret).is_sound:
        return True
    before = _settled(place, secret, _UNDER_WAY, pause)
    if before.is_sound:
        return True
    what = "renewed, as a rotation failed" if before.made else "made, as they never were"
    tell(f"the token keys are {what}")
    api: Any = place.client("secretsmanager")
    if before.pending:  # nothing was ever tokenised with it: only a current version is
        api.update_secret_version_stage(
            SecretId=secret, VersionStage=_PENDING, RemoveFromVersionId=before.pending
        )
    api.rotate_secret(SecretId=secret)
    return _settled(place, secret, _RENEWAL, pause).is_sound


def _settled(place: Place, secret: str, polls: int, pause: Callable[[float], None]) -> Standing:
    """When no rotation is under way any more, or after so many looks."""
    for _ in range(polls):
        found = standing(place, secret)
        if not found.pending:
            break
        pause(_POLL_SECONDS)
    return standing(place, secret)
