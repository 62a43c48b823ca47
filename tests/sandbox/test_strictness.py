"""The account refuses what AWS refuses: to delete a network in use, to deliver a log that a policy denies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import account
from tests.sandbox.iam_probe import allow, any_bucket, document


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with account.Account():
        yield


@pytest.fixture
def ec2() -> Any:
    return account.client("ec2")


def any_subnet(ec2: Any) -> tuple[str, str]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return vpc, ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]


def any_group(ec2: Any, vpc: str, name: str) -> str:
    return str(ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"])


def test_interface_holds_its_subnet_and_its_group(ec2: Any) -> None:
    vpc, subnet = any_subnet(ec2)
    group = any_group(ec2, vpc, "holder")
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    with pytest.raises(ClientError, match=r"DependencyViolation.*has dependencies and cannot be deleted"):
        ec2.delete_subnet(SubnetId=subnet)
    with pytest.raises(ClientError, match=r"DependencyViolation.*has a dependent object"):
        ec2.delete_security_group(GroupId=group)
    ec2.delete_network_interface(NetworkInterfaceId=made["NetworkInterfaceId"])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def test_group_that_another_names_stays_and_its_own_rules_do_not_hold_it(ec2: Any) -> None:
    vpc, _ = any_subnet(ec2)
    named, naming = any_group(ec2, vpc, "named"), any_group(ec2, vpc, "naming")
    for group in (named, naming):
        rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": named}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    with pytest.raises(ClientError, match="has a dependent object"):
        ec2.delete_security_group(GroupId=named)
    ec2.delete_security_group(GroupId=naming)
    ec2.delete_security_group(GroupId=named)


def test_access_log_arrives_as_long_as_the_log_bucket_s_policy_lets_it() -> None:
    s3 = account.client("s3")
    source, target = any_bucket(), any_bucket()
    resource = f"arn:aws:s3:::{target}/*"
    delivery = allow("s3:PutObject", resource, Principal={"Service": "logging.s3.amazonaws.com"})
    limited = delivery | {"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"}}}
    closed = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": resource}

    def logs_of_one_call() -> int:
        before = len(s3.list_objects_v2(Bucket=target).get("Contents", []))
        s3.list_objects_v2(Bucket=source)
        return len(s3.list_objects_v2(Bucket=target).get("Contents", [])) - before

    s3.put_bucket_policy(Bucket=target, Policy=document(limited))
    logging = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "from/"}}
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=logging)
    assert logs_of_one_call() == 1
    s3.put_bucket_policy(Bucket=target, Policy=document(limited, closed))
    assert logs_of_one_call() == 0
    elsewhere = json.loads(json.dumps(limited).replace(source, "another-bucket"))
    s3.put_bucket_policy(Bucket=target, Policy=document(elsewhere))
    assert logs_of_one_call() == 0


def test_policy_beyond_what_iam_takes_is_refused_and_white_space_does_not_count() -> None:
    iam = account.client("iam")
    actions = [f"sqs:{'x' * 90}{number:04}" for number in range(70)]
    large = json.dumps(json.loads(document(allow(actions))), indent=200)
    with pytest.raises(ClientError, match="Cannot exceed quota for PolicySize: 6144"):
        iam.create_policy(PolicyName="large", PolicyDocument=large)
    fits = json.dumps(json.loads(document(allow(actions[:50]))), indent=200)
    arn = iam.create_policy(PolicyName="fits", PolicyDocument=fits)["Policy"]["Arn"]
    with pytest.raises(ClientError, match="PolicySize"):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=large)


def test_eleventh_policy_of_a_role_is_refused_and_the_same_again_is_not() -> None:
    iam = account.client("iam")
    iam.create_role(RoleName="many", AssumeRolePolicyDocument=document())
    text = document(allow("sqs:SendMessage"))
    arns = [
        iam.create_policy(PolicyName=f"many-{number}", PolicyDocument=text)["Policy"]["Arn"]
        for number in range(11)
    ]
    for arn in (*arns[:10], arns[0]):
        iam.attach_role_policy(RoleName="many", PolicyArn=arn)
    with pytest.raises(ClientError, match="Cannot exceed quota for PoliciesPerRole: 10"):
        iam.attach_role_policy(RoleName="many", PolicyArn=arns[10])
