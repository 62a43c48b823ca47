"""Empties a bucket to the last version, and keeps others from filling it again meanwhile.

The buckets' policies leave listing and deleting to identity policies (0007-ways-to-a-bucket.md), so whoever
administers the account may empty them as they are: no door is opened, one more is closed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deployment.errors import AGAIN, StoppedError
from deployment.place import Place

CLOSED = "ClosedForDeletion"
# Counting asks for a thousand versions at a time: a summary need not read a whole archive.
_COUNTED_PAGES = 50
_TOLD_PAGES = 10


@dataclass(frozen=True, kw_only=True)
class Content:
    objects: int
    versions: int  # of which `objects` are current; delete markers too
    size: int  # bytes
    uploads: int  # multipart, never completed
    is_complete: bool = True  # False: there is at least this

    def __str__(self) -> str:
        if not (self.versions or self.uploads):
            return "empty"
        parts = [counted(self.objects, "object"), counted(self.versions, "version"), readable(self.size)]
        if self.uploads:
            parts.append(counted(self.uploads, "unfinished upload"))
        return ("" if self.is_complete else "at least ") + ", ".join(parts)


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def readable(size: int) -> str:
    number = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def content(place: Place, bucket: str) -> Content:
    s3 = place.client("s3")
    objects = versions = size = 0
    is_complete = True
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    for number, page in enumerate(pages):
        if number == _COUNTED_PAGES:
            is_complete = False
            break
        found = page.get("Versions", [])
        objects += sum(version["IsLatest"] for version in found)
        size += sum(version["Size"] for version in found)
        versions += len(found) + len(page.get("DeleteMarkers", []))
    uploads = len(s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []))
    return Content(objects=objects, versions=versions, size=size, uploads=uploads, is_complete=is_complete)


def lock(place: Place, bucket: str) -> str | None:
    """How long the bucket locks every new object against deletion, if it does."""
    try:
        found = place.client("s3").get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ObjectLockConfigurationNotFoundError", "NoSuchBucket"):
            return None
        raise
    retention = found.get("Rule", {}).get("DefaultRetention")
    if retention is None:
        return None
    length = f"{retention['Days']} days" if retention.get("Days") else f"{retention['Years']} years"
    return f"{retention['Mode'].lower()}, {length}"


def exists(place: Place, bucket: str) -> bool:
    try:
        place.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise
    return True


def close(place: Place, bucket: str) -> None:
    """Deny writing to everybody, services too: access logs, trail files and deliveries come hours late.

    Switching access logging off would take effect within the hour, a policy does within seconds. The policy
    goes with the stack.
    """
    policy = _policy(place, bucket)
    if not _has_closing(policy):
        closing = closed(policy, bucket, place.partition)
        place.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(closing))


def is_closed(place: Place, bucket: str) -> bool:
    """Whether its deletion was begun."""
    return _has_closing(_policy(place, bucket))


def reopen(place: Place, bucket: str) -> None:
    """Takes the denial of `close` back; the policy is then as the template has it."""
    s3, policy = place.client("s3"), _policy(place, bucket)
    kept = [statement for statement in policy["Statement"] if statement.get("Sid") != CLOSED]
    if kept:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**policy, "Statement": kept}))
    else:
        s3.delete_bucket_policy(Bucket=bucket)


def _policy(place: Place, bucket: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(place.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        return {"Version": "2012-10-17", "Statement": []}
    return found


def _has_closing(policy: Mapping[str, Any]) -> bool:
    return any(statement.get("Sid") == CLOSED for statement in policy["Statement"])


def closed(policy: Mapping[str, Any], bucket: str, partition: str) -> dict[str, Any]:
    statement = {
        "Sid": CLOSED,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",  # covers multipart uploads too
        "Resource": f"arn:{partition}:s3:::{bucket}/*",
    }
    return {**policy, "Statement": [*policy["Statement"], statement]}


def empty(place: Place, bucket: str, tell: Callable[[str], None]) -> int:
    """How many versions, delete markers and uploads were deleted.

    Always the first page again, which is what is left: an interrupted deletion goes on, and none is skipped.
    """
    s3, deleted, page = place.client("s3"), 0, 0
    while True:
        listed = s3.list_object_versions(Bucket=bucket)
        found = [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]
        if not found:
            break
        _delete(place, bucket, found)
        deleted, page = deleted + len(found), page + 1
        if page % _TOLD_PAGES == 0:
            tell(f"    {bucket}: {deleted:,} versions deleted so far")
    while uploads := s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        for upload in uploads:
            _abort(place, bucket, upload)
        deleted += len(uploads)
    return deleted


def _delete(place: Place, bucket: str, found: list[dict[str, Any]]) -> None:
    objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
    answer = place.client("s3").delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    if errors := answer.get("Errors", []):
        first = errors[0]
        raise StoppedError(
            f"{len(errors)} of {len(objects)} objects of {bucket} could not be deleted, the first "
            f"{first['Key']!r}: {first['Code']} {first.get('Message', '')}; allowed: s3:DeleteObjectVersion "
            f"on objects without a lock or hold; fix: use a role that may, or end the hold, then {AGAIN}"
        )


def _abort(place: Place, bucket: str, upload: Mapping[str, Any]) -> None:
    try:
        place.client("s3").abort_multipart_upload(
            Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
        )
    except ClientError as error:  # it was completed or given up between the list and now
        if error.response["Error"]["Code"] != "NoSuchUpload":
            raise
