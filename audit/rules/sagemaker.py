"""SageMaker's own resources: models, endpoint configurations, notebooks, domains."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from audit.findings import Severity
from audit.rules.rule import Rule, is_on, is_own_key, lacking, mappings
from audit.rules.workflows import has_local_disk
from audit.templates import Resource

MODEL, CONFIG = "AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig"
NOTEBOOK, DOMAIN = "AWS::SageMaker::NotebookInstance", "AWS::SageMaker::Domain"


def _is_given(*names: str) -> Callable[[Resource], bool]:
    return lambda resource: bool(resource.get(*names))


def _has_volume_key(config: Resource) -> bool:
    kinds = [variant.get("InstanceType") for variant in mappings(config.get("ProductionVariants"))]
    return is_own_key(config.get("KmsKeyId")) or (bool(kinds) and all(map(has_local_disk, kinds)))


def _captures(config: Resource) -> bool:
    """Serverless variants cannot: SageMaker offers no data capture for them."""
    variants = mappings(config.get("ProductionVariants"))
    is_serverless = bool(variants) and all("ServerlessConfig" in variant for variant in variants)
    capture = config.get("DataCaptureConfig")
    return (
        is_serverless or isinstance(capture, str) or is_on(config.get("DataCaptureConfig", "EnableCapture"))
    )


def _captures_both(config: Resource) -> bool:
    """Where anything is captured: that nothing is, ML-SM-04 says."""
    capture = config.get("DataCaptureConfig")
    if not isinstance(capture, Mapping) or not is_on(capture.get("EnableCapture")):
        return True
    modes = {str(each.get("CaptureMode")) for each in mappings(capture.get("CaptureOptions"))}
    share = capture.get("InitialSamplingPercentage")
    return {"Input", "Output"} <= modes and share not in (None, 0, "0")


def _capture_has_key(config: Resource) -> bool:
    capture = config.get("DataCaptureConfig")
    return not capture or isinstance(capture, str) or is_own_key(config.get("DataCaptureConfig", "KmsKeyId"))


MODEL_IN_VPC = Rule(
    id="ML-SM-01",
    title="Models run in the VPC",
    severity=Severity.HIGH,
    rationale="Without VpcConfig the containers that serve the model reach the internet, and the network "
    "of the "
    "account sees nothing of it.",
    fix="Give the model a VpcConfig with isolated subnets.",
    controls=("NIST SC-7", "MLSEC03-BP02"),
    find=lacking(MODEL, has=_is_given("VpcConfig"), says="no VpcConfig; give subnets and security groups"),
)
MODEL_ISOLATED = Rule(
    id="ML-SM-02",
    title="Models are isolated from the network",
    severity=Severity.HIGH,
    rationale="A model's container can send out what it is asked, and has the role's credentials to do so.",
    fix="Set EnableNetworkIsolation to true.",
    controls=("FSBP SageMaker.5", "NIST SC-7", "MLSEC04-BP01"),
    find=lacking(
        MODEL,
        has=lambda model: is_on(model.get("EnableNetworkIsolation")),
        says="EnableNetworkIsolation is not on; set it to true",
    ),
)
ENDPOINT_KEYED = Rule(
    id="ML-SM-03",
    title="Volumes behind an endpoint are encrypted with an own key",
    severity=Severity.MEDIUM,
    rationale="Models and requests in flight lie on these volumes.",
    fix="Give the endpoint configuration a KmsKeyId.",
    controls=("NIST SC-28", "MLSEC03-BP02"),
    find=lacking(CONFIG, has=_has_volume_key, says="no own key for the volumes; give KmsKeyId"),
)
CAPTURED = Rule(
    id="ML-SM-04",
    title="Endpoints capture what they are asked and answer",
    severity=Severity.LOW,
    rationale="Without captures neither drift nor a wrong answer can be looked into afterwards.",
    fix="Give the endpoint configuration a DataCaptureConfig with EnableCapture.",
    controls=("NIST AU-12", "MLOPS06-BP02", "MLPERF06-BP03"),
    find=lacking(
        CONFIG, has=_captures, says="no data capture; give DataCaptureConfig with EnableCapture true"
    ),
)
CAPTURE_KEYED = Rule(
    id="ML-SM-05",
    title="Captures are encrypted with an own key",
    severity=Severity.MEDIUM,
    rationale="Captures hold every request in full, which is data as personal as that of training.",
    fix="Give DataCaptureConfig a KmsKeyId.",
    controls=("NIST SC-28", "MLSEC03-BP03"),
    find=lacking(
        CONFIG, has=_capture_has_key, says="captures without an own key; give DataCaptureConfig.KmsKeyId"
    ),
)
NOTEBOOK_OFFLINE = Rule(
    id="ML-SM-06",
    title="Notebooks have no direct way to the internet",
    severity=Severity.HIGH,
    rationale="A second network interface, outside of the VPC, lets data out past every control.",
    fix="Set DirectInternetAccess to Disabled.",
    controls=("FSBP SageMaker.1", "NIST SC-7", "MLSEC03-BP02"),
    find=lacking(
        NOTEBOOK,
        has=lambda notebook: notebook.get("DirectInternetAccess") == "Disabled",
        says="direct internet access (the default); set DirectInternetAccess to Disabled",
    ),
)
NOTEBOOK_KEYED = Rule(
    id="ML-SM-07",
    title="Volumes of notebooks are encrypted with an own key",
    severity=Severity.MEDIUM,
    rationale="Data sets that people explore stay on the notebook's volume.",
    fix="Give the notebook a KmsKeyId.",
    controls=("Security Hub SageMaker.21", "NIST SC-28", "MLSEC03-BP02"),
    find=lacking(
        NOTEBOOK,
        has=lambda notebook: is_own_key(notebook.get("KmsKeyId")),
        says="no own key; give KmsKeyId",
    ),
)
NOTEBOOK_NO_ROOT = Rule(
    id="ML-SM-08",
    title="Users of notebooks are not root",
    severity=Severity.MEDIUM,
    rationale="Root can undo what the start-up scripts set up: proxies, logging, blocked addresses.",
    fix="Set RootAccess to Disabled.",
    controls=("FSBP SageMaker.3", "NIST AC-6", "MLSEC03-BP02"),
    find=lacking(
        NOTEBOOK,
        has=lambda notebook: notebook.get("RootAccess") == "Disabled",
        says="root access (the default); set RootAccess to Disabled",
    ),
)
NOTEBOOK_IN_VPC = Rule(
    id="ML-SM-09",
    title="Notebooks are in a subnet",
    severity=Severity.HIGH,
    rationale="Without one it runs in SageMaker's network, where none of the account's controls apply.",
    fix="Give the notebook a SubnetId and SecurityGroupIds.",
    controls=("FSBP SageMaker.2", "NIST SC-7", "MLSEC03-BP02"),
    find=lacking(NOTEBOOK, has=_is_given("SubnetId"), says="no SubnetId; put the notebook into the VPC"),
)
DOMAIN_OFFLINE = Rule(
    id="ML-SM-10",
    title="Domains send their traffic through the VPC",
    severity=Severity.HIGH,
    rationale="PublicInternetOnly (the default) gives every app of the domain a way out past the VPC.",
    fix="Set AppNetworkAccessType to VpcOnly.",
    controls=("NIST SC-7", "MLSEC03-BP02"),
    find=lacking(
        DOMAIN,
        has=lambda domain: domain.get("AppNetworkAccessType") == "VpcOnly",
        says="AppNetworkAccessType is not VpcOnly; set it",
    ),
)
DOMAIN_KEYED = Rule(
    id="ML-SM-11",
    title="Home folders of a domain are encrypted with an own key",
    severity=Severity.MEDIUM,
    rationale="Notebooks and data of all users lie on the domain's file system, with AWS's key unless "
    "one is given.",
    fix="Give the domain a KmsKeyId.",
    controls=("NIST SC-28", "MLSEC03-BP02"),
    find=lacking(
        DOMAIN, has=lambda domain: is_own_key(domain.get("KmsKeyId")), says="no own key; give KmsKeyId"
    ),
)
CAPTURED_WHOLE = Rule(
    id="ML-SM-12",
    title="Captures hold requests and answers",
    severity=Severity.LOW,
    rationale="Drift of the data shows in requests, a model that went wrong in its answers; each needs the "
    "other.",
    fix="Give CaptureOptions Input and Output, and an InitialSamplingPercentage above 0.",
    controls=("NIST AU-3",),
    find=lacking(CONFIG, has=_captures_both, says="captures but a part; give Input and Output, and a share"),
)
ROLLED_BACK = Rule(
    id="ML-SM-13",
    title="Updates of an endpoint are rolled back by alarms",
    severity=Severity.LOW,
    rationale="A model that answers with errors or late would take over all of the traffic.",
    fix="Give DeploymentConfig an AutoRollbackConfiguration with the alarms of the endpoint.",
    controls=("NIST CM-3",),
    find=lacking(
        "AWS::SageMaker::Endpoint",
        has=_is_given("DeploymentConfig", "AutoRollbackConfiguration", "Alarms"),
        says="no alarm rolls an update back; give AutoRollbackConfiguration",
    ),
)
