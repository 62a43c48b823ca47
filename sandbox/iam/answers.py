"""How AWS says no: the error of each protocol, with the words that its services use."""

from __future__ import annotations

import json
from typing import Any, NoReturn
from xml.sax.saxutils import escape

from werkzeug.exceptions import HTTPException

from sandbox.iam.evaluate import Decision, Principal

_LAYERS = {
    "identity": "identity-based policy",
    "resource": "resource-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "endpoint": "VPC endpoint policy",
}
# Services with a word of their own for it.
_CODES = {"ec2": "UnauthorizedOperation", "sns": "AuthorizationError"}


class Refusal(HTTPException):
    """The answer to a call that is not allowed; moto turns it into the response."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(body)
        self.code = status


def sentence(principal: Principal, action: str, resource: str, decision: Decision) -> str:
    start = f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource}"
    kind, _, layer = decision.reason.rpartition("-")
    policy = _LAYERS.get(layer)
    if policy is None:
        return f"{start}: {decision.reason}"
    if kind == "explicit-deny":
        article = "an" if policy[0] in "aeiou" else "a"
        return f"{start} with an explicit deny in {article} {policy}"
    return f"{start} because no {policy} allows the {action} action"


def is_answer(error: Exception) -> bool:
    """True for what `refuse` raises, False for a fault."""
    from moto.s3.exceptions import S3ClientError

    return isinstance(error, Refusal | S3ClientError)


def refuse(responder: Any, service: str, protocol: str, message: str, code: str = "") -> NoReturn:
    """Answer in the protocol of the request."""
    if service == "s3":
        from moto.s3.exceptions import S3ClientError

        error = S3ClientError(code or "AccessDenied", message)
        raise error
    if protocol in ("query", "ec2"):
        raise _xml(responder, code or _CODES.get(service, "AccessDenied"), message, protocol)
    name = code or "AccessDeniedException"
    responder.response_headers["Content-Type"] = "application/x-amz-json-1.1"
    responder.response_headers["x-amzn-ErrorType"] = name
    if service == "sqs":
        # SQS keeps its old XML code beside the JSON one.
        responder.response_headers["x-amzn-query-error"] = f"{code or 'AccessDenied'};Sender"
    # json services answer 400, REST services 403.
    raise Refusal(
        400 if protocol == "json" else 403,
        json.dumps({"__type": name, "message": message, "Message": message}),
    )


def _xml(responder: Any, code: str, message: str, protocol: str) -> Refusal:
    responder.response_headers["Content-Type"] = "text/xml"
    text = escape(message)
    if protocol == "ec2":
        error = f"<Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors>"
        return Refusal(403, f"<Response>{error}<RequestID>sandbox</RequestID></Response>")
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
    return Refusal(403, f"<ErrorResponse>{error}<RequestId>sandbox</RequestId></ErrorResponse>")
