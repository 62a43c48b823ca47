"""Where each type names the key of what it stores, and whose key it is when none is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.encryption.rows import Keeper
from audit.encryption.world import Path
from audit.findings import Severity

LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH


@dataclass(frozen=True, kw_only=True)
class Field:
    """
    key      where the key stands in the properties
    default  whose key it is when none is named
    needs    property without which there is nothing to encrypt
    switch   property that turns encryption on where no key is named
    note     why there is nothing to mend
    """

    what: str
    key: Path
    default: Keeper
    severity: Severity | None
    needs: Path = ()
    switch: Path = ()
    controls: tuple[str, ...] = ()
    note: str = ""


_ENDPOINT_CONFIG = (
    Field(what="volume", key=("KmsKeyId",), default="aws owned", severity=MEDIUM),
    Field(
        what="captured requests",
        key=("DataCaptureConfig", "KmsKeyId"),
        default="aws managed",
        severity=MEDIUM,
        needs=("DataCaptureConfig", "EnableCapture"),
    ),
    Field(
        what="asynchronous responses",
        key=("AsyncInferenceConfig", "OutputConfig", "KmsKeyId"),
        default="aws managed",
        severity=MEDIUM,
        needs=("AsyncInferenceConfig",),
    ),
)


_TRAINING = (
    Field(what="volume", key=("ResourceConfig", "VolumeKmsKeyId"), default="aws owned", severity=MEDIUM),
    Field(what="output", key=("OutputDataConfig", "KmsKeyId"), default="aws managed", severity=MEDIUM),
)


_DATABASE = Field(
    what="tables",
    key=("KmsKeyId",),
    default="aws managed",
    severity=MEDIUM,
    switch=("StorageEncrypted",),
)


# Type or operation -> stage and what it stores.
FIELDS: Mapping[str, tuple[str, tuple[Field, ...]]] = {
    "AWS::Kinesis::Stream": (
        "ingest",
        (
            Field(
                what="records",
                key=("StreamEncryption", "KeyId"),
                default="none",
                severity=HIGH,
                controls=("FSBP Kinesis.1",),
            ),
        ),
    ),
    "sagemaker:createtrainingjob": ("train", _TRAINING),
    "sagemaker:createhyperparametertuningjob": (
        "train",
        tuple(
            Field(
                what=each.what,
                key=("TrainingJobDefinition", *each.key),
                default=each.default,
                severity=each.severity,
            )
            for each in _TRAINING
        ),
    ),
    "sagemaker:createprocessingjob": (
        "train",
        (
            Field(
                what="volume",
                key=("ProcessingResources", "ClusterConfig", "VolumeKmsKeyId"),
                default="aws owned",
                severity=MEDIUM,
            ),
            Field(
                what="output",
                key=("ProcessingOutputConfig", "KmsKeyId"),
                default="aws managed",
                severity=MEDIUM,
                needs=("ProcessingOutputConfig",),
            ),
        ),
    ),
    "sagemaker:createtransformjob": (
        "deploy",
        (
            Field(
                what="volume",
                key=("TransformResources", "VolumeKmsKeyId"),
                default="aws owned",
                severity=MEDIUM,
            ),
            Field(
                what="output",
                key=("TransformOutput", "KmsKeyId"),
                default="aws managed",
                severity=MEDIUM,
            ),
            Field(
                what="captured requests",
                key=("DataCaptureConfig", "KmsKeyId"),
                default="aws managed",
                severity=MEDIUM,
                needs=("DataCaptureConfig",),
            ),
        ),
    ),
    "sagemaker:createendpointconfig": ("deploy", _ENDPOINT_CONFIG),
    "AWS::SageMaker::EndpointConfig": ("deploy", _ENDPOINT_CONFIG),
    "AWS::CodePipeline::Pipeline": (
        "operate",
        (
            Field(
                what="artefacts",
                key=("ArtifactStore", "EncryptionKey", "Id"),
                default="aws managed",
                severity=None,
                needs=("ArtifactStore",),
                note="ML-CD-02 asks for a key",
            ),
        ),
    ),
    "AWS::CodeBuild::Project": (
        "operate",
        (
            Field(
                what="artefacts",
                key=("EncryptionKey",),
                default="aws managed",
                severity=None,
                note="AwsSolutions-CB4 asks for a key",
            ),
        ),
    ),
    "AWS::SageMaker::NotebookInstance": (
        "train",
        (Field(what="volume", key=("KmsKeyId",), default="aws owned", severity=MEDIUM),),
    ),
    "AWS::SageMaker::Domain": (
        "train",
        (Field(what="home folders", key=("KmsKeyId",), default="aws managed", severity=MEDIUM),),
    ),
    "AWS::SageMaker::FeatureGroup": (
        "transform",
        (
            Field(
                what="online features",
                key=("OnlineStoreConfig", "SecurityConfig", "KmsKeyId"),
                default="aws owned",
                severity=MEDIUM,
                needs=("OnlineStoreConfig",),
            ),
            Field(
                what="offline features",
                key=("OfflineStoreConfig", "S3StorageConfig", "KmsKeyId"),
                default="aws managed",
                severity=MEDIUM,
                needs=("OfflineStoreConfig",),
            ),
        ),
    ),
    "AWS::SecretsManager::Secret": (
        "operate",
        (Field(what="secret", key=("KmsKeyId",), default="aws managed", severity=MEDIUM),),
    ),
    # CloudFormation makes no SecureString, the only kind that takes a key.
    "AWS::SSM::Parameter": (
        "operate",
        (
            Field(
                what="plain value",
                key=(),
                default="none",
                severity=None,
                note="a plain parameter takes no key: no place for a secret",
            ),
        ),
    ),
    "AWS::SNS::Topic": (
        "operate",
        (Field(what="messages", key=("KmsMasterKeyId",), default="none", severity=MEDIUM),),
    ),
    "AWS::Logs::LogGroup": (
        "operate",
        (Field(what="log", key=("KmsKeyId",), default="aws owned", severity=LOW),),
    ),
    "AWS::Lambda::Function": (
        "operate",
        (
            Field(
                what="environment",
                key=("KmsKeyArn",),
                default="aws managed",
                severity=LOW,
                needs=("Environment", "Variables"),
            ),
        ),
    ),
    "AWS::StepFunctions::StateMachine": (
        "operate",
        (
            Field(
                what="definition and execution history",
                key=("EncryptionConfiguration", "KmsKeyId"),
                default="aws owned",
                severity=LOW,
            ),
        ),
    ),
    "AWS::Scheduler::Schedule": (
        "operate",
        (Field(what="input", key=("KmsKeyArn",), default="aws owned", severity=LOW),),
    ),
    "AWS::Events::EventBus": (
        "operate",
        (Field(what="events", key=("KmsKeyIdentifier",), default="aws owned", severity=LOW),),
    ),
    "AWS::CloudTrail::Trail": (
        "operate",
        (
            Field(
                what="trail",
                key=("KMSKeyId",),
                default="aws owned",
                severity=MEDIUM,
                controls=("FSBP CloudTrail.2",),
            ),
        ),
    ),
    "AWS::ECR::Repository": (
        "train",
        (Field(what="images", key=("EncryptionConfiguration", "KmsKey"), default="aws owned", severity=LOW),),
    ),
    "AWS::EC2::Volume": (
        "operate",
        (
            Field(
                what="volume",
                key=("KmsKeyId",),
                default="aws managed",
                severity=MEDIUM,
                switch=("Encrypted",),
            ),
        ),
    ),
    "AWS::EFS::FileSystem": (
        "lake",
        (
            Field(
                what="files",
                key=("KmsKeyId",),
                default="aws managed",
                severity=MEDIUM,
                switch=("Encrypted",),
            ),
        ),
    ),
    "AWS::RDS::DBInstance": ("lake", (_DATABASE,)),
    "AWS::RDS::DBCluster": ("lake", (_DATABASE,)),
}
