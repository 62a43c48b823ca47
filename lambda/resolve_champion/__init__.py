"""Custom resource of CloudFormation: which endpoint configuration a deployment gives to the endpoint."""
