"""Calls with a unit's role that do not come from its subnets, each with its reason.

A role is also used by the service that runs the unit, from the service's side of the network. What is not
listed here is taken to be called from inside the VPC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.policies import matches
from audit.reachability.units import Kind, Unit


@dataclass(frozen=True, kw_only=True)
class Call:
    """One action on one resource (both may be patterns), of a statement that grants it."""

    action: str
    resource: str
    services: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which calls (`actions` less `but`) of which units (`kinds`; none: all) do not come from inside."""

    kinds: tuple[Kind, ...]
    actions: tuple[str, ...]
    reason: str
    but: tuple[str, ...] = ()
    when: Callable[[Unit, Call], bool] = lambda _unit, _call: True


SAGEMAKER = ("training", "processing", "tuning", "model")


def _via_service(_unit: Unit, call: Call) -> bool:
    blocks = [keys for keys in call.conditions.values() if isinstance(keys, Mapping)]
    return any(str(key).lower() == "kms:viaservice" for keys in blocks for key in keys)


def _by_itself(unit: Unit, call: Call) -> bool:
    return call.resource in unit.by_itself


def _is_isolated(unit: Unit, _call: Call) -> bool:
    return unit.isolated


def _pulls_outside(unit: Unit, _call: Call) -> bool:
    return not unit.pulls


def _is_capture(unit: Unit, call: Call) -> bool:
    return any(call.resource.startswith(target) for target in unit.captures)


INTERFACES = (
    "ec2:*networkinterface*",
    "ec2:assignprivateipaddresses",
    "ec2:unassignprivateipaddresses",
    "ec2:describedhcpoptions",
    "ec2:describeroutetables",
    "ec2:describesecuritygroups",
    "ec2:describesubnets",
    "ec2:describevpc*",
)


OUTSIDE: Sequence[Rule] = (
    Rule(
        kinds=(),
        actions=("kms:*",),
        when=_via_service,
        reason="the grant is tied to a service (kms:ViaService), which calls KMS for the caller",
    ),
    Rule(
        kinds=(),
        actions=(
            "kms:decrypt",
            "kms:encrypt",
            "kms:generatedatakey*",
            "kms:reencrypt*",
            "kms:describekey",
            "kms:creategrant",
        ),
        reason="the service that holds the data calls KMS for the caller; a direct call cannot be told apart",
    ),
    Rule(
        kinds=("function",),
        actions=INTERFACES,
        reason="Lambda makes a function's network interfaces before any code runs (Lambda guide, VPC)",
    ),
    Rule(
        kinds=("function",),
        actions=("logs:createloggroup", "logs:createlogstream", "logs:putlogevents"),
        reason="Lambda collects what a function prints and delivers it from its own network",
    ),
    Rule(
        kinds=("function",),
        actions=("xray:*",),
        reason="Lambda runs the X-Ray daemon and delivers its segments from its side (Lambda guide)",
    ),
    Rule(
        kinds=("function",),
        actions=("*",),
        when=_by_itself,
        reason="Lambda itself reads event sources and writes dead letters and destinations",
    ),
    Rule(
        kinds=("glue job",),
        actions=(*INTERFACES, "ec2:createtags", "ec2:deletetags"),
        reason="Glue makes, tags and removes a job's network interfaces before and after the run",
    ),
    Rule(
        kinds=("glue job",),
        actions=("glue:getconnection", "glue:getconnections", "glue:getsecurityconfiguration*"),
        reason="Glue reads the job's connection and security configuration to place the job, before it runs",
    ),
    Rule(
        kinds=SAGEMAKER,
        actions=INTERFACES,
        reason="SageMaker makes the container's network interfaces with the role, from its side",
    ),
    Rule(
        kinds=SAGEMAKER,
        actions=("ecr:*",),
        when=_pulls_outside,
        reason="SageMaker pulls images from its side, unless the request says RepositoryAccessMode Vpc",
    ),
    Rule(
        kinds=SAGEMAKER,
        actions=("logs:*", "cloudwatch:putmetricdata"),
        reason="SageMaker's own agent delivers logs and metrics of a container, from its side",
    ),
    Rule(
        kinds=("model",),
        actions=("s3:putobject*", "s3:abortmultipartupload"),
        when=_is_capture,
        reason="SageMaker writes captured requests; that it does so through the VPC is not documented",
    ),
    Rule(
        kinds=("model",),
        actions=("cloudwatch:describealarms",),
        reason="SageMaker looks at the alarms of a deployment's roll-back itself",
    ),
    Rule(
        kinds=SAGEMAKER,
        # Inputs, models and outputs go through the VPC: SageMaker guide, "Give SageMaker access to your VPC".
        actions=("*",),
        but=("s3:*",),
        when=_is_isolated,
        reason="the container is isolated from the network: only SageMaker can call this, from its side",
    ),
)


def reason(unit: Unit, call: Call) -> str | None:
    """Why the call comes from elsewhere; None where it comes from the unit's subnets."""
    return next((rule.reason for rule in OUTSIDE if _is_meant(rule, unit, call)), None)


def _is_meant(rule: Rule, unit: Unit, call: Call) -> bool:
    if rule.kinds and unit.kind not in rule.kinds:
        return False
    action = call.action.lower()
    if any(matches(pattern, action) for pattern in rule.but):
        return False
    return any(matches(pattern, action) for pattern in rule.actions) and rule.when(unit, call)
