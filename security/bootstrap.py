"""The roles that `cdk bootstrap` made in an account and Region, and that whoever deploys takes on.

https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
"""

from __future__ import annotations

from security.roles import ACCOUNT, REGION, ROLE_ARN

# To look up, to upload code, to deploy. No image is built here, so the role for images is left out.
LOOKUP = "lookup"
DEPLOYING = (LOOKUP, "file-publishing", "deploy")
QUALIFIER = "hnb659fds"  # what `cdk bootstrap` takes without being told


def role_arn(qualifier: str, word: str, region: str = REGION) -> str:
    return f"{ROLE_ARN}/cdk-{qualifier}-{word}-role-{ACCOUNT}-{region}"
