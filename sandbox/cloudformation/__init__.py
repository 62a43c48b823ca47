"""CloudFormation as AWS does it, deploying through the public APIs of the account: strict, never silent."""
