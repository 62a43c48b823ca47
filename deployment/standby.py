"""The standby: who the champion is in the second Region, and an endpoint for it. Asks no other Region."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deployment import stacks
from deployment.errors import AGAIN, RefusedError, StoppedError
from deployment.names import PROJECT, Names
from deployment.place import Place

CHAMPION_KEY = "champion/champion.json"
BASELINE = "baseline"
_POLL_SECONDS = 15
_POLLS = 160  # forty minutes: an endpoint takes five to ten
_MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
# What of a description a request takes.
_CONTAINER = ("Image", "ModelDataUrl", "Environment")
_MODEL = ("ExecutionRoleArn", "EnableNetworkIsolation", "VpcConfig")
_VARIANT = ("VariantName", "InstanceType", "InitialInstanceCount", "InitialVariantWeight")
_CONFIG = ("KmsKeyId", "DataCaptureConfig")


@dataclass(frozen=True, kw_only=True)
class Champion:
    run_id: str
    key: str  # of the artefact, the same in both Regions; "" of the contract's rule
    region: str  # where it was promoted
    since: datetime  # when its name arrived
    version: str

    @property
    def is_rule(self) -> bool:
        return self.run_id == BASELINE

    def __str__(self) -> str:
        if self.is_rule:
            return "the contract's rule"
        return f"the champion of run {self.run_id}, which was told here at {self.since:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, kw_only=True)
class Standby:
    place: Place
    names: Names
    outputs: Mapping[str, str]
    session: boto3.Session  # of the operator's role, which may do this and nothing else
    tell: Callable[[str], None]
    pause: Callable[[float], None]

    @property
    def endpoint(self) -> str:
        return self.outputs["StandbyEndpointName"]

    @property
    def is_warm(self) -> bool:
        return self.outputs["StandbyMode"] == "warm"

    def client(self, service: str) -> Any:
        return self.session.client(service)

    # -- who the champion is

    def champions(self) -> Iterator[Champion]:
        """All that were told here, the newest first; older ones for as long as versions are kept."""
        bucket, s3 = self.outputs["StandbyModelsBucketName"], self.client("s3")
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=CHAMPION_KEY)
        versions = [v for page in pages for v in page.get("Versions", []) if v["Key"] == CHAMPION_KEY]
        for version in sorted(versions, key=lambda each: each["LastModified"], reverse=True):
            body = s3.get_object(Bucket=bucket, Key=CHAMPION_KEY, VersionId=version["VersionId"])["Body"]
            content = json.loads(body.read())
            yield Champion(
                run_id=content["run_id"],
                key=content["model_data_key"],
                region=content["region"],
                since=version["LastModified"],
                version=version["VersionId"],
            )

    def has_artefact(self, champion: Champion) -> bool:
        if champion.is_rule:  # its artefact was deployed with the stack
            return True
        bucket = self.outputs["StandbyModelsBucketName"]
        found = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=champion.key, MaxKeys=1)
        return any(each["Key"] == champion.key for each in found.get("Contents", []))

    def chosen(self, *, older: bool) -> Champion:
        """The newest; with `older` the newest of which the artefact has arrived."""
        known = list(self.champions())
        if not known:
            raise RefusedError(
                f"no champion is known in {self.place.region}: "
                f"s3://{self.outputs['StandbyModelsBucketName']}/{CHAMPION_KEY} is not there; allowed: one "
                "that was copied since the module was deployed (within the hour); fix: wait, or serve the "
                "contract's rule, which was deployed with the stack: --rule"
            )
        if self.has_artefact(known[0]):
            return known[0]
        complete = next((each for each in known[1:] if self.has_artefact(each)), None)
        if older and complete is not None:
            return complete
        instead = (
            f"take the one before it, run {complete.run_id} of {complete.since:%Y-%m-%d %H:%M} UTC: --older"
            if complete
            else "serve the contract's rule: --rule"
        )
        raise RefusedError(
            f"the copies are behind: the champion is run {known[0].run_id}, and its artefact {known[0].key} "
            f"has not arrived in {self.place.region}; allowed: a champion with its artefact; fix: wait, "
            f"where the first Region still copies (within 15 minutes), or {instead}"
        )

    def rule(self) -> Champion:
        return Champion(run_id=BASELINE, key="", region="", since=datetime.min, version="")

    # -- its endpoint

    def bring_up(self, champion: Champion) -> bool:
        """The endpoint serves the champion, whatever it did before; False: it did so already."""
        config = self.outputs["StandbyConfigName"]
        if not champion.is_rule:
            config = self._config(self._model(champion), champion)
        return self._serve(config)

    def warm_up(self) -> None:
        """The newest champion that is whole; the rule while none was told."""
        is_told = any(True for _ in self.champions())
        champion = self.chosen(older=True) if is_told else self.rule()
        self.tell(f"standby in {self.place.region}: {champion}")
        self.bring_up(champion)

    def _model(self, champion: Champion) -> str:
        """As the rule's model, but for the artefact; the name tells of all that is in it."""
        sagemaker = self.client("sagemaker")
        like = sagemaker.describe_model(ModelName=self.outputs["StandbyModelName"])
        container = {key: like["PrimaryContainer"][key] for key in _CONTAINER}
        container["ModelDataUrl"] = f"s3://{self.outputs['StandbyModelsBucketName']}/{champion.key}"
        request = {key: like[key] for key in _MODEL} | {"PrimaryContainer": container}
        name = self._name(champion, request)
        self._made(f"model {name}", "create_model", ModelName=name, Tags=self._tags(), **request)
        return name

    def _config(self, model: str, champion: Champion) -> str:
        sagemaker = self.client("sagemaker")
        like = sagemaker.describe_endpoint_config(EndpointConfigName=self.outputs["StandbyConfigName"])
        variants = [
            {key: variant[key] for key in _VARIANT} | {"ModelName": model}
            for variant in like["ProductionVariants"]
        ]
        request = {key: like[key] for key in _CONFIG if key in like} | {"ProductionVariants": variants}
        name = self._name(champion, request)
        self._made(
            f"endpoint configuration {name}",
            "create_endpoint_config",
            EndpointConfigName=name,
            Tags=self._tags(),
            **request,
        )
        return name

    def _name(self, champion: Champion, request: Mapping[str, Any]) -> str:
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.names.prefix}-{champion.run_id}-s{digest}"

    def _made(self, what: str, operation: str, **request: Any) -> None:
        """The name stands for the content: what has it already is the same."""
        try:
            getattr(self.client("sagemaker"), operation)(**request)
        except ClientError as error:
            if "already existing" not in str(error):
                raise
        else:
            self.tell(f"made {what}")

    def _serve(self, config: str) -> bool:
        found = self._rested()
        if found is not None and found["EndpointStatus"] == "Failed":
            self.tell(f"endpoint {self.endpoint} had failed ({found.get('FailureReason')}): made anew")
            self._delete_endpoint()
            found = None
        if found is None:
            self.tell(f"makes endpoint {self.endpoint} on {config}: five to ten minutes on AWS")
            self.client("sagemaker").create_endpoint(
                EndpointName=self.endpoint, EndpointConfigName=config, Tags=self._tags()
            )
        elif found["EndpointConfigName"] != config:
            self.tell(f"moves endpoint {self.endpoint} to {config}; it answers meanwhile")
            self.client("sagemaker").update_endpoint(EndpointName=self.endpoint, EndpointConfigName=config)
        else:
            return False
        after = self._rested() or {}
        if after.get("EndpointStatus") != "InService" or after.get("EndpointConfigName") != config:
            raise StoppedError(
                f"endpoint {self.endpoint} is {after.get('EndpointStatus')} on "
                f"{after.get('EndpointConfigName')}: {after.get('FailureReason', 'no reason was given')}; "
                f"fix: see the log group /aws/sagemaker/Endpoints/{self.endpoint}, then {AGAIN}"
            )
        return True

    def _rested(self) -> Mapping[str, Any] | None:
        """The endpoint when nothing works on it any more; None: there is none."""
        for attempt in range(_POLLS):
            found = self.described()
            if found is None or found["EndpointStatus"] not in _MOVING:
                return found
            if attempt % 4 == 1:
                self.tell(f"  endpoint {self.endpoint} is {found['EndpointStatus']}")
            self.pause(_POLL_SECONDS)
        raise StoppedError(
            f"endpoint {self.endpoint} did not come to rest in {_POLLS * _POLL_SECONDS // 60} minutes; "
            f"{AGAIN}"
        )

    def described(self) -> Mapping[str, Any] | None:
        return endpoint(self.client("sagemaker"), self.endpoint)

    def _tags(self) -> list[dict[str, str]]:
        tags = {"project": PROJECT, "profile": self.names.profile, "stage": "standby"}
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    # -- and away with it

    def take_down(self) -> None:
        """The endpoint and what was made for it; what the stack has stays."""
        if self._rested() is not None:
            self._delete_endpoint()
        remove_made(self.client("sagemaker"), self.names, self.tell)

    def _delete_endpoint(self) -> None:
        self.tell(f"deletes endpoint {self.endpoint}")
        self.client("sagemaker").delete_endpoint(EndpointName=self.endpoint)
        self._rested()


def standing(
    place: Place, names: Names, tell: Callable[[str], None], pause: Callable[[float], None]
) -> Standby:
    """What is deployed in the Region of `place`; RefusedError where that is no second Region."""
    name = names.stack("standby")
    found = stacks.find(place, name)
    if found is None:
        raise RefusedError(
            f"{place.region} is not the second Region of {names.prefix}: there is no stack {name}; "
            "allowed: the Region of second_region in settings.py, deployed with make deploy; "
            "fix: --region, or REGION=... of make"
        )
    outputs = stacks.outputs(place, [found])
    if "StandbyOperatorRoleArn" not in outputs:
        raise RefusedError(f"{name} is {found.status}; allowed: a stack that is there; fix: make deploy")
    session = assumed(place, outputs["StandbyOperatorRoleArn"])
    return Standby(place=place, names=names, outputs=outputs, session=session, tell=tell, pause=pause)


def assumed(place: Place, role_arn: str) -> boto3.Session:
    given = place.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="standby")["Credentials"]
    return boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        region_name=place.region,
    )


def endpoint(sagemaker: Any, name: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":  # SageMaker's word for not found
            return None
        raise
    return found


def remove_made(sagemaker: Any, names: Names, tell: Callable[[str], None]) -> None:
    """Models and configurations that bring_up made; those of the stack are named by CloudFormation."""
    made = re.compile(rf"{re.escape(names.prefix)}-r\d{{8}}-[0-9a-f]{{8}}-s[0-9a-f]{{8}}")
    for listing, listed, field, operation in (
        ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName", "delete_endpoint_config"),
        ("list_models", "Models", "ModelName", "delete_model"),
    ):
        pages = sagemaker.get_paginator(listing).paginate(NameContains=f"{names.prefix}-")
        # Collected before anything is deleted: pages of a list that shrinks skip entries.
        for name in [entry[field] for page in pages for entry in page[listed]]:
            if made.fullmatch(name):
                getattr(sagemaker, operation)(**{field: name})
                tell(f"deleted {name}")


def take_away(
    place: Place, names: Names, tell: Callable[[str], None], pause: Callable[[float], None]
) -> None:
    """Before its stack goes: CloudFormation does not know what was made for a fail-over."""
    sagemaker, name = place.client("sagemaker"), f"{names.prefix}-endpoint"
    for _ in range(_POLLS):
        found = endpoint(sagemaker, name)
        if found is None:
            break
        if found["EndpointStatus"] not in _MOVING:
            tell(f"deletes endpoint {name} in {place.region}")
            sagemaker.delete_endpoint(EndpointName=name)
        else:
            pause(_POLL_SECONDS)
    else:
        raise StoppedError(f"endpoint {name} in {place.region} does not go; {AGAIN}")
    remove_made(sagemaker, names, tell)
