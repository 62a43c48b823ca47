"""Practice: data in transit is encrypted, TLS 1.2 or newer. See docs/security.md."""

from __future__ import annotations

from tests.conftest import Assembly
from tests.policies import resource_statements, text


def test_every_bucket_denies_plain_http_and_old_tls(assembly: Assembly) -> None:
    denials: dict[str, set[str]] = {}
    for policy in assembly.resources("AWS::S3::BucketPolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Deny" and statement["Action"] == "s3:*":
                for block in statement["Condition"].values():
                    denials.setdefault(text(policy["Bucket"]), set()).update(block)
    assert len(denials) == len(assembly.resources("AWS::S3::Bucket"))
    assert {frozenset(keys) for keys in denials.values()} == {
        frozenset({"aws:SecureTransport", "s3:TlsVersion"})
    }


def test_queues_and_topics_deny_plain_http(assembly: Assembly) -> None:
    for kind, resource in (
        ("AWS::SQS::QueuePolicy", "AWS::SQS::Queue"),
        ("AWS::SNS::TopicPolicy", "AWS::SNS::Topic"),
    ):
        denials = [
            statement
            for statement in resource_statements(assembly, kind)
            if not statement.allows and statement.conditions == {"Bool": {"aws:SecureTransport": "false"}}
        ]
        assert len(denials) == len(assembly.resources(resource)), kind


def test_interface_endpoints_answer_under_the_services_own_names(assembly: Assembly) -> None:
    """Else a client in the VPC would look for the public address, which has no route."""
    for name, endpoint in assembly.resources("AWS::EC2::VPCEndpoint").items():
        if endpoint["VpcEndpointType"] == "Interface":
            assert endpoint["PrivateDnsEnabled"] is True, name
