"""Roles that AWS's services make for themselves, and that the templates count on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from botocore.exceptions import ClientError

from deployment.assembly import Wanted
from deployment.place import Place

_ROLE = re.compile(r"role/aws-service-role/([a-z0-9.-]+\.amazonaws\.com)/(AWSServiceRole\w+)")


def missing(place: Place, wanted: Sequence[Wanted]) -> Iterator[str]:
    """Each with what makes it. Not refused: CloudFormation's role may make it with the resource."""
    text = "".join(_joined(json.dumps(stack.template)) for stack in wanted)
    for service, role in sorted(set(_ROLE.findall(text))):
        try:
            place.client("iam").get_role(RoleName=role)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise
            yield (
                f"the service-linked role {role} is not there yet: AWS makes it with the stack that "
                "needs it. Should that be refused, make it and come again: "
                f"aws iam create-service-linked-role --aws-service-name {service}"
            )


def _joined(text: str) -> str:
    """Parts of an Fn::Join that follow each other as texts, read as one."""
    return re.sub(r'", "', "", text)
