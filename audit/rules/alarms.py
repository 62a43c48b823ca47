"""Alarms: that they ring, that somebody hears, and that what fails is watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audit.arns import ARNS
from audit.findings import Severity
from audit.policies import listed
from audit.rules.definitions import MACHINE, tasks
from audit.rules.rule import Hit, Rule, lacking, mappings, names
from audit.templates import Resource, Templates

ALARM, ENDPOINT = "AWS::CloudWatch::Alarm", "AWS::SageMaker::Endpoint"
FUNCTION, QUEUE = "AWS::Lambda::Function", "AWS::SQS::Queue"
# Type -> metrics of its failures.
WATCHED: Mapping[str, tuple[str, ...]] = {
    MACHINE: ("ExecutionsFailed", "ExecutionsTimedOut"),
    "AWS::Kinesis::Stream": (
        "GetRecords.IteratorAgeMilliseconds",
        "WriteProvisionedThroughputExceeded",
        "IncomingRecords",
    ),
    "AWS::KinesisFirehose::DeliveryStream": ("DeliveryToS3.DataFreshness", "DeliveryToS3.Success"),
    FUNCTION: ("Errors", "Throttles"),
    QUEUE: ("ApproximateNumberOfMessagesVisible",),
    ENDPOINT: ("CPUUtilization", "MemoryUtilization"),
}
_IF_PROCESSED, _IF_PARTITIONED = "ExecuteProcessing.Success", "PartitionCountExceeded"
# Of each variant of an endpoint that any alarm names.
OF_VARIANT = ("Invocation5XXErrors", "Invocation4XXErrors", "ModelLatency")


def _rings_never(templates: Templates) -> Iterator[Hit]:
    """A count that is missing is no count: silence is what an alarm on too few is for."""
    for alarm in templates.of(ALARM):
        is_low = str(alarm.get("ComparisonOperator", default="")).startswith("LessThan")
        is_count = alarm.get("Statistic") in ("Sum", "SampleCount")
        treated = alarm.get("TreatMissingData")
        if not treated:
            yield Hit(resource=alarm, message="says nothing of missing data; give TreatMissingData")
        elif is_low and is_count and treated not in ("breaching", "missing"):
            yield Hit(
                resource=alarm,
                message=f"rings on too few, and takes none at all for {treated}; set breaching",
            )


def _unwatched(templates: Templates) -> Iterator[Hit]:
    """Only where there are alarms: whether to have any is the owner's choice."""
    watched = [(str(alarm.get("MetricName")), _dimensions(alarm)) for alarm in templates.of(ALARM)]
    if not watched:
        return
    for resource in templates.of(*WATCHED):
        mine = [
            (metric, values)
            for metric, values in watched
            if any(_means(templates, resource, value) for value in values.values())
        ]
        for wanted in _wanted(templates, resource):
            if wanted not in {metric for metric, _ in mine}:
                yield _silent(resource, wanted, wanted)
        if resource.type == ENDPOINT:
            variants = {values["VariantName"] for _, values in mine if "VariantName" in values}
            for variant in sorted(variants):
                has = {metric for metric, values in mine if values.get("VariantName") == variant}
                for wanted in OF_VARIANT:
                    if wanted not in has:
                        yield _silent(resource, f"{wanted} of {variant}", f"{variant} {wanted}")


def _silent(resource: Resource, what: str, subject: str) -> Hit:
    return Hit(resource=resource, message=f"no alarm watches its {what}; add one", subject=subject)


def _dimensions(alarm: Resource) -> dict[str, str]:
    return {str(each.get("Name")): str(each.get("Value")) for each in mappings(alarm.get("Dimensions"))}


def _means(templates: Templates, resource: Resource, value: str) -> bool:
    """Whether a dimension's value is the resource: its name, ARN, or an attribute."""
    given = resource.get(ARNS[resource.type][0]) if resource.type in ARNS else None
    known = names(templates, resource) | ({str(given)} if given else set())
    return value in known or value.startswith(f"<{resource.address}.")


def _wanted(templates: Templates, resource: Resource) -> tuple[str, ...]:
    if resource.type == FUNCTION and _is_asked_by_another(templates, resource):
        return ()
    if resource.type == QUEUE and not _is_for_dead_letters(templates, resource):
        return ()
    more: tuple[str, ...] = ()
    if resource.get("ExtendedS3DestinationConfiguration", "ProcessingConfiguration", "Processors"):
        more += (_IF_PROCESSED,)
    if resource.get("ExtendedS3DestinationConfiguration", "DynamicPartitioningConfiguration"):
        more += (_IF_PARTITIONED,)
    return WATCHED[resource.type] + more


def _is_asked_by_another(templates: Templates, function: Resource) -> bool:
    """By a state machine, whose failure is watched, or by CloudFormation, which fails itself."""
    known = names(templates, function)
    custom = {str(each.get("ServiceToken")) for each in templates.resources if each.get("ServiceToken")}
    asked = {str(task.request.get("FunctionName")) for task in tasks(templates)}
    asked |= {str(task.state.get("Resource")) for task in tasks(templates)}
    return bool(known & (custom | asked))


def _is_for_dead_letters(templates: Templates, queue: Resource) -> bool:
    return templates.arn(queue) in dead_letter_targets(templates)


def dead_letter_targets(templates: Templates) -> set[str]:
    """ARNs of queues that receive what failed: of functions, queues, rules and schedules."""
    found: set[str] = set()
    for resource in templates.resources:
        given = [
            resource.get("DeadLetterConfig", "TargetArn"),
            resource.get("RedrivePolicy", "deadLetterTargetArn"),
            resource.get("Target", "DeadLetterConfig", "Arn"),
        ]
        given += [
            each["DeadLetterConfig"].get("Arn")
            for each in mappings(resource.get("Targets"))
            if isinstance(each.get("DeadLetterConfig"), Mapping)
        ]
        found |= {str(each) for each in given if each}
    return found


def _follows_nothing(templates: Templates) -> Iterator[Hit]:
    """A rule on an alarm's change that names none of the alarms, or one that is not there."""
    alarms = {templates.arn(alarm) for alarm in templates.of(ALARM)}
    heard: set[str] = set()
    for rule in templates.of("AWS::Events::Rule"):
        pattern = rule.get("EventPattern")
        if isinstance(pattern, Mapping) and "aws.cloudwatch" in listed(pattern.get("source")):
            named = {str(each) for each in listed(pattern.get("resources"))}
            heard |= named
            if not named & alarms:
                yield Hit(resource=rule, message="follows alarms that no template declares; name them")
    own = [alarm for alarm in templates.of(ALARM) if not _is_of_aws(alarm)]
    for alarm in own if heard & alarms else []:
        if templates.arn(alarm) not in heard:
            yield Hit(resource=alarm, message="no rule follows it, as one does the others; name it there")


def _is_of_aws(alarm: Resource) -> bool:
    return str(alarm.get("Namespace", default="AWS/")).startswith(("AWS/", "/aws/"))


HEARD = Rule(
    id="ML-CW-01",
    title="Alarms tell somebody",
    severity=Severity.MEDIUM,
    rationale="An alarm without an action turns red on a page that nobody has open.",
    fix="Give the alarm AlarmActions, a topic for example.",
    controls=("Security Hub CloudWatch.15", "NIST SI-4", "NIST AU-6"),
    find=lacking(
        ALARM, has=lambda alarm: bool(alarm.get("AlarmActions")), says="tells nobody; give AlarmActions"
    ),
)
ACTIVE = Rule(
    id="ML-CW-02",
    title="Actions of alarms are active",
    severity=Severity.MEDIUM,
    rationale="Switched off for a maintenance and forgotten, an alarm rings and nobody is told.",
    fix="Set ActionsEnabled to true, or leave it out.",
    controls=("Security Hub CloudWatch.17", "NIST SI-4"),
    find=lacking(
        ALARM,
        has=lambda alarm: str(alarm.get("ActionsEnabled", default=True)).lower() != "false",
        says="its actions are off; set ActionsEnabled to true",
    ),
)
SILENCE_MEANT = Rule(
    id="ML-CW-03",
    title="Alarms say what missing data mean",
    severity=Severity.LOW,
    rationale="A stream that stops sends no figures either: an alarm on too few must ring on none.",
    fix="Set TreatMissingData; breaching where silence is the fault.",
    controls=("NIST SI-4",),
    find=_rings_never,
)
WATCHES = Rule(
    id="ML-CW-04",
    title="What can fail without an answer is watched",
    severity=Severity.MEDIUM,
    rationale="A delivery, a workflow or an endpoint that fails tells nobody who waits for it; where a "
    "deployment has alarms, one that is missing is a fault that stays unseen.",
    fix="Add an alarm on the metric.",
    controls=("NIST SI-4", "NIST AU-6"),
    find=_unwatched,
)
FOLLOWED = Rule(
    id="ML-CW-05",
    title="Rules that follow alarms name all of the deployment's own",
    severity=Severity.LOW,
    rationale="A rule that starts a retraining on an alarm does nothing for one that it does not name, or "
    "that "
    "is no longer there.",
    fix="Name each alarm on a metric of the deployment's own in the rule's resources.",
    controls=("NIST SI-4",),
    find=_follows_nothing,
)
