"""What moto lets pass and AWS does not: networks in use are deleted, logs arrive that a policy refuses,
policies and roles grow beyond their quotas."""

from __future__ import annotations

from typing import Any

from sandbox import selftest
from sandbox.iam import identity

_IAM = "moto.iam.models:IAMBackend"
_SUBNET = "moto.ec2.models.subnets:SubnetBackend.delete_subnet"
_GROUP = "moto.ec2.models.security_groups:SecurityGroupBackend.delete_security_group"
POLICY_SIZE, ATTACHED_TO_A_ROLE = 6_144, 10
_LOG = "moto.s3.models:S3Backend.log_incoming_request"


def install() -> None:
    from moto.ec2.models.security_groups import SecurityGroupBackend
    from moto.ec2.models.subnets import SubnetBackend
    from moto.iam.models import IAMBackend
    from moto.s3.models import S3Backend

    delete_subnet, delete_group = SubnetBackend.delete_subnet, SecurityGroupBackend.delete_security_group
    deliver = S3Backend.log_incoming_request

    def subnet(self: Any, subnet_id: str) -> Any:
        if any(interface.subnet.id == subnet_id for interface in self.enis.values()):
            raise _in_use(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
        return delete_subnet(self, subnet_id)

    def group(self: Any, name: str | None = None, group_id: str | None = None) -> None:
        if group_id and (_has_interface(self, group_id) or _is_named(self, group_id)):
            raise _in_use(f"resource {group_id} has a dependent object")
        delete_group(self, name, group_id)

    def log(self: Any, request: Any, bucket_name: str) -> None:
        if _takes_log(self, bucket_name):
            deliver(self, request, bucket_name)

    _hold_quotas(IAMBackend)
    SubnetBackend.delete_subnet = subnet
    SecurityGroupBackend.delete_security_group = group
    S3Backend.log_incoming_request = log


def _hold_quotas(backend: Any) -> None:
    """IAM's: white space does not count, and the number of policies is that of an account that asked for
    none.
    """
    create, create_version, attach = (
        backend.create_policy,
        backend.create_policy_version,
        backend.attach_role_policy,
    )

    def policy(
        self: Any, description: str, path: str, policy_document: str, policy_name: str, tags: Any
    ) -> Any:
        _check_size(policy_document)
        return create(self, description, path, policy_document, policy_name, tags)

    def version(self: Any, policy_arn: str, policy_document: str, set_as_default: bool) -> Any:
        _check_size(policy_document)
        return create_version(self, policy_arn, policy_document, set_as_default)

    def to_role(self: Any, policy_arn: str, role_name: str) -> None:
        if len(self.get_role(role_name).managed_policies.keys() - {policy_arn}) >= ATTACHED_TO_A_ROLE:
            raise _beyond_quota("PoliciesPerRole", ATTACHED_TO_A_ROLE)
        attach(self, policy_arn, role_name)

    backend.create_policy = policy
    backend.create_policy_version = version
    backend.attach_role_policy = to_role


def _check_size(document: str) -> None:
    if len("".join(document.split())) > POLICY_SIZE:
        raise _beyond_quota("PolicySize", POLICY_SIZE)


def _beyond_quota(name: str, quota: int) -> Exception:
    from moto.iam.exceptions import LimitExceededException

    return LimitExceededException(f"Cannot exceed quota for {name}: {quota}")


def self_test() -> None:
    selftest.check(_SUBNET, "self", "subnet_id")
    selftest.check(_GROUP, "self", "name", "group_id")
    selftest.check(_LOG, "self", "request", "bucket_name")
    selftest.check("moto.s3.models:FakeBucket._log_permissions_enabled_acl", "target_bucket")
    selftest.check("moto.ec2.exceptions:DependencyViolationError")
    policy = ("policy_document", "policy_name", "tags")
    selftest.check(f"{_IAM}.create_policy", "self", "description", "path", *policy)
    version = ("policy_arn", "policy_document", "set_as_default")
    selftest.check(f"{_IAM}.create_policy_version", "self", *version)
    selftest.check(f"{_IAM}.attach_role_policy", "self", "policy_arn", "role_name")
    selftest.check("moto.iam.exceptions:LimitExceededException")


def _in_use(message: str) -> Exception:
    from moto.ec2.exceptions import DependencyViolationError

    return DependencyViolationError(message)


def _has_interface(state: Any, group_id: str) -> bool:
    return any(group.id == group_id for interface in state.enis.values() for group in interface.group_set)


def _is_named(state: Any, group_id: str) -> bool:
    """Whether a rule of another group names it; its own rules go with it."""
    others = [group for groups in state.groups.values() for group in groups.values() if group.id != group_id]
    rules = (rule for group in others for rule in (*group.ingress_rules, *group.egress_rules))
    return any(rule.source_group.get("GroupId") == group_id for rule in rules)


def _takes_log(state: Any, bucket_name: str) -> bool:
    """The log bucket's policy decides, at each delivery: S3 gives up a log that is refused."""
    bucket = state.buckets.get(bucket_name)
    target = state.buckets.get(bucket.logging.get("TargetBucket")) if bucket and bucket.logging else None
    if target is None:
        return False
    if not target.policy:
        return bool(target._log_permissions_enabled_acl(target))
    return identity.service_may(
        "logging.s3.amazonaws.com",
        "s3:PutObject",
        f"{target.arn}/{bucket.logging.get('TargetPrefix', '')}log",
        source_arn=bucket.arn,
    )
