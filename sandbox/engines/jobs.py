"""A SageMaker job as the API shows it: its request word for word, and its state, told to EventBridge."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from sandbox import account, clock, regions
from sandbox.engines import container, vpc
from sandbox.iam import identity

SERVICE = "sagemaker.amazonaws.com"
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")
_REASON_LENGTH = 1024
# Where a kind of job is not called in ARNs and events as in its operations.
_KINDS = {"HyperParameterTuning": "hyper-parameter-tuning"}
_WORDS = {"HyperParameterTuning": "HyperParameter Tuning"}


class JobError(RuntimeError):
    """The job cannot go on; the message is its FailureReason."""


class Job:
    """kind: Training, HyperParameterTuning, Processing or Transform. moto's lists read its fields as
    snake_case attributes.

    lines  what its container has printed so far
    """

    def __init__(self, kind: str, request: Mapping[str, Any]) -> None:
        self.kind = kind
        self.name = str(request[f"{kind}JobName"])
        self.arn = arn(f"{_KINDS.get(kind, kind.lower())}-job", self.name)
        self.lines: Iterable[str] = ()
        self.tags = list(request.get("Tags") or [])
        self.stop = threading.Event()
        self.began = time.monotonic()
        now = clock.now()
        self.fields: dict[str, Any] = {
            **{name: value for name, value in request.items() if name != "Tags"},
            f"{kind}JobArn": self.arn,
            f"{kind}JobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
        }

    def __getattr__(self, name: str) -> Any:
        field = "".join(part.title() for part in name.split("_"))
        fields = self.__dict__.get("fields", {})
        if field in fields or name.endswith("_time"):
            return fields.get(field)
        raise AttributeError(f"{self.__dict__.get('kind')} job has no field {field}")

    @property
    def response_object(self) -> dict[str, Any]:
        return {name: value for name, value in self.fields.items() if value is not None}

    @property
    def status(self) -> str:
        return str(self.fields[f"{self.kind}JobStatus"])

    def update(self, **fields: Any) -> None:
        self.fields.update(fields, LastModifiedTime=clock.now())

    def move(self, status: str, reason: str = "", **fields: Any) -> None:
        """To another state, with the end time if it is a last one; EventBridge hears of it."""
        if status in ("Completed", "Failed", "Stopped"):
            fields.setdefault(f"{self.kind}EndTime", clock.now())
        if reason:
            fields["FailureReason"] = reason[:_REASON_LENGTH]
        self.update(**{f"{self.kind}JobStatus": status}, **fields)
        self.announce()

    def ask_to_stop(self) -> None:
        """Whoever runs it sees `stop` and moves it on."""
        self.move("Stopping")
        self.stop.set()

    def announce(self) -> None:
        words = _WORDS.get(self.kind, self.kind)
        announce(f"SageMaker {words} Job State Change", self.arn, self.response_object)


def arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{regions.current()}:{account.ACCOUNT}:{kind}/{name}"


def announce(detail_type: str, resource: str, detail: Mapping[str, Any]) -> None:
    """Times go out as milliseconds, as SageMaker's events carry them."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [plain(one) for one in value]
        return int(value.timestamp() * 1000) if hasattr(value, "timestamp") else value

    with contextlib.suppress(ImportError):
        from sandbox.engines import events

        events.emit(
            source="aws.sagemaker", detail_type=detail_type, resources=[resource], detail=plain(detail)
        )


def refuse(message: str) -> Exception:
    """A ValidationException to raise."""
    from moto.sagemaker.exceptions import ValidationError

    return ValidationError(message)


def check_new(kind: str, request: Mapping[str, Any], existing: Mapping[str, Any]) -> None:
    from moto.sagemaker.exceptions import ResourceInUseException

    name = request[f"{kind}JobName"]
    if not _NAME.match(name):
        raise refuse(f"{kind}JobName {name!r} does not match {_NAME.pattern}")
    if name in existing:
        raise ResourceInUseException(
            f"Job name must be unique within an AWS account and region, and a {kind.lower()} job with this "
            f"name already exists ({arn(f'{_KINDS.get(kind, kind.lower())}-job', name)})"
        )


def check_known(request: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
    """What nobody has written here is refused, not ignored."""
    unknown = sorted(name for name, value in request.items() if value and name not in allowed)
    if unknown:
        raise refuse(f"{where}.{unknown[0]} is not in the sandbox; there are: {', '.join(sorted(allowed))}")


def check_instance(shape: str, instance_type: str, count: int) -> None:
    """Instance types as the API's own enumeration has them; one instance is all there is here."""
    if instance_type not in _instance_types(shape):
        raise refuse(
            f"Value '{instance_type}' at 'instanceType' failed to satisfy constraint: "
            f"Member must satisfy enum value set of {shape}"
        )
    if count != 1:
        raise refuse(f"InstanceCount is {count}: the sandbox runs jobs on one instance")


def check_role(role_arn: str, source_arn: str) -> None:
    try:
        identity.service_credentials(role_arn, SERVICE, session="SageMaker", source_arn=source_arn)
    except identity.Denied as error:
        raise refuse(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
            f"'{SERVICE}' to assume the role: {error}"
        ) from error


def check_image(uri: str) -> str:
    try:
        return container.image_name(uri)
    except container.ImageError as error:
        raise refuse(str(error)) from error


@cache
def _instance_types(shape: str) -> frozenset[str]:
    from moto.core.utils import get_service_model

    return frozenset(get_service_model("sagemaker").shape_for(shape).enum)


@contextlib.contextmanager
def placed(
    role_arn: str, source_arn: str, vpc_config: Mapping[str, Any] | None, name: str
) -> Iterator[tuple[Any, Any]]:
    """Credentials of the service in the role's name: outside a VPC (logs), and where the data move."""
    outside = identity.service_credentials(role_arn, SERVICE, session="SageMaker", source_arn=source_arn)
    if not vpc_config or not vpc_config.get("Subnets"):
        yield outside, outside
        return
    with vpc.attached(
        outside,
        subnets=vpc_config["Subnets"],
        security_groups=vpc_config["SecurityGroupIds"],
        steps=vpc.SAGEMAKER,
        name=name,
    ) as network:
        inside = identity.service_credentials(
            role_arn, SERVICE, session="SageMaker", source_arn=source_arn, network=network
        )
        yield outside, inside
