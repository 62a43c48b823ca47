"""EventBridge: events of services and callers reach the targets of the rules that match."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox import clock, control, regions, work
from sandbox.engines import deliver, dispatch, event_input, event_pattern, metrics, schedules
from sandbox.engines.backends import ACCOUNT, backend
from sandbox.engines.states import MANAGED_RULE_PREFIX

_SERVICE = "events.amazonaws.com"
_RETRY_SECONDS = 0.3  # AWS: up to 185 times in a day; here waiting heals nothing
_MOST_RETRIES = 3


def emit(source: str, detail_type: str, detail: dict[str, Any], *, resources: Sequence[str] = ()) -> None:
    """An event of an AWS service on the default bus, at the account's time."""
    publish(
        {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT,
            "time": _time(clock.now()),
            "region": regions.current(),
            "resources": list(resources),
            "detail": detail,
        }
    )


def publish(event: dict[str, Any], bus: str = "default") -> None:
    """Hands a complete event to every enabled rule of the bus that matches."""
    for rule in list(backend("events").event_buses[bus].rules.values()):
        if _listens(rule) and event_pattern.matches(rule.event_pattern.get_pattern(), event):
            _count(rule.name, "MatchedEvents")
            trigger(rule, event)


def trigger(rule: Any, event: dict[str, Any]) -> None:
    """Queues the event for every target of the rule."""
    _count(rule.name, "TriggeredRules")
    for target in list(rule.targets):
        dispatch.later(f"rule {rule.name} to {target['Arn']}", _deliver, rule.name, rule.arn, target, event)


def _listens(rule: Any) -> bool:
    enabled = rule.state in ("ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
    return (
        enabled and bool(rule.event_pattern.get_pattern()) and not rule.name.startswith(MANAGED_RULE_PREFIX)
    )


def _deliver(rule_name: str, rule_arn: str, target: dict[str, Any], event: dict[str, Any]) -> None:
    _count(rule_name, "Invocations")
    attempts = int((target.get("RetryPolicy") or {}).get("MaximumRetryAttempts", _MOST_RETRIES))
    text = json.dumps(event)
    try:
        text = event_input.shape(target, event, rule_arn=rule_arn)
        _send(rule_arn, target, text, min(attempts, _MOST_RETRIES))
    except (deliver.Undeliverable, event_input.InputError) as error:
        _count(rule_name, "FailedInvocations")
        work.fail(f"rule {rule_name} to {target['Arn']}", error)
        _to_dead_letters(rule_name, rule_arn, target, json.dumps(event), error)


def _send(rule_arn: str, target: dict[str, Any], text: str, retries: int) -> None:
    options = {"group_id": (target.get("SqsParameters") or {}).get("MessageGroupId")}
    while True:
        try:
            if target.get("RoleArn"):
                deliver.as_role(
                    _SERVICE, target["RoleArn"], target["Arn"], text, source_arn=rule_arn, **options
                )
            else:
                deliver.as_service(_SERVICE, target["Arn"], text, source_arn=rule_arn, **options)
            return
        except deliver.Undeliverable as error:
            if not error.retryable or retries <= 0:
                raise
            retries -= 1
            time.sleep(_RETRY_SECONDS)


def _to_dead_letters(
    rule_name: str, rule_arn: str, target: dict[str, Any], text: str, error: Exception
) -> None:
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue:
        return
    values = {
        "RULE_ARN": rule_arn,
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": getattr(error, "code", "INVALID_INPUT"),
        "ERROR_MESSAGE": str(error)[:1000],
    }
    attributes = {key: {"DataType": "String", "StringValue": value} for key, value in values.items()}
    deliver.as_service(_SERVICE, queue, text, source_arn=rule_arn, attributes=attributes)
    _count(rule_name, "InvocationsSentToDlq")


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _count(rule_name: str, name: str) -> None:
    metrics.put(namespace="AWS/Events", name=name, value=1, unit="Count", dimensions={"RuleName": rule_name})


# ------------------------------------------------------------------ moto's side


def _put_events(original: Any) -> Any:
    def put_events(self: Any, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = original(self, events)
        for given, answer in zip(events, answers, strict=True):
            if "EventId" not in answer:
                continue
            if given["Source"].startswith("aws."):
                answer.clear()
                answer["ErrorCode"] = "NotAuthorizedForSourceException"
                answer["ErrorMessage"] = "Not authorized for the source."
                continue
            moment = given.get("Time")
            stamp = datetime.fromtimestamp(float(moment), UTC) if moment else clock.now()
            publish(
                {
                    "version": "0",
                    "id": answer["EventId"],
                    "detail-type": given["DetailType"],
                    "source": given["Source"],
                    "account": ACCOUNT,
                    "time": _time(stamp),
                    "region": regions.current(),
                    "resources": given.get("Resources", []),
                    "detail": json.loads(given["Detail"]),
                },
                self._normalize_event_bus_arn(given.get("EventBusName")),
            )
        return answers

    return put_events


def _checked(original: Any) -> Any:
    def parse(self: Any) -> dict[str, Any]:
        """moto takes any operator and lets an unknown one match everything."""
        from moto.events.exceptions import InvalidEventPatternException

        pattern: dict[str, Any] = original(self)
        if pattern:
            try:
                event_pattern.check(pattern)
            except event_pattern.PatternError as error:
                raise InvalidEventPatternException(reason=str(error)) from error
        return pattern

    return parse


_REASONS = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Post": "POST Object",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectRemoved:Delete": "DeleteObject",
    "ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
}


def _object_event(account_id: str, bucket: Any, event_name: Any, key: Any) -> None:  # noqa: ARG001
    from moto.s3.notifications import _detail_type

    reason = str(getattr(event_name, "value", event_name)).removeprefix("s3:")
    if reason not in _REASONS:
        return  # access lists and tags: no rule of ours waits for them, and moto sends them for every put
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": {"key": key.name, "sequencer": f"{time.time_ns():018X}"},
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": ACCOUNT,
        "reason": _REASONS[reason],
    }
    if reason.startswith("ObjectCreated"):
        detail["object"] |= {"size": key.size, "etag": key.etag.strip('"')}
        detail["source-ip-address"] = "127.0.0.1"
    else:
        marker = reason.endswith("MarkerCreated")
        detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
    version = getattr(key, "version_id", None)
    if version and version != "null":
        detail["object"]["version-id"] = version
    emit("aws.s3", _detail_type(event_name), detail, resources=[bucket.arn])


def _direct(kind: str) -> Any:
    """S3's own notifications, without EventBridge; moto swallows whatever goes wrong with them."""

    def send(account_id: str, event_body: Any, target: str, region_name: str) -> None:  # noqa: ARG001
        arn = f"arn:aws:sqs:{regions.current()}:{ACCOUNT}:{target}" if kind == "sqs" else target
        records = event_body.get("Records")
        bucket = records[0]["s3"]["bucket"]["arn"] if records else f"arn:aws:s3:::{event_body['Bucket']}"
        dispatch.later(f"s3 notification to {arn}", _send_direct, arn, json.dumps(event_body), bucket)

    return send


def _send_direct(arn: str, text: str, bucket_arn: str) -> None:
    deliver.as_service("s3.amazonaws.com", arn, text, source_arn=bucket_arn)


def _put_parameter(original: Any) -> Any:
    def put_parameter(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        is_there = bool(self._parameters.get(name))
        made = original(self, name, *args, **kwargs)
        detail = {
            "operation": "Update" if is_there else "Create",
            "name": made.name,
            "type": made.parameter_type,
            "description": made.description or "",
        }
        arn = f"arn:aws:ssm:{regions.current()}:{ACCOUNT}:parameter/{made.name.lstrip('/')}"
        emit("aws.ssm", "Parameter Store Change", detail, resources=[arn])
        return made

    return put_parameter


def install() -> None:
    import moto.s3.notifications as s3
    from moto.events.models import EventPatternParser, EventsBackend, Rule
    from moto.ssm.models import SimpleSystemManagerBackend

    EventsBackend.put_events = _put_events(EventsBackend.put_events)
    EventPatternParser.parse = _checked(EventPatternParser.parse)
    Rule.send_to_targets = lambda self, original_event, transform_input=True: None  # noqa: ARG005 - see publish
    SimpleSystemManagerBackend.put_parameter = _put_parameter(SimpleSystemManagerBackend.put_parameter)
    s3._send_event_bridge_message = _object_event
    s3._send_sqs_message = _direct("sqs")
    s3._send_sns_message = _direct("sns")
    s3._invoke_awslambda = _direct("lambda")
    schedules.install()
    control.route("schedules", lambda _: schedules.listing())


def reset() -> None:
    schedules.reset()


def self_test() -> None:
    from sandbox.selftest import check

    check("moto.events.models:EventsBackend.put_events", "self", "events")
    check("moto.events.models:EventPatternParser.parse", "self")
    check("moto.events.models:Rule.send_to_targets", "self", "original_event", "transform_input")
    check("moto.ssm.models:SimpleSystemManagerBackend.put_parameter")
    check("moto.s3.notifications:_send_event_bridge_message", "account_id", "bucket", "event_name", "key")
    check("moto.s3.notifications:_send_sqs_message", "account_id", "event_body", "queue_name", "region_name")
    check("moto.s3.notifications:_send_sns_message", "account_id", "event_body", "topic_arn", "region_name")
    check("moto.s3.notifications:_invoke_awslambda", "account_id", "event_body", "fn_arn", "region_name")
    schedules.self_test()
