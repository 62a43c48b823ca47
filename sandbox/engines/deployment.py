"""How an endpoint comes into service and is replaced: blue/green, traffic in steps, back again on an alarm.

Every wait (between steps, before the old fleet goes) is on the account's clock and in full length.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox import account, clock
from sandbox.engines import capture
from sandbox.engines.fleet import Fleet
from sandbox.engines.hosting import HostingError
from sandbox.engines.jobs import announce, refuse
from sandbox.engines.models import EndpointConfig

if TYPE_CHECKING:
    from sandbox.engines.endpoints import Endpoint

_WATCH = timedelta(seconds=15)  # on the clock, between two looks at the alarms
_DEFAULT_TIMEOUT = 28800
_DRAIN_SECONDS = 0.2


class RollBackError(RuntimeError):
    """The old fleet takes over again; the message is the endpoint's FailureReason."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Shares of the traffic that the new fleet gets one after the other, the waits, and what is watched."""

    shares: tuple[float, ...] = (1.0,)
    interval: timedelta = timedelta(0)
    termination: timedelta = timedelta(0)
    longest: timedelta = timedelta(seconds=_DEFAULT_TIMEOUT)
    alarms: tuple[str, ...] = ()
    config: Mapping[str, Any] | None = None


def plan(endpoint: Endpoint, config: EndpointConfig, wanted: Mapping[str, Any] | None) -> Plan:
    """The deployment that DeploymentConfig describes; a ValidationException if it cannot be had."""
    if not wanted:
        return Plan()
    if "RollingUpdatePolicy" in wanted:
        raise refuse(
            "DeploymentConfig.RollingUpdatePolicy is not in the sandbox; there is BlueGreenUpdatePolicy"
        )
    names = {one["VariantName"] for one in config.production_variants}
    before = {one["VariantName"] for one in endpoint.config.production_variants}
    if names != before:
        # docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
        raise refuse(
            "with a DeploymentConfig the new endpoint configuration must have the variant names of the old "
            f"one: got {sorted(names)}, allowed {sorted(before)}; fix: keep them, or give no DeploymentConfig"
        )
    policy = wanted["BlueGreenUpdatePolicy"]
    routing = policy["TrafficRoutingConfiguration"]
    alarms = (wanted.get("AutoRollbackConfiguration") or {}).get("Alarms") or []
    return Plan(
        shares=_shares(routing, config),
        interval=timedelta(seconds=int(routing["WaitIntervalInSeconds"])),
        termination=timedelta(seconds=int(policy.get("TerminationWaitInSeconds") or 0)),
        longest=timedelta(seconds=int(policy.get("MaximumExecutionTimeoutInSeconds") or _DEFAULT_TIMEOUT)),
        alarms=_known(tuple(one["AlarmName"] for one in alarms)),
        config=dict(wanted),
    )


def _shares(routing: Mapping[str, Any], config: EndpointConfig) -> tuple[float, ...]:
    kind = routing["Type"]
    if kind == "ALL_AT_ONCE":
        return (1.0,)
    size = routing.get("CanarySize" if kind == "CANARY" else "LinearStepSize")
    if not size:
        raise refuse(f"TrafficRoutingConfiguration of type {kind} needs a size")
    instances = sum(int(one["InitialInstanceCount"]) for one in config.production_variants)
    value = int(size["Value"])
    step = value / 100 if size["Type"] == "CAPACITY_PERCENT" else value / instances
    if not 0 < step <= 0.5:
        raise refuse(f"a step of {kind} traffic is {step:.0%} of the fleet; allowed: above 0 %, at most 50 %")
    if kind == "CANARY":
        return (step, 1.0)
    count = -(-1.0 // step)
    return tuple(min(1.0, step * number) for number in range(1, int(count) + 1))


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    if names:
        found = account.client("cloudwatch").describe_alarms(AlarmNames=list(names))
        have = {
            one["AlarmName"] for kind in ("MetricAlarms", "CompositeAlarms") for one in found.get(kind, [])
        }
        if missing := sorted(set(names) - have):
            raise refuse(f"alarm {missing[0]} of AutoRollbackConfiguration does not exist")
    return names


def create(endpoint: Endpoint) -> None:
    fleet = Fleet(endpoint.endpoint_name, endpoint.config, endpoint.write_log)
    try:
        fleet.start()
    except HostingError as error:
        endpoint.move("Failed", str(error)[:1024])
        return
    except BaseException as error:
        endpoint.move("Failed", f"sandbox: {type(error).__name__}: {error}"[:1024])
        raise
    endpoint.blue = fleet
    endpoint.move("InService")


def update(endpoint: Endpoint, config: EndpointConfig, steps: Plan, retained: frozenset[str]) -> None:
    """From Updating back to InService, with the new configuration or, after a roll-back, with the old one."""
    fleet = Fleet(endpoint.endpoint_name, config, endpoint.write_log)
    endpoint.wake.clear()
    endpoint.pending = {
        "EndpointConfigName": config.name,
        "ProductionVariants": [{"VariantName": one["VariantName"]} for one in config.production_variants],
        "StartTime": clock.now(),
    }
    try:
        fleet.start()
        _retain(endpoint.blue, fleet, retained)
        endpoint.green = fleet
        _shift(endpoint, fleet, steps)
    except (RollBackError, HostingError) as error:
        _roll_back(endpoint, fleet, str(error))
    except BaseException as error:
        _roll_back(endpoint, fleet, f"sandbox: {type(error).__name__}: {error}")
        raise
    else:
        _promote(endpoint, fleet, config, steps)


def _retain(old: Fleet | None, new: Fleet, properties: frozenset[str]) -> None:
    for variant in new.variants:
        before = old.pick(variant.name) if old else None
        if before is not None and "DesiredWeight" in properties:
            variant.weight = before.weight
        if before is not None and "DesiredInstanceCount" in properties:
            variant.instances = before.instances


def _shift(endpoint: Endpoint, fleet: Fleet, steps: Plan) -> None:
    deadline = clock.now() + steps.longest
    for share in steps.shares:
        endpoint.green_share = share
        _announce(endpoint, f"TRAFFIC_SHIFTED_{round(share * 100)}_PERCENT")
        _watch(endpoint, fleet, steps, clock.now() + steps.interval, deadline)
    _watch(endpoint, fleet, steps, clock.now() + steps.termination, deadline)


def _watch(endpoint: Endpoint, fleet: Fleet, steps: Plan, until: datetime, deadline: datetime) -> None:
    """Waits on the clock while the alarms are looked at."""
    watcher = AlarmWatcher(endpoint, fleet, steps.alarms, until)
    watcher.look()
    clock.wait_until(until, endpoint.wake)
    watcher.over = True
    if endpoint.gone.is_set():
        raise RollBackError("the endpoint was deleted while it was updated")
    if watcher.finding:
        raise RollBackError(watcher.finding)
    if clock.now() > deadline:
        raise RollBackError(f"the deployment exceeded MaximumExecutionTimeoutInSeconds ({steps.longest})")


class AlarmWatcher:
    """Looks at alarms in the order of the clock: a jump over an hour still sees the minute of an alarm."""

    def __init__(self, endpoint: Endpoint, fleet: Fleet, names: tuple[str, ...], until: datetime) -> None:
        self.over = False
        self.finding = ""
        self._endpoint = endpoint
        self._names = names
        self._until = until
        # With the permissions of the new model's role, as SageMaker asks for them.
        self._client = fleet.variants[0].server.outside.client("cloudwatch")

    def look(self) -> None:
        """Once now, and again until the wait is over."""
        if self.over or not self._names:
            return
        self.finding = self._find()
        if self.finding:
            self._endpoint.wake.set()
        elif (after := clock.now() + _WATCH) < self._until:
            clock.call_at(after, self.look, name=f"deployment of {self._endpoint.endpoint_name}")

    def _find(self) -> str:
        try:
            found = self._client.describe_alarms(
                AlarmNames=list(self._names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
        except ClientError as error:
            return f"the alarms of the deployment cannot be read: {error}"
        tripped = sorted(
            one["AlarmName"]
            for kind in ("MetricAlarms", "CompositeAlarms")
            for one in found.get(kind, [])
            if one["StateValue"] == "ALARM"
        )
        return f"One or more alarms went into ALARM state: {', '.join(tripped)}" if tripped else ""


def _roll_back(endpoint: Endpoint, fleet: Fleet, reason: str) -> None:
    endpoint.green_share = 0.0
    endpoint.green = None
    if not endpoint.gone.is_set():
        endpoint.move("RollingBack", reason[:1024])
    capture.flush(endpoint.endpoint_name)
    time.sleep(_DRAIN_SECONDS)
    fleet.stop()
    endpoint.pending = None
    if not endpoint.gone.is_set():
        _announce(endpoint, "ROLLED_BACK")
        endpoint.move("InService", reason[:1024])


def _promote(endpoint: Endpoint, fleet: Fleet, config: EndpointConfig, steps: Plan) -> None:
    old, endpoint.blue = endpoint.blue, fleet
    endpoint.green, endpoint.green_share = None, 0.0
    endpoint.config, endpoint.pending = config, None
    endpoint.last_deployment = dict(steps.config) if steps.config else None
    _announce(endpoint, "COMPLETED")
    endpoint.move("InService")
    if old is not None:
        capture.flush(endpoint.endpoint_name)
        time.sleep(_DRAIN_SECONDS)  # answers that are on their way
        old.stop()
    if endpoint.gone.is_set():
        fleet.stop()


def _announce(endpoint: Endpoint, status: str) -> None:
    detail = {
        "EndpointName": endpoint.endpoint_name,
        "EndpointArn": endpoint.arn,
        "EndpointStatus": endpoint.endpoint_status,
        "DeploymentStatus": status,
    }
    announce("SageMaker Endpoint Deployment State Change", endpoint.arn, detail)
