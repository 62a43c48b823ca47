"""The one gate: every call to the account is read, evaluated and recorded here before moto serves it."""

from __future__ import annotations

import inspect
import threading
import traceback
from collections.abc import Callable
from typing import Any

from sandbox.iam import (
    answers,
    context,
    encryption,
    implied,
    network,
    parse,
    record,
    resources,
    sessions,
    store,
)
from sandbox.iam.conditions import PolicyError
from sandbox.iam.evaluate import Decision, Policies, Policy, Principal, Request, decide
from sandbox.iam.identity import service_context
from sandbox.iam.parse import Parsed, UnparsedError
from sandbox.iam.resource_table import ALWAYS
from sandbox.iam.sessions import Session
from sandbox.iam.target import Target, Unmapped

_enforcing = True
_installed = False
_thread = threading.local()  # what this request was found to be: decided, and keys refused one by one

_ALWAYS = Decision(allowed=True, reason="always-allowed")


class PatchError(RuntimeError):
    """moto is not the one that these patches were written for."""


def enforce(on: bool) -> None:
    """False: decide and record, but refuse nothing."""
    global _enforcing
    _enforcing = on


def authorise(responder: Any, *_: Any) -> None:
    """In place of moto's own check; raises the answer if the call is not allowed."""
    request = responder.normalized_request
    if responder.__dict__.get("_sandbox_checked") is request:
        return  # S3 asks more than once for one request
    responder._sandbox_checked = request
    _thread.decided = True
    _thread.refused = set()
    session = _caller(responder, request)
    try:
        call = parse.parse(responder)
    except UnparsedError as error:
        _refuse(responder, session, "unparsed", f"the sandbox cannot read this request: {error}")
        return
    try:
        _check(responder, session, call)
    except PolicyError as error:
        _refuse(responder, session, "unreadable-policy", str(error))
    except Exception as error:
        if answers.is_answer(error):
            raise
        # A fault of this gate must not open it, nor look like one of the service.
        why = f"the sandbox cannot decide {call.prefix}:{call.operation}: {type(error).__name__}: {error}"
        traceback.print_exc()
        _refuse(responder, session, "undecided", why)


def _caller(responder: Any, request: Any) -> Session:
    key = parse.access_key(request)
    session = sessions.of(key) if key else None
    if session is not None and (session.token is None or session.token == parse.token(request)):
        return session
    service = responder.boto3_service_name
    code = "InvalidAccessKeyId" if service == "s3" else "InvalidClientTokenId"
    principal = Principal(kind="anonymous", arn=key or "anonymous")
    _note(principal, f"?:{service}", Decision(allowed=False, reason=code), "")
    message = "The security token included in the request is invalid."
    return answers.refuse(responder, service, _protocol(responder), message, code)


def _refuse(responder: Any, session: Session, reason: str, why: str) -> None:
    service = responder.boto3_service_name
    decision = Decision(allowed=False, reason=reason)
    _note(session.principal, f"?:{service}", decision, session.name, why)
    if _enforcing:
        answers.refuse(responder, service, _protocol(responder), why)


def _check(responder: Any, session: Session, call: Parsed) -> None:
    try:
        path = network.path(session.network, call.service, call.prefix)
    except network.NoRoute as error:
        _no_route(responder, session, call, str(error))
        return
    keys = context.base(session, call, path.context())
    endpoint = store.compiled(path.endpoint, path.policy) if path.endpoint else None
    try:
        wanted = resources.targets(call)
        wanted += implied.targets(call, keys)
    except Unmapped as error:
        wanted = [_unmapped(call, str(error))]
    for target in wanted:
        policies = _policies(session, target, endpoint)
        decision = _decide(session, target, keys, policies)
        _record(session, call, target, decision, path.endpoint, _assumed(policies, target.action))
        if not decision.allowed and _enforcing:
            _answer(responder, session, call, target, decision)


def _policies(session: Session, target: Target, endpoint: Policy | None) -> Policies:
    policy, authoritative = store.resource_policy(target.action, target.resource)
    if target.as_service:
        return Policies(resource=policy, authoritative=authoritative)
    # A forwarded call does not come through the caller's endpoint; passing a role is no call at all.
    passes = "kms:viaservice" not in target.context and target.action != "iam:PassRole"
    return Policies(
        identity=store.identity_policies(session.principal),
        boundary=store.boundary(session.principal),
        session=session.policy,
        resource=policy,
        endpoint=endpoint if passes else None,
        authoritative=authoritative,
    )


def _assumed(policies: Policies, action: str) -> tuple[str, ...]:
    """Keys that some policy asked for and that are taken as given here."""
    single = (policies.boundary, policies.session, policies.resource, policies.endpoint)
    asked = [policy.keys(action) for policy in (*policies.identity, *single) if policy is not None]
    return tuple(key for key in context.ASSUMED if any(key in keys for keys in asked))


def _decide(session: Session, target: Target, keys: dict[str, object], policies: Policies) -> Decision:
    if target.action in ALWAYS:
        return _ALWAYS
    if not target.mapped and not session.deploys:
        return Decision(allowed=False, reason=f"unmapped: {target.context['why']}")
    if (
        target.implied_by
        and target.action.startswith("kms:")
        and target.resource != "*"  # tags of a key that is being created
        and (why := encryption.unusable(target.resource))
    ):
        return Decision(allowed=False, reason=why)
    if target.as_service:
        principal = Principal(kind="service", arn=target.as_service)
        own = {**service_context(target.as_service, None), **target.context}
    else:
        principal = session.principal
        # A forwarded call brings all its keys with it: those of the caller's network are not among them.
        own = target.context if "kms:viaservice" in target.context else {**keys, **target.context}
    return decide(
        Request(principal=principal, action=target.action, resource=target.resource, context=own), policies
    )


def _unmapped(call: Parsed, why: str) -> Target:
    """Those who deploy are asked for the action on "*"; others are refused in `_decide`."""
    return Target(action=f"{call.prefix}:{call.operation}", resource="*", context={"why": why}, mapped=False)


def _answer(responder: Any, session: Session, call: Parsed, target: Target, decision: Decision) -> None:
    if target.each:
        _thread.refused.add(target.resource)
        return
    principal = Principal(kind="service", arn=target.as_service) if target.as_service else session.principal
    message = answers.sentence(principal, target.action, target.resource, decision)
    answers.refuse(responder, call.service, call.protocol, message)


def _no_route(responder: Any, session: Session, call: Parsed, why: str) -> None:
    action = f"{call.prefix}:{call.operation}"
    _note(session.principal, action, Decision(allowed=False, reason="no-route"), session.name, why)
    if _enforcing:
        message = f"{why}; calls of {session.principal.label} would hang on AWS"
        answers.refuse(responder, call.service, call.protocol, message, "NoRouteToService")


def _record(
    session: Session,
    call: Parsed,
    target: Target,
    decision: Decision,
    endpoint: str,
    assumed: tuple[str, ...],
) -> None:
    principal = Principal(kind="service", arn=target.as_service) if target.as_service else session.principal
    record.add_decision(
        principal,
        "" if target.as_service else session.name,
        target.action,
        target.resource,
        decision,
        implied_by=target.implied_by,
        mapped=target.mapped,
        network="" if target.implied_by else endpoint,
        operation=call.operation,
        assumed=assumed,
    )


def _note(principal: Principal, action: str, decision: Decision, session: str, why: str = "*") -> None:
    record.add_decision(principal, session, action, why, decision)


def _protocol(responder: Any) -> str:
    from moto.core.utils import get_service_model

    try:
        return str(get_service_model(responder.boto3_service_name).protocol)
    except Exception:  # a service that botocore does not know: any readable answer will do
        return "json"


def install() -> None:
    """Replace moto's check, and take its other, partial checks out of the way."""
    global _installed
    if _installed:
        return
    from moto.core.utils import convert_to_flask_response
    from moto.iam.access_control import PermissionResult
    from moto.kms import responses as kms_responses
    from moto.s3.models import FakeBucket

    def object_permission(_bucket: Any, action: str, resource: str) -> Any:  # noqa: ARG001
        # moto ignores conditions here, so a TLS-only policy would refuse every object call.
        refused = resource in getattr(_thread, "refused", ())
        return PermissionResult.DENIED if refused else PermissionResult.NEUTRAL

    serve = convert_to_flask_response.__call__

    def guarded(self: Any, args: Any = None, **kwargs: Any) -> Any:
        _thread.decided = False
        response = serve(self, args, **kwargs)
        if not _thread.decided and _enforcing and response.status_code < 400:
            return _bypassed(self.__name__)
        return response

    install_check(authorise)
    FakeBucket.get_permission = object_permission
    # Log delivery is a service's call: decided when it happens, not when it is switched on.
    FakeBucket._log_permissions_enabled_policy = staticmethod(lambda **_: True)
    # This one refuses DescribeKey for any deny in the key's policy, whatever its conditions.
    kms_responses.validate_policy = lambda key, action: None  # noqa: ARG005
    convert_to_flask_response.__call__ = guarded
    _installed = True


def install_check(check: Callable[..., None]) -> None:
    """Put `check` where moto asks for permission; for benchmarks, which time it."""
    from moto.core.authorization import ActionAuthenticatorMixin

    ActionAuthenticatorMixin._authenticate_and_authorize_action = check


def _bypassed(name: str) -> Any:
    """A handler of moto that never asked for permission: what it did is on no record, so it is refused."""
    from flask import Response

    _note(
        Principal(kind="anonymous", arn="unknown"),
        f"?:{name}",
        Decision(allowed=False, reason="bypassed"),
        "",
    )
    message = f"moto's handler {name} asks no permission; the sandbox does not serve it"
    return Response(f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>", status=403)


def reset() -> None:
    """Nothing is kept between accounts: policies are read anew with every call."""


def self_test() -> None:
    """The patched names of moto exist and take what the patches take."""
    from moto.core.authorization import ActionAuthenticatorMixin
    from moto.core.responses import BaseResponse
    from moto.core.utils import convert_to_flask_response
    from moto.kms import responses as kms_responses
    from moto.s3.models import FakeBucket

    expected = {
        (ActionAuthenticatorMixin, "_authenticate_and_authorize_action"): {
            "self",
            "iam_request_cls",
            "resource",
        },
        (kms_responses, "validate_policy"): {"key", "action"},
        (FakeBucket, "get_permission"): {"self", "action", "resource"},
        (FakeBucket, "_log_permissions_enabled_policy"): {"target_bucket", "target_prefix"},
        (convert_to_flask_response, "__call__"): {"self", "args", "kwargs"},
    }
    for (owner, name), parameters in expected.items():
        found = getattr(owner, name, None)
        if found is None:
            raise PatchError(f"moto has no {owner.__name__}.{name} any more: pin moto==5.2.5")
        got = set(inspect.signature(found).parameters)
        if not _installed and got != parameters:
            raise PatchError(f"{owner.__name__}.{name} takes {sorted(got)}, expected {sorted(parameters)}")
    if "_authenticate_and_authorize_normal_action" not in inspect.getsource(BaseResponse.call_action):
        raise PatchError("moto's call_action does not ask for permission any more: pin moto==5.2.5")
