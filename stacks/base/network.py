"""Network: no way in, no way out but to the AWS services that are called, each through an endpoint with a
policy.
"""

from __future__ import annotations

from aws_cdk import Aws, CfnMapping
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from security.endpoints import asset_bucket, buckets_of, only_ours
from security.jobs import ContainerNetwork, ContainerPolicy, JobNetwork
from security.logs import LogKeeping
from security.network import flow_logs, nothing, security_group, to_list
from security.regions import prefix_lists
from security.roles import arn
from settings import Settings


class Network(Construct):
    """
    Security groups, by who wears them: `functions` (Lambda), `jobs` (Glue), `training` (training and
    processing), `serving` (model containers), `endpoints` (the interface endpoints themselves).

    The VPC's default security group is worn by nothing: docs/decisions/0005-default-security-group.md.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, logs: LogKeeping) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(settings.base.cidr),
            max_azs=settings.base.zones,
            create_internet_gateway=False,
            nat_gateways=0,
            restrict_default_security_group=False,  # needs a custom resource
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24
                )
            ],
        )
        self.subnets = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        flow_logs(self, self.vpc, logs)
        self._security_groups()
        self.s3 = self._gateway("S3", ec2.GatewayVpcEndpointAwsService.S3, self._s3_policy())
        self.dynamodb = self._gateway(
            "DynamoDb", ec2.GatewayVpcEndpointAwsService.DYNAMODB, self._dynamodb_policy()
        )
        if not settings.is_paused:
            self._interfaces()
        self.for_training = self._place_containers("RunningTraining", self.training)
        self.for_serving = self._place_containers("RunningServing", self.serving)

    def place(self, group: ec2.ISecurityGroup) -> JobNetwork:
        """Where a Glue job runs, wearing `group`."""
        return JobNetwork(vpc=self.vpc, subnet_ids=self.subnet_ids, security_group=group)

    def _place_containers(self, construct_id: str, group: ec2.ISecurityGroup) -> ContainerNetwork:
        return ContainerNetwork(
            vpc=self.vpc,
            subnet_ids=self.subnet_ids,
            security_group=group,
            running=ContainerPolicy(
                self, construct_id, vpc=self.vpc, subnet_ids=self.subnet_ids, group=group
            ),
        )

    @property
    def subnet_ids(self) -> list[str]:
        return [subnet.subnet_id for subnet in self.vpc.isolated_subnets]

    def _security_groups(self) -> None:
        lists = CfnMapping(self, "PrefixLists", mapping=prefix_lists())
        to_s3 = to_list(lists.find_in_map(Aws.REGION, "s3"), "S3 through its gateway")
        to_dynamodb = to_list(lists.find_in_map(Aws.REGION, "dynamodb"), "DynamoDB through its gateway")
        self.endpoints = self._group("Endpoints", "Interface endpoints: AWS services", [nothing()])
        to_endpoints = ec2.CfnSecurityGroup.EgressProperty(
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            destination_security_group_id=self.endpoints.security_group_id,
            description="Interface endpoints",
        )
        self.functions = self._group("Functions", "Lambda functions", [to_endpoints, to_s3, to_dynamodb])
        self.jobs = self._group("Jobs", "Glue jobs", [to_endpoints, to_s3])
        self.training = self._group("Training", "SageMaker training and processing jobs", [to_s3])
        self.serving = self._group("Serving", "SageMaker model containers", [to_s3])
        for group in (self.functions, self.jobs):
            self.endpoints.add_ingress_rule(group, ec2.Port.tcp(443), "AWS APIs")
        # Spark's driver and executors talk to each other on ports they choose; Glue refuses a group without
        # this.
        self.jobs.add_ingress_rule(self.jobs, ec2.Port.all_tcp(), "Spark, among the nodes of a job")
        ec2.CfnSecurityGroupEgress(
            self,
            "JobsAmongThemselves",
            group_id=self.jobs.security_group_id,
            destination_security_group_id=self.jobs.security_group_id,
            ip_protocol="tcp",
            from_port=0,
            to_port=65535,
            description="Spark, among the nodes of a job",
        )

    def _group(
        self, construct_id: str, description: str, egress: list[ec2.CfnSecurityGroup.EgressProperty]
    ) -> ec2.SecurityGroup:
        return security_group(self, construct_id, vpc=self.vpc, description=description, egress=egress)

    def _gateway(
        self, construct_id: str, service: ec2.IGatewayVpcEndpointService, policy: list[iam.PolicyStatement]
    ) -> ec2.GatewayVpcEndpoint:
        endpoint = ec2.GatewayVpcEndpoint(
            self, construct_id, vpc=self.vpc, service=service, subnets=[self.subnets]
        )
        for statement in policy:
            endpoint.add_to_policy(statement)
        return endpoint

    def _s3_policy(self) -> list[iam.PolicyStatement]:
        reading = ["s3:GetObject", "s3:ListBucket"]
        changing = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"]
        return [
            only_ours([*reading, *changing], buckets_of(self._settings.stack_name("data"))),
            only_ours(reading, asset_bucket()),
        ]

    def _dynamodb_policy(self) -> list[iam.PolicyStatement]:
        """plan_run asks the ledger; the state machines write it, from outside."""
        tables = arn("dynamodb", f"table/{self._settings.stack_name('operations')}-*")
        return [only_ours(["dynamodb:GetItem"], [tables])]

    def _interfaces(self) -> None:
        """One per service that something in the VPC calls; each is paid per zone and hour."""
        service = ec2.InterfaceVpcEndpointAwsService
        prefix, database = self._settings.prefix, self._settings.database
        # ingest_records, ingest_file: the keys that make tokens; rotate_token_keys renews them.
        self._interface(
            "SecretsManager",
            service.SECRETS_MANAGER,
            only_ours(
                [f"secretsmanager:{action}" for action in SECRET_ACTIONS], [arn("secretsmanager", "secret:*")]
            ),
        )
        # plan_run, publish_partitions: the catalogue.
        catalogue = [arn("glue", part) for part in ("catalog", f"database/{database}", f"table/{database}/*")]
        self._interface(
            "Glue", service.GLUE, only_ours([f"glue:{action}" for action in CATALOGUE_ACTIONS], catalogue)
        )
        # redrive_records: the stream.
        self._interface(
            "Kinesis",
            service.KINESIS_STREAMS,
            only_ours(
                ["kinesis:PutRecords"], [arn("kinesis", f"stream/{self._settings.stack_name('data')}-*")]
            ),
        )
        # plan_run: which model is the champion.
        self._interface(
            "Parameters", service.SSM, only_ours(["ssm:GetParameter"], [arn("ssm", f"parameter/{prefix}/*")])
        )
        # Glue jobs write their logs from inside the VPC (functions and SageMaker do not).
        self._interface(
            "Logs",
            service.CLOUDWATCH_LOGS,
            only_ours(
                [f"logs:{action}" for action in LOG_ACTIONS], [arn("logs", f"log-group:/aws/*/{prefix}-*")]
            ),
        )

        if self._settings.feature_store is not None:
            # put_features: what can be looked up.
            groups = arn("sagemaker", f"feature-group/{prefix}-*")
            self._interface(
                "FeatureStore",
                service.SAGEMAKER_FEATURESTORE_RUNTIME,
                only_ours(["sagemaker:PutRecord"], [groups]),
            )

    def _interface(
        self, construct_id: str, service: ec2.IInterfaceVpcEndpointService, policy: iam.PolicyStatement
    ) -> None:
        endpoint = ec2.InterfaceVpcEndpoint(
            self,
            construct_id,
            vpc=self.vpc,
            service=service,
            open=False,
            security_groups=[self.endpoints],
            subnets=self.subnets,
        )
        endpoint.add_to_policy(policy)


LOG_ACTIONS = ("AssociateKmsKey", "CreateLogGroup", "CreateLogStream", "PutLogEvents")
SECRET_ACTIONS = ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
CATALOGUE_ACTIONS = ("BatchCreatePartition", "BatchUpdatePartition", "GetPartitions", "GetTable")
