"""State machines (and pipelines): what they ask of SageMaker, how their tasks fail, what they log."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from audit.findings import Severity
from audit.policies import listed
from audit.rules.definitions import AT_RUN_TIME, MACHINE, Task, definition_of, is_expression, requests, tasks
from audit.rules.rule import Find, Hit, Rule, is_on, is_own_key, lacking, mappings
from audit.templates import Resource, Templates

TRAINING, PROCESSING = "sagemaker:createTrainingJob", "sagemaker:createProcessingJob"
TUNING, TRANSFORM = "sagemaker:createHyperParameterTuningJob", "sagemaker:createTransformJob"
MODEL, CONFIG = "sagemaker:createModel", "sagemaker:createEndpointConfig"
_JOB = "TrainingJobDefinition"

# Action -> where its request holds what is wanted. A transform job and an endpoint have their network from
# the model, so they are not asked for one.
VPC: Mapping[str, tuple[str, ...]] = {
    TRAINING: ("VpcConfig",),
    TUNING: (_JOB, "VpcConfig"),
    PROCESSING: ("NetworkConfig", "VpcConfig"),
    MODEL: ("VpcConfig",),
}
ISOLATION: Mapping[str, tuple[str, ...]] = {
    TRAINING: ("EnableNetworkIsolation",),
    TUNING: (_JOB, "EnableNetworkIsolation"),
    PROCESSING: ("NetworkConfig", "EnableNetworkIsolation"),
    MODEL: ("EnableNetworkIsolation",),
}
BETWEEN_CONTAINERS: Mapping[str, tuple[str, ...]] = {
    TRAINING: ("EnableInterContainerTrafficEncryption",),
    TUNING: (_JOB, "EnableInterContainerTrafficEncryption"),
    PROCESSING: ("NetworkConfig", "EnableInterContainerTrafficEncryption"),
}
VOLUME_KEY: Mapping[str, tuple[str, ...]] = {
    TRAINING: ("ResourceConfig", "VolumeKmsKeyId"),
    TUNING: (_JOB, "ResourceConfig", "VolumeKmsKeyId"),
    PROCESSING: ("ProcessingResources", "ClusterConfig", "VolumeKmsKeyId"),
    TRANSFORM: ("TransformResources", "VolumeKmsKeyId"),
    CONFIG: ("KmsKeyId",),
}
OUTPUT_KEY: Mapping[str, tuple[str, ...]] = {
    TRAINING: ("OutputDataConfig", "KmsKeyId"),
    TUNING: (_JOB, "OutputDataConfig", "KmsKeyId"),
    PROCESSING: ("ProcessingOutputConfig", "KmsKeyId"),
    TRANSFORM: ("TransformOutput", "KmsKeyId"),
    CONFIG: ("DataCaptureConfig", "KmsKeyId"),
}
END: Mapping[str, tuple[str, ...]] = {
    TRAINING: ("StoppingCondition", "MaxRuntimeInSeconds"),
    TUNING: (_JOB, "StoppingCondition", "MaxRuntimeInSeconds"),
    PROCESSING: ("StoppingCondition", "MaxRuntimeInSeconds"),
}
# Their disk is in the machine, encrypted by its hardware; SageMaker refuses a volume key for them.
LOCAL_DISK = re.compile(r"ml\.(?:[a-z]+\d+[a-z]*d[a-z]*|g[5-9][a-z]*|p5[a-z]*|trn\d[a-z]*)\.")
_INSTANCE_TYPES = (
    ("ResourceConfig", "InstanceType"),
    (_JOB, "ResourceConfig", "InstanceType"),
    ("ProcessingResources", "ClusterConfig", "InstanceType"),
    ("TransformResources", "InstanceType"),
)


def has_local_disk(instance_type: Any) -> bool:
    return isinstance(instance_type, str) and LOCAL_DISK.match(instance_type) is not None


def _asked(
    fields: Mapping[str, tuple[str, ...]], is_met: Callable[[Task, tuple[str, ...]], bool], wanted: str
) -> Find:
    """Requests of these actions whose field does not meet what is wanted."""

    def find(templates: Templates) -> Iterator[Hit]:
        for task in requests(templates):
            names = fields.get(task.action)
            if names is not None and task.is_readable and not is_met(task, names):
                path = ".".join(names)
                yield _hit(task, f"{task.action} without {path}; {wanted}", subject=path)

    return find


def _hit(task: Task, message: str, subject: str = "") -> Hit:
    subject = f"{task.name}: {subject}" if subject else task.name
    return Hit(resource=task.workflow, message=f"{task.name}: {message}", subject=subject)


def _is_given(task: Task, names: tuple[str, ...]) -> bool:
    return task.has(*names)


def _is_on(task: Task, names: tuple[str, ...]) -> bool:
    value = task.get(*names)
    return value == AT_RUN_TIME or is_on(value)


def _has_volume_key(task: Task, names: tuple[str, ...]) -> bool:
    if task.action == CONFIG:
        kinds = [variant.get("InstanceType") for variant in mappings(task.get("ProductionVariants"))]
    else:
        kinds = [task.get(*each) for each in _INSTANCE_TYPES if task.has(*each)]
    return is_own_key(task.get(*names)) or (bool(kinds) and all(map(has_local_disk, kinds)))


def _has_output_key(task: Task, names: tuple[str, ...]) -> bool:
    """Also where nothing is put out."""
    is_silent = task.action in (PROCESSING, CONFIG) and not task.has(names[0])
    return is_own_key(task.get(*names)) or is_silent


def _transform_without_end(templates: Templates) -> Iterator[Hit]:
    """The request of a transform job knows no limit: only its state, waiting, can end it."""
    yield from _asked(END, _is_given, "give the longest run time")(templates)
    for task in tasks(templates):
        if task.action == TRANSFORM and not _has_timeout(task.state):
            yield _hit(
                task, f"{TRANSFORM} that nothing ends; give the state TimeoutSeconds", "TimeoutSeconds"
            )


def _has_timeout(state: Mapping[str, Any]) -> bool:
    return bool(state.get("TimeoutSeconds") or state.get("TimeoutSecondsPath"))


def _without(key: str, wanted: str, around_counts: bool) -> Find:
    """Tasks without `key`; what a Map or Parallel state around it has may count."""

    def find(templates: Templates) -> Iterator[Hit]:
        for task in tasks(templates):
            looked_at = (task.state, *task.around) if around_counts else (task.state,)
            if not any(state.get(key) for state in looked_at):
                yield _hit(task, f"no {key}; {wanted}")

    return find


def _without_timeout(templates: Templates) -> Iterator[Hit]:
    for task in tasks(templates):
        if not _has_timeout(task.state):
            yield _hit(
                task, "no TimeoutSeconds: a lost answer is waited for as long as the execution may last"
            )


def _open_roles(templates: Templates) -> Iterator[Hit]:
    for task in requests(templates):
        if task.action in VPC and not task.is_readable:
            yield _hit(
                task, f"the input is the whole request of {task.action}, its role too; write it out", "all"
            )
        for name, value in _roles(task.request):
            if name.endswith(".$") or is_expression(value) or value == "*":
                yield _hit(task, f"{name} is {value}; name the role in the definition", name)


def _roles(request: Any) -> Iterator[tuple[str, Any]]:
    """Every field of a request that names a role, however deep."""
    for each in mappings(request):
        for name, value in each.items():
            if str(name).removesuffix(".$").endswith("RoleArn"):
                yield str(name), value
            elif isinstance(value, list | Mapping):
                yield from _roles(value)


def _unreadable(templates: Templates) -> Iterator[Hit]:
    for machine in templates.of(MACHINE):
        if definition_of(machine) is None:
            yield Hit(resource=machine, message="the definition is not in the template as JSON; put it there")


def _endless(templates: Templates) -> Iterator[Hit]:
    for machine in templates.of(MACHINE):
        definition = definition_of(machine)
        if definition is not None and not _has_timeout(definition):
            yield Hit(
                resource=machine, message="no time limit for an execution; give TimeoutSeconds at the top"
            )


def _is_logged(machine: Resource) -> bool:
    return machine.get("LoggingConfiguration", "Level") not in (None, "OFF")


def _hides_data(machine: Resource) -> bool:
    return machine.get("LoggingConfiguration", "IncludeExecutionData") in (None, False, "false")


def _undeclared_log_group(templates: Templates) -> Iterator[Hit]:
    declared = {templates.arn(group).removesuffix(":*") for group in templates.of("AWS::Logs::LogGroup")}
    for machine in templates.of(MACHINE):
        for destination in mappings(listed(machine.get("LoggingConfiguration", "Destinations"))):
            group = destination.get("CloudWatchLogsLogGroup")
            arn = str(group.get("LogGroupArn") if isinstance(group, Mapping) else group)
            if arn.removesuffix(":*") not in declared:
                yield Hit(
                    resource=machine,
                    message=f"logs to {arn}, which no template declares; declare it, with key and retention",
                    subject=arn,
                )


def _captures(task: Task, names: tuple[str, ...]) -> bool:
    variants = mappings(task.get("ProductionVariants"))
    is_serverless = bool(variants) and all("ServerlessConfig" in variant for variant in variants)
    return is_serverless or _is_on(task, names)


_NAMED_FIELD = "Give the field in the request of the state, as a constant of the deployment."

IN_VPC = Rule(
    id="ML-SFN-01",
    title="SageMaker work that a workflow starts runs in the VPC",
    severity=Severity.HIGH,
    rationale="Without VpcConfig the containers run in SageMaker's network: no endpoint policy, no flow "
    "log, and "
    "a way to the internet. The request lies in the definition, where resource checks do not look.",
    fix=_NAMED_FIELD,
    controls=("NIST SC-7", "MLSEC03-BP02", "MLSEC04-BP01"),
    find=_asked(VPC, _is_given, "give subnets and security groups"),
)
VOLUME_KEYED = Rule(
    id="ML-SFN-02",
    title="Volumes of started SageMaker work are encrypted with an own key",
    severity=Severity.MEDIUM,
    rationale="Training data and models lie on these volumes; with AWS's key nobody can say who may read "
    "them, "
    "and nobody can take that right back.",
    fix=_NAMED_FIELD,
    controls=("NIST SC-28", "MLSEC03-BP02"),
    find=_asked(VOLUME_KEY, _has_volume_key, "give an own key"),
)
OUTPUT_KEYED = Rule(
    id="ML-SFN-03",
    title="Output of started SageMaker work is encrypted with an own key",
    severity=Severity.MEDIUM,
    rationale="Models, scores and captured requests are written with the bucket's default or AWS's key "
    "when the "
    "request names none.",
    fix=_NAMED_FIELD,
    controls=("NIST SC-28", "MLSEC03-BP02"),
    find=_asked(OUTPUT_KEY, _has_output_key, "give an own key"),
)
ISOLATED = Rule(
    id="ML-SFN-04",
    title="Containers of started SageMaker work have no network of their own",
    severity=Severity.HIGH,
    rationale="Code in a container (and every package in it) may send data out, unless SageMaker "
    "isolates it.",
    fix=_NAMED_FIELD,
    controls=("FSBP SageMaker.5", "NIST SC-7", "NIST AC-4", "MLSEC04-BP01"),
    find=_asked(ISOLATION, _is_on, "set it to true"),
)
ENCRYPTED_BETWEEN = Rule(
    id="ML-SFN-05",
    title="Traffic between the containers of a job is encrypted",
    severity=Severity.MEDIUM,
    rationale="As soon as a job has a second instance, weights and whatever the code exchanges travel "
    "between them in plain.",
    fix=_NAMED_FIELD,
    controls=("NIST SC-8", "MLSEC04-BP02"),
    find=_asked(BETWEEN_CONTAINERS, _is_on, "set it to true"),
)
ENDS = Rule(
    id="ML-SFN-06",
    title="Started SageMaker work ends",
    severity=Severity.MEDIUM,
    rationale="A job that hangs costs money by the second until somebody sees it.",
    fix="Give StoppingCondition.MaxRuntimeInSeconds; the state of a transform job needs TimeoutSeconds.",
    controls=("MLCOST04-BP08",),
    find=_transform_without_end,
)
RETRIED = Rule(
    id="ML-SFN-07",
    title="Tasks are tried again",
    severity=Severity.LOW,
    rationale="Throttling and short failures of a service are everyday events; without Retry each ends "
    "the run.",
    fix="Give the state (or the Map or Parallel state around it) a Retry for the service's passing errors.",
    find=_without("Retry", "name the passing errors and how often to try", around_counts=True),
)
CAUGHT = Rule(
    id="ML-SFN-08",
    title="Failing tasks are caught",
    severity=Severity.LOW,
    rationale="Without Catch a failed run leaves locks, half-moved endpoints and nobody who was told.",
    fix="Give the state (or the Map or Parallel state around it) a Catch for States.ALL.",
    find=_without("Catch", "say what follows on a failure", around_counts=True),
)
TIMED = Rule(
    id="ML-SFN-09",
    title="Tasks have a time limit",
    severity=Severity.LOW,
    rationale="The default is 99999999 seconds: a task whose answer is lost blocks its run for the year that "
    "one may last.",
    fix="Give the state TimeoutSeconds.",
    find=_without_timeout,
)
ROLE_NAMED = Rule(
    id="ML-SFN-10",
    title="The role that a task passes on is named in the definition",
    severity=Severity.HIGH,
    rationale="Who starts the execution would choose with which rights its work runs.",
    fix="Write the role's ARN into the definition.",
    controls=("NIST AC-6", "MLSEC03-BP01"),
    find=_open_roles,
)
LOGGED = Rule(
    id="ML-SFN-11",
    title="State machines log",
    severity=Severity.MEDIUM,
    rationale="The history of an execution is gone after 90 days, and of an express one there is none.",
    fix="Set LoggingConfiguration.Level to ALL, ERROR or FATAL.",
    controls=("FSBP StepFunctions.1", "NIST AU-2", "NIST AU-12"),
    find=lacking(MACHINE, has=_is_logged, says="logging is off; set LoggingConfiguration.Level"),
)
NO_DATA_LOGGED = Rule(
    id="ML-SFN-12",
    title="Logs of state machines hold no execution data",
    severity=Severity.LOW,
    rationale="Inputs and results of states, which may be personal, would be readable to everybody who "
    "reads logs.",
    fix="Set LoggingConfiguration.IncludeExecutionData to false.",
    controls=("MLSEC03-BP03",),
    find=lacking(
        MACHINE, has=_hides_data, says="execution data goes into the log; set IncludeExecutionData false"
    ),
)
LOG_GROUP_DECLARED = Rule(
    id="ML-SFN-13",
    title="The log group of a state machine is declared",
    severity=Severity.LOW,
    rationale="A log group that nobody declared has neither a key nor an end of retention.",
    fix="Declare the AWS::Logs::LogGroup in the templates and refer to it.",
    controls=("NIST AU-11",),
    find=_undeclared_log_group,
)
READABLE = Rule(
    id="ML-SFN-14",
    title="The definition of a state machine can be reviewed",
    severity=Severity.LOW,
    rationale="A definition that is loaded from elsewhere, or is no JSON, may start anything; no rule "
    "can look into it.",
    fix="Put the definition into the template (DefinitionString).",
    controls=("NIST CM-2", "NIST CM-3"),
    find=_unreadable,
)
CAPTURES = Rule(
    id="ML-SFN-15",
    title="Endpoints that a workflow configures capture what they are asked and answer",
    severity=Severity.LOW,
    rationale="A new model would end the captures, and with them every look for drift.",
    fix=_NAMED_FIELD,
    controls=("NIST AU-12", "MLOPS06-BP02", "MLPERF06-BP03"),
    find=_asked({CONFIG: ("DataCaptureConfig", "EnableCapture")}, _captures, "set it to true"),
)
EXECUTIONS_END = Rule(
    id="ML-SFN-16",
    title="Executions of a state machine end",
    severity=Severity.LOW,
    rationale="Time limits of tasks bound each of them, and not the loop around them; a standard execution "
    "may "
    "hold its locks for a year.",
    fix="Give the definition TimeoutSeconds at its top.",
    find=_endless,
)
