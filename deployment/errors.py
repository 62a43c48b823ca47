"""What can go wrong before or during a command, in words: what was got, what is allowed, how to mend it."""

from __future__ import annotations

from botocore import exceptions as aws

AGAIN = "run the command again, it goes on where it stopped"
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN = {
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_NONE = (aws.NoCredentialsError, aws.PartialCredentialsError, aws.ProfileNotFound, aws.NoAuthTokenError)
_SSO = (aws.SSOError, aws.TokenRetrievalError, aws.CredentialRetrievalError)
_FAR = (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ReadTimeoutError)


class StoppedError(RuntimeError):
    """The command could not be finished; the message says what to do."""


class RefusedError(StoppedError):
    """Nothing was changed, on purpose."""


def is_about_credentials(error: Exception) -> bool:
    """None, expired or unknown ones: nothing else can be asked with them."""
    code = error.response["Error"]["Code"] if isinstance(error, aws.ClientError) else ""
    return isinstance(error, (*_NONE, *_SSO)) or code in _EXPIRED | _UNKNOWN


def explained(error: Exception) -> str:
    """What an error of the SDK means to the person at the command."""
    code = error.response["Error"]["Code"] if isinstance(error, aws.ClientError) else ""
    if isinstance(error, _NONE):
        return (
            f"there are no AWS credentials ({error}); allowed: a profile, keys or a role that the AWS SDKs "
            "find; fix: export AWS_PROFILE=... or sign in"
        )
    if isinstance(error, _SSO) or code in _EXPIRED:
        return f"the AWS credentials have expired ({error}); fix: sign in again, then {AGAIN}"
    if code in _UNKNOWN:
        return f"AWS does not know these credentials ({error}); fix: export AWS_PROFILE=... or sign in again"
    if code in _DENIED:
        return (
            f"the caller may not do that ({error}); allowed: an administrator of the account, "
            f"as for deploying; fix: use such a role, then {AGAIN}"
        )
    if isinstance(error, aws.NoRegionError):
        return "there is no Region; fix: export AWS_REGION=... as it was for deploying"
    if isinstance(error, _FAR):
        return (
            f"AWS does not answer ({error}); "
            f"fix: check the network, AWS_REGION and AWS_ENDPOINT_URL, then {AGAIN}"
        )
    return f"{error}; {AGAIN} when it is mended"
