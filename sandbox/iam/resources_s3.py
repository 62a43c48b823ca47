"""S3: objects, versions, copies, batches, and what the request says about encryption."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from sandbox.account import ACCOUNT
from sandbox.iam import encryption
from sandbox.iam.parse import Parsed
from sandbox.iam.resource_table import S3_ACTIONS, S3_VERSIONED
from sandbox.iam.target import Target, Unmapped

_HEADERS = (
    "x-amz-acl", "x-amz-copy-source", "x-amz-metadata-directive", "x-amz-server-side-encryption",
    "x-amz-storage-class", "x-amz-website-redirect-location",
    "x-amz-object-ownership", "x-amz-content-sha256",
)  # fmt: skip
_KEY_HEADER = "x-amz-server-side-encryption-aws-kms-key-id"
_PARTS = {"UploadPart", "UploadPartCopy", "CompleteMultipartUpload"}


def targets(call: Parsed) -> list[Target]:
    params, operation = call.params, call.operation
    bucket = params.get("Bucket")
    if not bucket:
        if operation != "ListBuckets":
            raise Unmapped(f"s3 {operation} names no bucket")
        return [Target(action="s3:ListAllMyBuckets", resource="*")]
    context = _context(call, bucket)
    action = f"s3:{S3_ACTIONS.get(operation, operation)}"
    if operation == "DeleteObjects":
        return [_deleted(bucket, item, context) for item in params["Delete"].get("Objects", [])]
    key = params.get("Key")
    if key is None:
        return [Target(action=action, resource=f"arn:aws:s3:::{bucket}", context=context)]
    if params.get("VersionId") and action.removeprefix("s3:") in S3_VERSIONED:
        action = _versioned(action)
        context["s3:versionid"] = params["VersionId"]
    resource = f"arn:aws:s3:::{bucket}/{key}"
    found = [Target(action=action, resource=resource, context=context)]
    if params.get("CopySource"):
        found.append(_source(params["CopySource"], context))
    found += [Target(action=extra, resource=resource, context=context) for extra in _extras(call)]
    return found


def copy_source(source: str | dict[str, Any]) -> tuple[str, str, str | None]:
    """Bucket, key and version of a CopySource."""
    if isinstance(source, dict):
        return source["Bucket"], source["Key"], source.get("VersionId")
    path, _, version = source.partition("?versionId=")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    return bucket, key, version or None


def _source(source: str | dict[str, Any], context: dict[str, object]) -> Target:
    bucket, key, version = copy_source(source)
    own = {name: value for name, value in context.items() if not name.startswith("s3:x-amz-")}
    action = "s3:GetObjectVersion" if version else "s3:GetObject"
    return Target(action=action, resource=f"arn:aws:s3:::{bucket}/{key}", context=own)


def _deleted(bucket: str, item: dict[str, Any], context: dict[str, object]) -> Target:
    action = "s3:DeleteObjectVersion" if item.get("VersionId") else "s3:DeleteObject"
    return Target(action=action, resource=f"arn:aws:s3:::{bucket}/{item['Key']}", context=context, each=True)


def _versioned(action: str) -> str:
    if action.endswith("Object"):
        return f"{action}Version"
    return action.replace("Object", "ObjectVersion", 1)


def _extras(call: Parsed) -> list[str]:
    """Permissions that headers of a write ask for beside s3:PutObject."""
    if call.operation not in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        return ["s3:GetObjectAttributes"] if call.operation == "GetObjectAttributes" else []
    extras = {"x-amz-tagging": "s3:PutObjectTagging", "x-amz-object-lock-mode": "s3:PutObjectRetention"}
    found = [action for header, action in extras.items() if call.headers.get(header)]
    names = {name.lower() for name, _ in call.headers.items()}
    acl = any(name == "x-amz-acl" or name.startswith("x-amz-grant-") for name in names)
    return found + (["s3:PutObjectAcl"] if acl else [])


def _context(call: Parsed, bucket: str) -> dict[str, object]:
    context: dict[str, object] = {
        "s3:tlsversion": "1.3",
        "s3:signatureversion": "AWS4-HMAC-SHA256",
        "s3:authtype": "REST-HEADER" if call.headers.get("Authorization") else "REST-QUERY-STRING",
        "s3:resourceaccount": ACCOUNT,
    }
    if call.operation.startswith("ListObject"):
        context["s3:prefix"] = call.params.get("Prefix") or ""
        context["s3:delimiter"] = call.params.get("Delimiter") or ""
        if call.params.get("MaxKeys") is not None:
            context["s3:max-keys"] = str(call.params["MaxKeys"])
    for name in _HEADERS:
        if value := call.headers.get(name):
            context[f"s3:{name}"] = value
    if key := call.headers.get(_KEY_HEADER):
        context[f"s3:{_KEY_HEADER}"] = encryption.key_arn(key) or key
    if call.operation in _PARTS:
        context |= _upload_context(bucket, call.params.get("UploadId", ""))
    return context


def _upload_context(bucket: str, upload: str) -> dict[str, object]:
    """Parts carry no encryption headers: S3 judges them by those the upload was begun with."""
    algorithm, key = encryption.upload_headers(bucket, upload)
    found: dict[str, object] = {}
    if algorithm:
        found["s3:x-amz-server-side-encryption"] = algorithm
    if key:
        found[f"s3:{_KEY_HEADER}"] = key
    return found
