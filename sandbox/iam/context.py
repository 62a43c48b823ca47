"""The condition keys of a request: who, from where, when, and what the parameters say."""

from __future__ import annotations

from typing import Any

from sandbox import clock
from sandbox.account import ACCOUNT
from sandbox.iam import store
from sandbox.iam.parse import Parsed
from sandbox.iam.resources_by_hand import leading_keys
from sandbox.iam.sessions import Session

# What the loopback cannot show and AWS always has; noted with each call that a policy asked it for.
ASSUMED = {"aws:securetransport": "true", "s3:tlsversion": "1.3"}


def base(session: Session, call: Parsed, path: dict[str, object]) -> dict[str, object]:
    """Global keys and the service's own; `path` are the keys of the network path."""
    now = clock.now()
    principal = session.principal
    context: dict[str, object] = {
        "aws:currenttime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:epochtime": str(int(now.timestamp())),
        "aws:principalaccount": principal.account,
        "aws:principalarn": principal.role_arn or principal.arn,
        "aws:principalisawsservice": "false",
        "aws:principaltype": _TYPES[principal.kind],
        "aws:requestedregion": call.region,
        "aws:resourceaccount": ACCOUNT,
        "aws:useragent": call.headers.get("User-Agent", ""),
        "aws:viaawsservice": "false",
        "aws:userid": _user_id(session),
        **ASSUMED,
        **path,
    }
    if session.via:
        context |= {
            "aws:viaawsservice": "true",
            "aws:calledvia": [session.via],
            "aws:calledviafirst": session.via,
            "aws:calledvialast": session.via,
        }
    if principal.kind == "user":
        context["aws:username"] = session.name
    if session.service == "lambda.amazonaws.com" and session.runs_code and session.source_arn:
        context["lambda:sourcefunctionarn"] = session.source_arn
    for key, value in (store.tags(principal) | session.tags).items():
        context[f"aws:principaltag/{key}".lower()] = value
    _add_request_tags(context, call.params)
    service = _SERVICES.get(call.prefix)
    if service:
        context |= service(call)
    return context


def forwarded(context: dict[str, object], service: str) -> dict[str, object]:
    """The keys of a call that `service` makes on the caller's behalf; without the caller's network."""
    dropped = {"aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip", "aws:sourceip", "aws:useragent"}
    kept = {key: value for key, value in context.items() if key.startswith("aws:") and key not in dropped}
    return kept | {
        "aws:viaawsservice": "true",
        "kms:viaservice": service,
        "kms:calleraccount": ACCOUNT,
    }


_TYPES = {"role": "AssumedRole", "user": "User", "root": "Account"}


def _user_id(session: Session) -> str:
    if session.principal.kind == "root":
        return ACCOUNT
    found = store.identifier(session.principal)
    return f"{found}:{session.name}" if session.principal.kind == "role" else found


def _add_request_tags(context: dict[str, object], params: dict[str, Any]) -> None:
    tags = next((params[name] for name in ("Tags", "tags", "TagList", "tagList") if params.get(name)), None)
    pairs: dict[str, str] = {}
    if isinstance(tags, dict):
        pairs = {str(k): str(v) for k, v in tags.items()}
    elif isinstance(tags, list):
        for tag in tags:
            if isinstance(tag, dict):
                name = tag.get("Key") or tag.get("key") or tag.get("TagKey")
                pairs[str(name)] = str(tag.get("Value") or tag.get("value") or tag.get("TagValue") or "")
    keys = list(pairs) or [str(k) for k in params.get("TagKeys") or params.get("tagKeys") or []]
    if keys:
        context["aws:tagkeys"] = keys
    for key, value in pairs.items():
        context[f"aws:requesttag/{key}".lower()] = value


def _first(params: dict[str, Any], *paths: str) -> Any:
    for path in paths:
        value: Any = params
        for step in path.split("."):
            if isinstance(value, list):
                value = value[0] if value else None
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None and value != "":
            return value
    return None


# Where each SageMaker call keeps what its condition keys show.
_SAGEMAKER: dict[str, tuple[str, ...]] = {
    "sagemaker:vpcsubnets": (
        "VpcConfig.Subnets", "NetworkConfig.VpcConfig.Subnets", "TrainingJobDefinition.VpcConfig.Subnets",
    ),
    "sagemaker:vpcsecuritygroupids": (
        "VpcConfig.SecurityGroupIds", "NetworkConfig.VpcConfig.SecurityGroupIds",
        "TrainingJobDefinition.VpcConfig.SecurityGroupIds",
    ),
    "sagemaker:networkisolation": (
        "EnableNetworkIsolation", "NetworkConfig.EnableNetworkIsolation",
        "TrainingJobDefinition.EnableNetworkIsolation",
    ),
    "sagemaker:intercontainertrafficencryption": (
        "EnableInterContainerTrafficEncryption", "NetworkConfig.EnableInterContainerTrafficEncryption",
        "TrainingJobDefinition.EnableInterContainerTrafficEncryption",
    ),
    "sagemaker:volumekmskey": (
        "ResourceConfig.VolumeKmsKeyId", "ProcessingResources.ClusterConfig.VolumeKmsKeyId",
        "TransformResources.VolumeKmsKeyId",
        "TrainingJobDefinition.ResourceConfig.VolumeKmsKeyId", "KmsKeyId",
    ),
    "sagemaker:outputkmskey": (
        "OutputDataConfig.KmsKeyId", "ProcessingOutputConfig.KmsKeyId", "TransformOutput.KmsKeyId",
        "DataCaptureConfig.KmsKeyId", "AsyncInferenceConfig.OutputConfig.KmsKeyId",
        "TrainingJobDefinition.OutputDataConfig.KmsKeyId",
    ),
    "sagemaker:instancetypes": (
        "ResourceConfig.InstanceType", "ProcessingResources.ClusterConfig.InstanceType",
        "TransformResources.InstanceType", "ProductionVariants.InstanceType",
        "TrainingJobDefinition.ResourceConfig.InstanceType", "InstanceType",
    ),
    "sagemaker:maxruntimeinseconds": (
        "StoppingCondition.MaxRuntimeInSeconds",
        "TrainingJobDefinition.StoppingCondition.MaxRuntimeInSeconds",
    ),
    "sagemaker:modelapprovalstatus": ("ModelApprovalStatus",),
    "sagemaker:targetmodel": ("TargetModel",),
    "sagemaker:modellifecycle:stage": ("ModelLifeCycle.Stage",),
    "sagemaker:modellifecycle:stagestatus": ("ModelLifeCycle.StageStatus",),
    "sagemaker:directinternetaccess": ("DirectInternetAccess",),
    "sagemaker:rootaccess": ("RootAccess",),
}  # fmt: skip


def _sagemaker(call: Parsed) -> dict[str, object]:
    found = {key: _first(call.params, *paths) for key, paths in _SAGEMAKER.items()}
    variants = call.params.get("ProductionVariants") or []
    models = [
        f"arn:aws:sagemaker:{call.region}:{ACCOUNT}:model/{v['ModelName'].lower()}"
        for v in variants
        if v.get("ModelName")
    ]
    if models:
        found["sagemaker:modelarn"] = models
        found["sagemaker:instancetypes"] = [v["InstanceType"] for v in variants if v.get("InstanceType")]
    return {key: _plain(value) for key, value in found.items() if value is not None}


def _plain(value: Any) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return [str(v) for v in value] if isinstance(value, list) else str(value)


def _cloudwatch(call: Parsed) -> dict[str, object]:
    namespace = call.params.get("Namespace")
    return {"cloudwatch:namespace": namespace} if namespace else {}


def _dynamodb(call: Parsed) -> dict[str, object]:
    context = leading_keys(call.params)
    names = call.params.get("AttributesToGet")
    if names:
        context["dynamodb:attributes"] = names
    for key, name in (("dynamodb:select", "Select"), ("dynamodb:returnvalues", "ReturnValues")):
        if call.params.get(name):
            context[key] = call.params[name]
    return context


def _sts(call: Parsed) -> dict[str, object]:
    keys = {
        "sts:rolesessionname": "RoleSessionName",
        "sts:externalid": "ExternalId",
        "sts:sourceidentity": "SourceIdentity",
    }
    return {key: call.params[name] for key, name in keys.items() if call.params.get(name)}


def _lambda(call: Parsed) -> dict[str, object]:
    context: dict[str, object] = {}
    function = str(call.params.get("FunctionName") or "")
    if "EventSourceMapping" in call.operation and function:
        name = function.rsplit(":", 1)[-1]
        context["lambda:functionarn"] = f"arn:aws:lambda:{call.region}:{ACCOUNT}:function:{name}"
    network = call.params.get("VpcConfig") or {}
    if network.get("SubnetIds"):
        context["lambda:subnetids"] = network["SubnetIds"]
        context["lambda:securitygroupids"] = network.get("SecurityGroupIds") or []
    if call.params.get("Principal"):
        context["lambda:principal"] = call.params["Principal"]
    return context


def _iam(call: Parsed) -> dict[str, object]:
    keys = {
        "iam:permissionsboundary": "PermissionsBoundary",
        "iam:policyarn": "PolicyArn",
        "iam:awsservicename": "AWSServiceName",
    }
    return {key: call.params[name] for key, name in keys.items() if call.params.get(name)}


def _sns(call: Parsed) -> dict[str, object]:
    keys = {"sns:protocol": "Protocol", "sns:endpoint": "Endpoint"}
    return {key: call.params[name] for key, name in keys.items() if call.params.get(name)}


def _ssm(call: Parsed) -> dict[str, object]:
    found: dict[str, object] = {}
    if call.params.get("Recursive") is not None:
        found["ssm:recursive"] = _plain(call.params["Recursive"])
    if call.params.get("Overwrite") is not None:
        found["ssm:overwrite"] = _plain(call.params["Overwrite"])
    return found


_SERVICES = {
    "cloudwatch": _cloudwatch,
    "dynamodb": _dynamodb,
    "iam": _iam,
    "lambda": _lambda,
    "sagemaker": _sagemaker,
    "sns": _sns,
    "ssm": _ssm,
    "sts": _sts,
}
