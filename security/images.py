"""The image of jobs and models: AWS's own XGBoost image, one account per Region, one version for all uses."""

from __future__ import annotations

from aws_cdk import Aws, CfnMapping
from constructs import Construct

from security.jobs import image_arn

REPOSITORY = "sagemaker-xgboost"
VERSION = "3.2-0"

# Of the partition aws, from the SageMaker Python SDK (image_uri_config/xgboost.json, version 3.2-0).
ACCOUNTS = {
    "af-south-1": "510948584623",
    "ap-east-1": "651117190479",
    "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "720646828776",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "341280168497",
    "ca-west-1": "190319476487",
    "eu-central-1": "492215442770",
    "eu-central-2": "680994064768",
    "eu-north-1": "662702820516",
    "eu-south-1": "978288397137",
    "eu-south-2": "104374241257",
    "eu-west-1": "141502667606",
    "eu-west-2": "764974769150",
    "eu-west-3": "659782779980",
    "il-central-1": "898809789911",
    "me-central-1": "272398656194",
    "me-south-1": "801668240914",
    "sa-east-1": "737474898029",
    "us-east-1": "683313688378",
    "us-east-2": "257758044811",
    "us-west-1": "746614075791",
    "us-west-2": "246618743249",
}


class Image(Construct):
    """
    uri             for jobs and models
    repository_arn  for the permission to pull it

    Each stack needs its own: a mapping cannot be read from another stack.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        # A mapping, so that one template serves every Region.
        accounts = CfnMapping(
            self, "Accounts", mapping={region: {"xgboost": account} for region, account in ACCOUNTS.items()}
        )
        account = accounts.find_in_map(Aws.REGION, "xgboost")
        self.uri = f"{account}.dkr.ecr.{Aws.REGION}.{Aws.URL_SUFFIX}/{REPOSITORY}:{VERSION}"
        self.repository_arn = image_arn(account, REPOSITORY)
