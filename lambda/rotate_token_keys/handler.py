"""Secrets Manager calls this four times for a rotation: createSecret, setSecret, testSecret, finishSecret.

Each step may be called again, and changes nothing the second time.
"""

import json
import os
from datetime import UTC, datetime
from typing import Any

from shared import token_keys
from shared.aws import client
from shared.environment import contract

from rotate_token_keys.renewal import Policy, check, renewed

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"


class RotationError(ValueError):
    """A call that is no rotation of ours."""


def handler(event: dict[str, Any], _context: object) -> None:
    step, secret, version = event["Step"], event["SecretId"], event["ClientRequestToken"]
    if step not in STEPS:
        raise RotationError(f"unknown step {step!r}, allowed: {', '.join(STEPS)}")
    stages = client("secretsmanager").describe_secret(SecretId=secret)["VersionIdsToStages"]
    if CURRENT in stages.get(version, []):
        if PENDING in stages[version]:  # a call before this one died on its way through the labels
            _labels_off(secret, version, next((n for n, on in stages.items() if PREVIOUS in on), None))
        return
    if PENDING not in stages.get(version, []):
        raise RotationError(f"version {version} is not pending, allowed: the version of a running rotation")
    STEPS[step](secret, version, stages)


def _create(secret: str, version: str, _: dict[str, list[str]]) -> None:
    try:
        _value(secret, VersionId=version, VersionStage=PENDING)
    except client("secretsmanager").exceptions.ResourceNotFoundException:
        keys = renewed(_present(secret), _policy(), datetime.now(UTC))
        client("secretsmanager").put_secret_value(
            SecretId=secret,
            ClientRequestToken=version,
            SecretString=token_keys.text(keys),
            VersionStages=[PENDING],
        )


def _nothing(*_: object) -> None:
    """setSecret is for secrets that another service knows too."""


def _test(secret: str, version: str, _: dict[str, list[str]]) -> None:
    pending = token_keys.parse(_value(secret, VersionId=version, VersionStage=PENDING))
    check(_present(secret), pending, _policy(), datetime.now(UTC))


def _finish(secret: str, version: str, stages: dict[str, list[str]]) -> None:
    _test(secret, version, stages)  # what is not sound never becomes current, whoever calls
    before = next(name for name, labels in stages.items() if CURRENT in labels)
    pending = token_keys.parse(_value(secret, VersionId=version, VersionStage=PENDING))
    destroyed = {*pending.destroyed} - {*_present(secret).destroyed}
    move = client("secretsmanager").update_secret_version_stage
    move(SecretId=secret, VersionStage=CURRENT, MoveToVersionId=version, RemoveFromVersionId=before)
    _labels_off(secret, version, before if destroyed else None)
    print(json.dumps({"rotated": version, "destroyed": sorted(destroyed)}))


def _labels_off(secret: str, version: str, before: str | None) -> None:
    """No label may lead to a destroyed key; Secrets Manager deletes a version that has none.

    The pending one goes last: as long as it is there, this is to be done. Whoever does it for a call that
    died cannot know whether a key was destroyed, and takes it that one was.
    """
    move = client("secretsmanager").update_secret_version_stage
    if before is not None:
        move(SecretId=secret, VersionStage=PREVIOUS, RemoveFromVersionId=before)
    move(SecretId=secret, VersionStage=PENDING, RemoveFromVersionId=version)


STEPS = {"createSecret": _create, "setSecret": _nothing, "testSecret": _test, "finishSecret": _finish}


def _present(secret: str) -> token_keys.TokenKeys:
    return token_keys.parse(_value(secret, VersionStage=CURRENT))


def _value(secret: str, **which: str) -> str:
    return str(client("secretsmanager").get_secret_value(SecretId=secret, **which)["SecretString"])


def _policy() -> Policy:
    epochs = contract()["token_epochs"]
    return Policy(epochs["grain"], epochs["first"], epochs["keep_days"], int(os.environ["SEAL_DAYS"]))
