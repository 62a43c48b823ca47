"""Which resources an operation asks for, where the parameters do not spell it out by themselves; data only.

service -> ARN of the resource without its first five parts -> operations. `{A.B}` is a parameter, `{A[].B}`
all of a list, `{A|default}` one with a default, ` + ` separates resources that are all asked for. A parameter
that is itself an ARN stands for the whole resource. The first line that the parameters can fill is taken.
"""

_DATABASE = "catalog + database/{DatabaseName}"
_PARTITIONS = (
    "GetPartition GetPartitions BatchGetPartition CreatePartition BatchCreatePartition"
    " UpdatePartition BatchUpdatePartition DeletePartition BatchDeletePartition GetTableVersion"
    " GetTableVersions DeleteTableVersion BatchDeleteTableVersion CreatePartitionIndex"
    " DeletePartitionIndex GetPartitionIndexes GetColumnStatisticsForTable"
    " UpdateColumnStatisticsForTable GetColumnStatisticsForPartition"
    " UpdateColumnStatisticsForPartition"
)

TABLE: dict[str, dict[str, str]] = {
    "athena": {
        "workgroup/{WorkGroup|primary}": (
            "StartQueryExecution CreateNamedQuery ListNamedQueries ListQueryExecutions"
            " GetWorkGroup DeleteWorkGroup UpdateWorkGroup CreatePreparedStatement"
            " GetPreparedStatement"
        ),
        "workgroup/{Name}": "CreateWorkGroup",
        "datacatalog/{CatalogName}": "GetDatabase GetTableMetadata ListDatabases ListTableMetadata",
        "datacatalog/{Name}": "CreateDataCatalog GetDataCatalog DeleteDataCatalog UpdateDataCatalog",
    },
    "cloudformation": {
        "stack/{StackName}/*": (
            "CreateStack UpdateStack DeleteStack DescribeStacks DescribeStackEvents"
            " DescribeStackResource DescribeStackResources ListStackResources GetTemplate"
            " GetTemplateSummary CreateChangeSet DescribeChangeSet ExecuteChangeSet"
            " DeleteChangeSet ListChangeSets UpdateTerminationProtection CancelUpdateStack"
            " ContinueUpdateRollback RollbackStack GetStackPolicy SetStackPolicy DetectStackDrift"
            " DescribeEvents DescribeStackResourceDrifts"
        ),
        "*": "DescribeStacks GetTemplateSummary DescribeEvents DescribeChangeSet ExecuteChangeSet",
    },
    "cloudwatch": {
        "alarm:{AlarmName}": "PutMetricAlarm PutCompositeAlarm SetAlarmState",
        "alarm:{AlarmNames[]}": "DeleteAlarms DescribeAlarms EnableAlarmActions DisableAlarmActions",
        "alarm:*": "DescribeAlarms",
    },
    "dynamodb": {
        "table/{TableName}/index/{IndexName}": "Query Scan",
        "table/{TableName}": (
            "GetItem PutItem UpdateItem DeleteItem Query Scan CreateTable DeleteTable"
            " DescribeTable UpdateTable DescribeTimeToLive UpdateTimeToLive"
            " DescribeContinuousBackups UpdateContinuousBackups"
            " DescribeKinesisStreamingDestination EnableKinesisStreamingDestination"
        ),
        "{ResourceArn}": "PutResourcePolicy GetResourcePolicy DeleteResourcePolicy ListTagsOfResource",
    },
    "ecr": {"repository/{repositoryName}": "*"},
    "events": {
        "event-bus/{Name}": "CreateEventBus DeleteEventBus DescribeEventBus",
        "event-bus/{EventBusName|default}": "PutPermission RemovePermission ListRules",
        "archive/{ArchiveName}": "CreateArchive DeleteArchive DescribeArchive UpdateArchive",
    },
    "firehose": {"deliverystream/{DeliveryStreamName}": "*"},
    "glue": {
        "job/{JobName}": (
            "StartJobRun GetJobRun GetJobRuns GetJob BatchStopJobRun DeleteJob UpdateJob"
            " GetJobBookmark ResetJobBookmark"
        ),
        "job/{Name}": "CreateJob",
        "job/{JobNames[]}": "BatchGetJobs",
        "catalog + database/{Name}": "GetDatabase UpdateDatabase",
        "catalog + database/{Name} + table/{Name}/* + userDefinedFunction/{Name}/*": "DeleteDatabase",
        "catalog + database/{DatabaseInput.Name}": "CreateDatabase",
        "catalog + database/*": "GetDatabases",
        f"{_DATABASE} + table/{{DatabaseName}}/{{Name}}": "GetTable DeleteTable",
        f"{_DATABASE} + table/{{DatabaseName}}/{{TableInput.Name}}": "CreateTable UpdateTable",
        f"{_DATABASE} + table/{{DatabaseName}}/*": "GetTables",
        f"{_DATABASE} + table/{{DatabaseName}}/{{TablesToDelete[]}}": "BatchDeleteTable",
        f"{_DATABASE} + table/{{DatabaseName}}/{{TableName}}": _PARTITIONS,
        "catalog + connection/{Name}": "GetConnection UpdateConnection",
        "catalog + connection/{ConnectionName}": "DeleteConnection",
        "catalog + connection/{ConnectionInput.Name}": "CreateConnection",
        "catalog": "GetDataCatalogEncryptionSettings PutDataCatalogEncryptionSettings",
        "catalog + connection/*": "GetConnections",
        "crawler/{Name}": "CreateCrawler GetCrawler StartCrawler StopCrawler UpdateCrawler DeleteCrawler",
        "trigger/{Name}": "CreateTrigger GetTrigger StartTrigger StopTrigger UpdateTrigger DeleteTrigger",
        "workflow/{Name}": "CreateWorkflow GetWorkflow UpdateWorkflow DeleteWorkflow StartWorkflowRun",
    },
    "kinesis": {"stream/{StreamName}": "*", "{StreamARN}": "*", "{ConsumerARN}": "*"},
    "lambda": {
        "event-source-mapping:{UUID}": (
            "GetEventSourceMapping UpdateEventSourceMapping DeleteEventSourceMapping"
        ),
        "layer:{LayerName}": "PublishLayerVersion ListLayerVersions",
        "layer:{LayerName}:{VersionNumber}": "GetLayerVersion DeleteLayerVersion",
    },
    "logs": {
        "log-group:{logGroupName}:log-stream:{logStreamName}": (
            "CreateLogStream DeleteLogStream PutLogEvents GetLogEvents"
        ),
        "log-group:{logGroupName}:log-stream:": (
            "CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy"
            " AssociateKmsKey DisassociateKmsKey DescribeLogStreams FilterLogEvents StartQuery"
            " PutMetricFilter DeleteMetricFilter DescribeMetricFilters PutSubscriptionFilter"
            " DeleteSubscriptionFilter DescribeSubscriptionFilters PutDataProtectionPolicy"
            " ListTagsLogGroup TagLogGroup UntagLogGroup GetLogGroupFields"
        ),
        "log-group::log-stream:": "DescribeLogGroups DescribeMetricFilters",
    },
    "sagemaker": {
        "endpoint/{EndpointName} + endpoint-config/{EndpointConfigName}": "CreateEndpoint UpdateEndpoint",
        "endpoint/{EndpointName}": (
            "DescribeEndpoint DeleteEndpoint UpdateEndpointWeightsAndCapacities InvokeEndpoint"
            " InvokeEndpointAsync InvokeEndpointWithResponseStream"
        ),
        "endpoint-config/{EndpointConfigName}": (
            "CreateEndpointConfig DescribeEndpointConfig DeleteEndpointConfig"
        ),
        "model/{ModelName}": "CreateModel DescribeModel DeleteModel",
        "training-job/{TrainingJobName}": (
            "CreateTrainingJob DescribeTrainingJob StopTrainingJob UpdateTrainingJob DeleteTrainingJob"
        ),
        "processing-job/{ProcessingJobName}": "CreateProcessingJob DescribeProcessingJob StopProcessingJob",
        "transform-job/{TransformJobName}": "CreateTransformJob DescribeTransformJob StopTransformJob",
        "hyper-parameter-tuning-job/{HyperParameterTuningJobName}": (
            "CreateHyperParameterTuningJob DescribeHyperParameterTuningJob"
            " StopHyperParameterTuningJob ListTrainingJobsForHyperParameterTuningJob"
        ),
        "model-package-group/{ModelPackageGroupName}": (
            "CreateModelPackageGroup DescribeModelPackageGroup DeleteModelPackageGroup"
            " CreateModelPackage GetModelPackageGroupPolicy PutModelPackageGroupPolicy"
            " DeleteModelPackageGroupPolicy ListModelPackages"
        ),
        "model-package/{ModelPackageName}": "CreateModelPackage DescribeModelPackage DeleteModelPackage",
        "{ModelPackageArn}": "UpdateModelPackage",
        "feature-group/{FeatureGroupName}": (
            "CreateFeatureGroup DescribeFeatureGroup UpdateFeatureGroup DeleteFeatureGroup"
            " PutRecord GetRecord DeleteRecord"
        ),
        "feature-group/{Identifiers[].FeatureGroupName}": "BatchGetRecord",
        "{ResourceArn}": "AddTags ListTags DeleteTags",
    },
    "scheduler": {
        "schedule/{GroupName|default}/{Name}": "CreateSchedule GetSchedule UpdateSchedule DeleteSchedule",
        "schedule-group/{Name}": "CreateScheduleGroup GetScheduleGroup DeleteScheduleGroup",
    },
    "sns": {
        "{TopicArn}": "*",
        "{TargetArn}": "Publish",
        "{Name}": "CreateTopic",
        "{ResourceArn}": "TagResource UntagResource ListTagsForResource",
    },
    "states": {
        "stateMachine:{name}": "CreateStateMachine",
        "activity:{name}": "CreateActivity",
        "{stateMachineArn}": "*",
        "{executionArn}": "*",
        "{activityArn}": "*",
        "{resourceArn}": "TagResource UntagResource ListTagsForResource",
        "{stateMachineAliasArn}": "*",
        "{stateMachineVersionArn}": "*",
    },
    "sts": {"{RoleArn}": "AssumeRole"},
}

# IAM's name of the permission where it is not the operation's.
ACTIONS = {
    "lambda:Invoke": "InvokeFunction",
    "lambda:InvokeAsync": "InvokeFunction",
    "lambda:InvokeWithResponseStream": "InvokeFunction",
    "sqs:SendMessageBatch": "SendMessage",
    "sqs:DeleteMessageBatch": "DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "sns:PublishBatch": "Publish",
    "sagemaker:InvokeEndpointWithResponseStream": "InvokeEndpoint",
}

# AWS answers these to anybody who has credentials; not even a deny takes them away.
ALWAYS = {"sts:GetCallerIdentity", "sts:GetSessionToken"}

# Names that SageMaker puts into ARNs in lower case.
LOWER_CASE = {"sagemaker"}
# Resources whose ARN carries no Region.
NO_REGION = {("cloudwatch", "dashboard"), ("iam", "")}

S3_ACTIONS = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteObjects": "DeleteObject",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBucketIntelligentTieringConfigurations": "GetIntelligentTieringConfiguration",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "ListBucketMetricsConfigurations": "GetMetricsConfiguration",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketMetricsConfiguration": "PutMetricsConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "SelectObjectContent": "GetObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
# With a version id the permission is another one.
S3_VERSIONED = {
    "DeleteObject", "DeleteObjectTagging", "GetObject", "GetObjectAcl", "GetObjectAttributes",
    "GetObjectTagging", "PutObjectAcl", "PutObjectTagging",
}  # fmt: skip
