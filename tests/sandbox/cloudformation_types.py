"""One resource of every type that the sandbox deploys, twice: as it is created, and as it is updated."""

from __future__ import annotations

from typing import Any

Resources = dict[str, dict[str, Any]]

ZIP = "def handler(event, context):\n    return 1\n"


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str = "Arn") -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def trust(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def policy(action: str, resource: Any = "*", **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def tags(value: str) -> list[dict[str, str]]:
    return [{"Key": "stage", "Value": value}]


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def key_policy() -> dict[str, Any]:
    own = {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}
    logs = policy("kms:*", Principal={"Service": "logs.us-east-1.amazonaws.com"})["Statement"]
    trail = policy("kms:*", Principal={"Service": "cloudtrail.amazonaws.com"})["Statement"]
    return {
        "Version": "2012-10-17",
        "Statement": [*policy("kms:*", Principal={"AWS": own})["Statement"], *logs, *trail],
    }


def security(second: bool) -> Resources:
    """Keys, roles, policies, secrets."""
    role = {
        "AssumeRolePolicyDocument": trust("lambda.amazonaws.com"),
        "Description": "b" if second else "a",
        "MaxSessionDuration": 7200 if second else 3600,
        "Policies": [
            {"PolicyName": "own", "PolicyDocument": policy("sqs:SendMessage" if second else "sqs:*")}
        ],
        "Tags": tags("b" if second else "a"),
    }
    if second:
        role["PermissionsBoundary"] = ref("Managed")
    else:
        role["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    generate = {"SecretStringTemplate": '{"user": "u"}', "GenerateStringKey": "word", "PasswordLength": 20}
    return {
        "Key": resource(
            "KMS::Key",
            KeyPolicy=key_policy(),
            EnableKeyRotation=not second,
            Description="b" if second else "a",
            PendingWindowInDays=7,
            Tags=tags("b" if second else "a"),
        ),
        "KeyAlias": resource("KMS::Alias", AliasName="alias/typed", TargetKeyId=ref("Key")),
        "Role": resource("IAM::Role", **role),
        "Inline": resource(
            "IAM::Policy",
            PolicyName="inline",
            Roles=[ref("Role")],
            PolicyDocument=policy("s3:GetObject" if second else "s3:*"),
        ),
        "RolePolicy": resource(
            "IAM::RolePolicy",
            PolicyName="apart",
            RoleName=ref("Role"),
            PolicyDocument=policy("sns:Publish" if second else "sns:*"),
        ),
        "Managed": resource(
            "IAM::ManagedPolicy", PolicyDocument=policy("s3:GetObject" if second else "s3:*"), Description="d"
        ),
        "Issuer": resource(
            "IAM::OIDCProvider",
            Url="https://token.example.com",
            ClientIdList=["b", "c"] if second else ["a", "b"],
            Tags=tags("b" if second else "a"),
        ),
        "Secret": resource(
            "SecretsManager::Secret",
            GenerateSecretString=generate,
            KmsKeyId=att("Key"),
            Description="b" if second else "a",
            Tags=tags("b" if second else "a"),
        ),
        "SecretPolicy": resource(
            "SecretsManager::ResourcePolicy",
            SecretId=ref("Secret"),
            ResourcePolicy=policy("secretsmanager:GetSecretValue", Principal={"AWS": att("Role")}),
            BlockPublicPolicy=not second,
        ),
        "Value": resource("SSM::Parameter", Type="String", Value="b" if second else "a", Tags={"stage": "s"}),
        "Note": resource("CDK::Metadata", Analytics="v2:deflate64:x" if second else "v2:deflate64:y"),
    }


def storage(second: bool) -> Resources:
    """Buckets, log groups, the trail, tables, the image repository."""
    write = policy(
        "s3:PutObject", {"Fn::Sub": "${Bucket.Arn}/*"}, Principal={"Service": "cloudtrail.amazonaws.com"}
    )
    check = policy("s3:GetBucketAcl", att("Bucket"), Principal={"Service": "cloudtrail.amazonaws.com"})
    rule = {"Id": "old", "Status": "Enabled", "ExpirationInDays": 30 if second else 20}
    rule |= {"NoncurrentVersionExpiration": {"NoncurrentDays": 5, "NewerNoncurrentVersions": 2}}
    rule |= {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}, "Prefix": "a/"}
    rule |= {"Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 5}]}
    sse = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": att("Key")}
    bucket: dict[str, Any] = {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": sse, "BucketKeyEnabled": True}
            ]
        },
        "LifecycleConfiguration": {"Rules": [rule]},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "BlockPublicPolicy": True},
        "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
        "Tags": tags("b" if second else "a"),
    }
    if not second:
        bucket["VersioningConfiguration"] = {"Status": "Enabled"}
    return {
        "Key": resource("KMS::Key", KeyPolicy=key_policy()),
        "Bucket": resource("S3::Bucket", **bucket),
        "BucketPolicy": resource(
            "S3::BucketPolicy",
            Bucket=ref("Bucket"),
            PolicyDocument={"Version": "2012-10-17", "Statement": [*write["Statement"], *check["Statement"]]},
        ),
        "Group": resource(
            "Logs::LogGroup",
            RetentionInDays=7 if second else 1,
            **({} if second else {"KmsKeyId": att("Key")}),
            Tags=tags("b" if second else "a"),
        ),
        "LogStream": resource("Logs::LogStream", LogGroupName=ref("Group"), LogStreamName="s"),
        "LogPolicy": resource(
            "Logs::ResourcePolicy",
            PolicyName="deliver",
            PolicyDocument={"Fn::Sub": '{"Version": "2012-10-17", "Statement": []}'},
        ),
        "Filter": resource(
            "Logs::MetricFilter",
            LogGroupName=ref("Group"),
            FilterPattern="ERROR" if second else "WARN",
            MetricTransformations=[{"MetricName": "m", "MetricNamespace": "n", "MetricValue": "1"}],
        ),
        "Trail": {
            **resource(
                "CloudTrail::Trail",
                S3BucketName=ref("Bucket"),
                IsLogging=not second,
                IsMultiRegionTrail=True,
                EnableLogFileValidation=True,
                EventSelectors=[{"ReadWriteType": "All" if second else "WriteOnly"}],
                Tags=tags("b" if second else "a"),
            ),
            "DependsOn": "BucketPolicy",
        },
        "Ledger": resource(
            "DynamoDB::Table",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            SSESpecification={"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": att("Key")},
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": not second},
            TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True},
            DeletionProtectionEnabled=not second,
            Tags=tags("b" if second else "a"),
        ),
        "Images": resource(
            "ECR::Repository",
            ImageScanningConfiguration={"ScanOnPush": second},
            ImageTagMutability="IMMUTABLE",
            EmptyOnDelete=True,
            Tags=tags("b" if second else "a"),
        ),
    }


def network(second: bool) -> Resources:
    """The VPC and what stands in it."""
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    return {
        "Vpc": resource(
            "EC2::VPC",
            CidrBlock="10.0.0.0/16",
            EnableDnsSupport=True,
            EnableDnsHostnames=second,
            Tags=tags("b" if second else "a"),
        ),
        "Subnet": resource(
            "EC2::Subnet",
            VpcId=ref("Vpc"),
            CidrBlock={"Fn::Select": [0, {"Fn::Cidr": [att("Vpc", "CidrBlock"), 2, 8]}]},
            AvailabilityZone={"Fn::Select": [0, {"Fn::GetAZs": ""}]},
            MapPublicIpOnLaunch=second,
            Tags=tags("b" if second else "a"),
        ),
        "Routes": resource("EC2::RouteTable", VpcId=ref("Vpc"), Tags=tags("b" if second else "a")),
        "Leads": resource(
            "EC2::SubnetRouteTableAssociation", SubnetId=ref("Subnet"), RouteTableId=ref("Routes")
        ),
        "Door": resource(
            "EC2::SecurityGroup",
            GroupDescription="d",
            VpcId=ref("Vpc"),
            SecurityGroupEgress=[{**https, "CidrIp": "10.0.0.0/8" if second else "10.0.0.0/16"}],
            Tags=tags("b" if second else "a"),
        ),
        "In": resource(
            "EC2::SecurityGroupIngress",
            GroupId=att("Door", "GroupId"),
            SourceSecurityGroupId=att("Door", "GroupId"),
            Description="b" if second else "a",
            **https,
        ),
        "Out": resource(
            "EC2::SecurityGroupEgress",
            GroupId=att("Door", "GroupId"),
            DestinationPrefixListId="pl-63a5400a",
            **https,
        ),
        "Gateway": resource(
            "EC2::VPCEndpoint",
            VpcId=ref("Vpc"),
            ServiceName={"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"},
            VpcEndpointType="Gateway",
            RouteTableIds=[ref("Routes")],
            PolicyDocument=policy("s3:GetObject" if second else "s3:*", Principal="*"),
        ),
        "Interface": resource(
            "EC2::VPCEndpoint",
            VpcId=ref("Vpc"),
            ServiceName={"Fn::Sub": "com.amazonaws.${AWS::Region}.glue"},
            VpcEndpointType="Interface",
            SubnetIds=[ref("Subnet")],
            SecurityGroupIds=[att("Door", "GroupId")],
            PrivateDnsEnabled=True,
            PolicyDocument=policy("glue:GetTable" if second else "glue:*", Principal="*"),
            Tags=tags("b" if second else "a"),
        ),
        "FlowGroup": resource("Logs::LogGroup"),
        "FlowRole": resource("IAM::Role", AssumeRolePolicyDocument=trust("vpc-flow-logs.amazonaws.com")),
        "Flow": resource(
            "EC2::FlowLog",
            ResourceType="VPC",
            ResourceId=ref("Vpc"),
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=ref("FlowGroup"),
            DeliverLogsPermissionArn=att("FlowRole"),
            Tags=tags("b" if second else "a"),
        ),
    }


def functions(second: bool) -> Resources:
    """Functions, queues, topics, streams."""
    destination = {
        "BucketARN": att("Bucket"),
        "RoleARN": att("FirehoseRole"),
        "BufferingHints": {"IntervalInSeconds": 60 if second else 120, "SizeInMBs": 5},
        "CompressionFormat": "GZIP",
        "Prefix": "raw/",
        "ErrorOutputPrefix": "errors/",
    }
    source = {"KinesisStreamARN": att("Stream"), "RoleARN": att("FirehoseRole")}
    config = {"ReservedConcurrentExecutions": 2} if second else {"KmsKeyArn": att("Key")}
    return {
        "Key": resource("KMS::Key", KeyPolicy=key_policy()),
        "Bucket": resource("S3::Bucket"),
        "FirehoseRole": resource(
            "IAM::Role",
            AssumeRolePolicyDocument=trust("firehose.amazonaws.com"),
            Policies=[{"PolicyName": "p", "PolicyDocument": policy("*")}],
        ),
        "Role": resource(
            "IAM::Role",
            AssumeRolePolicyDocument=trust("lambda.amazonaws.com"),
            Policies=[{"PolicyName": "p", "PolicyDocument": policy("*")}],
        ),
        "LogGroup": resource("Logs::LogGroup"),
        "Rotated": resource("SecretsManager::Secret", SecretString="a"),
        "RotationPermission": resource(
            "Lambda::Permission",
            FunctionName=ref("Function"),
            Action="lambda:InvokeFunction",
            Principal="secretsmanager.amazonaws.com",
            SourceArn=ref("Rotated"),
        ),
        "Rotation": {
            **resource(
                "SecretsManager::RotationSchedule",
                SecretId=ref("Rotated"),
                RotationLambdaARN=att("Function"),
                RotationRules={"AutomaticallyAfterDays": 60 if second else 30},
                RotateImmediatelyOnUpdate=False,
            ),
            "DependsOn": "RotationPermission",
        },
        "Dead": resource("SQS::Queue", MessageRetentionPeriod=1209600, KmsMasterKeyId=ref("Key")),
        "Queue": resource(
            "SQS::Queue",
            VisibilityTimeout=60 if second else 30,
            RedrivePolicy={"deadLetterTargetArn": att("Dead"), "maxReceiveCount": 3},
            Tags=tags("b" if second else "a"),
        ),
        "QueuePolicy": resource(
            "SQS::QueuePolicy",
            Queues=[ref("Queue")],
            PolicyDocument=policy(
                "sqs:SendMessage" if second else "sqs:*", Principal={"Service": "sns.amazonaws.com"}
            ),
        ),
        "Topic": resource(
            "SNS::Topic",
            DisplayName="b" if second else "a",
            KmsMasterKeyId=ref("Key"),
            Tags=tags("b" if second else "a"),
        ),
        "Other": resource("SNS::Topic"),
        "TopicPolicy": resource(
            "SNS::TopicPolicy",
            Topics=[ref("Topic")],
            PolicyDocument=policy("sns:Publish", ref("Topic"), Principal={"Service": "events.amazonaws.com"}),
        ),
        "TopicInlinePolicy": resource(
            "SNS::TopicInlinePolicy",
            TopicArn=ref("Other"),
            PolicyDocument=policy("sns:Publish", ref("Other"), Principal={"Service": "events.amazonaws.com"}),
        ),
        "Subscription": resource(
            "SNS::Subscription",
            TopicArn=ref("Topic"),
            Protocol="sqs",
            Endpoint=att("Queue"),
            RawMessageDelivery=second,
        ),
        "Stream": resource(
            "Kinesis::Stream",
            ShardCount=2 if second else 1,
            RetentionPeriodHours=48 if second else 24,
            StreamEncryption={"EncryptionType": "KMS", "KeyId": ref("Key")},
            Tags=tags("b" if second else "a"),
        ),
        "Delivery": resource(
            "KinesisFirehose::DeliveryStream",
            DeliveryStreamType="KinesisStreamAsSource",
            KinesisStreamSourceConfiguration=source,
            ExtendedS3DestinationConfiguration=destination,
            Tags=tags("b" if second else "a"),
        ),
        "Function": resource(
            "Lambda::Function",
            Runtime="python3.14",
            Handler="index.handler",
            Role=att("Role"),
            Code={"ZipFile": ZIP + ("# changed\n" if second else "")},
            Timeout=20 if second else 10,
            MemorySize=256,
            Environment={"Variables": {"WORD": "b" if second else "a"}},
            DeadLetterConfig={"TargetArn": att("Dead")},
            LoggingConfig={"LogGroup": ref("LogGroup"), "LogFormat": "JSON"},
            TracingConfig={"Mode": "Active"},
            Tags=tags("b" if second else "a"),
            **config,
        ),
        "Permission": resource(
            "Lambda::Permission",
            FunctionName=att("Function"),
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceAccount=ref("AWS::AccountId"),
        ),
        "Invoke": resource(
            "Lambda::EventInvokeConfig",
            FunctionName=ref("Function"),
            Qualifier="$LATEST",
            MaximumRetryAttempts=1 if second else 0,
            DestinationConfig={"OnFailure": {"Destination": att("Dead")}},
        ),
        "Mapping": resource(
            "Lambda::EventSourceMapping",
            FunctionName=ref("Function"),
            EventSourceArn=att("Queue"),
            BatchSize=5 if second else 1,
        ),
        "Version": resource("Lambda::Version", FunctionName=ref("Function"), Description="v"),
        "Alias": resource(
            "Lambda::Alias",
            FunctionName=ref("Function"),
            FunctionVersion=att("Version", "Version"),
            Name="live",
            Description="b" if second else "a",
        ),
    }
