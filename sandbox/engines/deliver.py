"""One delivery from an AWS service to a resource: authorised, then done; Undeliverable says why not."""

from __future__ import annotations

import json
import uuid
from typing import Any

from botocore.exceptions import ClientError

from sandbox.engines import function_async, functions, state_calls, state_tasks
from sandbox.engines.backends import backend


class Undeliverable(Exception):
    """code is what a dead-letter queue gets as ERROR_CODE."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code, self.retryable = code, retryable


def as_service(service: str, target_arn: str, text: str, *, source_arn: str, **options: Any) -> None:
    """The service acts as itself; the resource's own policy (and its key's) has to let it."""
    from sandbox.iam import identity

    kind = target_arn.split(":")[2]
    deliver = {"lambda": _function, "sqs": _queue, "sns": _topic, "logs": _log_group}.get(kind)
    if deliver is None:
        raise Undeliverable(
            "UNSUPPORTED_TARGET", f"target {target_arn} needs a role or is not known to the sandbox"
        )
    try:
        deliver(service, target_arn, text, source_arn, options)
    except identity.Denied as error:
        raise Undeliverable("NO_PERMISSIONS", str(error)) from error


def as_role(
    service: str, role_arn: str, target_arn: str, text: str, *, source_arn: str, **options: Any
) -> None:
    """The service assumes a role for the call."""
    from sandbox.iam import identity

    try:
        credentials = identity.service_credentials(
            role_arn, service, session=service.split(".")[0], source_arn=source_arn
        )
        _call(credentials, target_arn, text, options)
    except identity.Denied as error:
        raise Undeliverable("NO_PERMISSIONS", str(error)) from error
    except ClientError as error:
        raise _undeliverable(error) from error


def _call(credentials: Any, target_arn: str, text: str, options: dict[str, Any]) -> None:
    parts = target_arn.split(":")
    if parts[5] == "aws-sdk":
        _universal(credentials, parts, text)
    elif parts[2] == "states" and parts[5] == "stateMachine":
        credentials.client("stepfunctions").start_execution(stateMachineArn=target_arn, input=text)
    elif parts[2] == "lambda":
        credentials.client("lambda").invoke(FunctionName=target_arn, InvocationType="Event", Payload=text)
    elif parts[2] == "sqs":
        send = credentials.client("sqs").send_message
        send(QueueUrl=function_async.queue_url(target_arn), MessageBody=text, **_fifo(options))
    elif parts[2] == "sns":
        credentials.client("sns").publish(TopicArn=target_arn, Message=text)
    else:
        raise Undeliverable("UNSUPPORTED_TARGET", f"target {target_arn} is not known to the sandbox")


def _universal(credentials: Any, parts: list[str], text: str) -> None:
    """arn:aws:scheduler:::aws-sdk:<service>:<action>."""
    service = state_calls.sdk_service(parts[6])
    operation = state_calls.operation(service, parts[7])
    request = state_calls.to_request(json.loads(text or "{}"), operation.input_shape)
    state_tasks.client_method(credentials.client(service), operation.name)(**request)


def _function(service: str, arn: str, text: str, source_arn: str, _: dict[str, Any]) -> None:
    from moto.awslambda.exceptions import UnknownFunctionException

    try:
        functions.function(arn)
    except UnknownFunctionException as error:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"function {arn} does not exist") from error
    functions.invoke_as_service(service, arn, json.loads(text), source_arn=source_arn)


def _queue(service: str, arn: str, text: str, source_arn: str, options: dict[str, Any]) -> None:
    from sandbox.iam import encryption, identity

    identity.authorize_service(service, "sqs:SendMessage", arn, source_arn=source_arn)
    _use_key(service, encryption.queue_key(arn), source_arn, {"aws:sqs:arn": arn})
    name = arn.rsplit(":", 1)[-1]
    if name not in backend("sqs").queues:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"queue {arn} does not exist")
    group = options.get("group_id")
    backend("sqs").send_message(
        name, text, message_attributes=options.get("attributes"), group_id=group, validate_group_id=False
    )


def _topic(service: str, arn: str, text: str, source_arn: str, options: dict[str, Any]) -> None:
    from sandbox.iam import encryption, identity

    identity.authorize_service(service, "sns:Publish", arn, source_arn=source_arn)
    _use_key(service, encryption.topic_key(arn), source_arn, {"aws:sns:topicArn": arn})
    if arn not in backend("sns").topics:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"topic {arn} does not exist")
    backend("sns").topics[arn].publish(text, subject=options.get("subject"))


def _log_group(service: str, arn: str, text: str, source_arn: str, _: dict[str, Any]) -> None:
    from sandbox import clock
    from sandbox.iam import identity

    group = arn.split(":log-group:")[1].removesuffix(":*")
    identity.authorize_service(
        service, "logs:PutLogEvents", f"{arn.removesuffix(':*')}:*", source_arn=source_arn
    )
    if group not in backend("logs").groups:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"log group {group} does not exist")
    stream = str(uuid.uuid4())
    backend("logs").create_log_stream(group, stream)
    event = {"timestamp": int(clock.now().timestamp() * 1000), "message": text}
    backend("logs").put_log_events(group, stream, [event])


def _use_key(service: str, key_arn: str | None, source_arn: str, encryption_context: dict[str, str]) -> None:
    from sandbox.iam import identity

    if key_arn is None:
        return
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        context = {f"kms:EncryptionContext:{name}": value for name, value in encryption_context.items()}
        identity.authorize_service(service, action, key_arn, source_arn=source_arn, context=context)


def _undeliverable(error: ClientError) -> Undeliverable:
    code = error.response["Error"]["Code"]
    if "AccessDenied" in code:
        return Undeliverable("NO_PERMISSIONS", str(error))
    if "NotFound" in code or "DoesNotExist" in code or "NonExistent" in code:
        return Undeliverable("RESOURCE_NOT_FOUND", str(error))
    retryable = error.response["ResponseMetadata"]["HTTPStatusCode"] in (429, 500, 502, 503)
    return Undeliverable("SDK_CLIENT_ERROR", str(error), retryable=retryable)


def _fifo(options: dict[str, Any]) -> dict[str, str]:
    return {"MessageGroupId": options["group_id"]} if options.get("group_id") else {}
