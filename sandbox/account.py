"""One emulated AWS account in this process, on the loopback interface, that no real credential can reach."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config

from sandbox import regions

ACCOUNT = "123456789012"
REGION = regions.HOME
DEFAULT_PORT = 5700
# Twenty characters, because moto reads keys by their length; a real one starts with AKIA or ASIA.
ROOT_ACCESS_KEY = "SANDBOXROOT000000000"
ROOT_SECRET = "no-secret"  # noqa: S105 the account is loopback only and its signatures are not checked

_LOOPBACK = re.compile(r"https?://(([a-z0-9.-]+\.)?localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/.*)?$", re.I)
_REAL_KEY = re.compile(r"(AKIA|ASIA)[A-Z0-9]{12,}$")
_CREDENTIAL_SOURCES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
# Read by moto when it is imported, so it has to stand before the first import of moto.
_MOTO_SETTINGS = {
    "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "1",
    "MOTO_EVENTS_INVOKE_HTTP": "false",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
}
os.environ.update(_MOTO_SETTINGS)

_running: Account | None = None
_installed = False
_client_lock = threading.Lock()


class AccountError(RuntimeError):
    """The account cannot start here; the message says what to change."""


class HasKeys(Protocol):
    """What a client needs to sign: sandbox.iam.identity.Credentials is one."""

    access_key: str
    secret_key: str
    token: str | None


def port() -> int:
    """The port of the account of this process, else the one that the environment names."""
    return _running.port if _running else int(os.environ.get("SANDBOX_PORT", DEFAULT_PORT))


def endpoint() -> str:
    """Address of the account; `localhost`, because 127.0.0.1 in an S3 URL is read as the bucket `127`."""
    return f"http://localhost:{port()}"


def runs_here() -> bool:
    """Whether the account is in this process."""
    return _running is not None


def workdir() -> Path:
    """Folder of the running account for whatever an engine has to put on disk; gone when it stops."""
    if _running is None:
        raise AccountError("no account runs in this process: start one with sandbox.account.Account()")
    return _running.workdir


def client(service: str, credentials: HasKeys | None = None) -> Any:
    """A boto3 client of this account, in the current Region: root, or the holder of the credentials."""
    keys = (credentials.access_key, credentials.secret_key, credentials.token) if credentials else None
    with _client_lock:  # a botocore session is not safe to share between threads while it makes clients
        return _client(
            service, endpoint(), keys or (ROOT_ACCESS_KEY, ROOT_SECRET, None), _region_of(credentials)
        )


def _region_of(credentials: HasKeys | None) -> str:
    """Of those who hold the keys, if they belong to one; else where the calling code works."""
    return getattr(credentials, "region", None) or regions.current()


@cache
def session() -> boto3.Session:
    """The one session of this process, so that API models are read once."""
    return boto3.Session(region_name=REGION)


@cache
def _client(service: str, url: str, keys: tuple[str, str, str | None], region: str) -> Any:
    access_key, secret_key, token = keys
    return session().client(
        service,
        region_name=region,
        endpoint_url=url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token,
        config=Config(
            retries={"total_max_attempts": 1},  # nothing here heals by waiting: show the first error
            s3={"addressing_style": "path"},
            inject_host_prefix=False,
            proxies={},
            read_timeout=900,
            max_pool_connections=50,
        ),
    )


def environment(credentials: HasKeys | None = None) -> dict[str, str]:
    """Variables that point any AWS SDK or CLI in a subprocess at this account, and nowhere else."""
    keys = {
        "AWS_ACCESS_KEY_ID": credentials.access_key if credentials else ROOT_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key if credentials else ROOT_SECRET,
    }
    if credentials and credentials.token:
        keys["AWS_SESSION_TOKEN"] = credentials.token
    return keys | {
        "AWS_REGION": _region_of(credentials),
        "AWS_DEFAULT_REGION": _region_of(credentials),
        "AWS_ENDPOINT_URL": endpoint(),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
    }


def refuse_real_credentials(variables: Mapping[str, str]) -> None:
    """Raise if anything in these variables could lead a call to a real account."""
    for name in _CREDENTIAL_SOURCES:
        if variables.get(name):
            raise AccountError(
                f"{name} is set: the sandbox starts without real credentials only; fix: unset it"
            )
    key = variables.get("AWS_ACCESS_KEY_ID", "")
    if _REAL_KEY.match(key):
        raise AccountError(
            f"AWS_ACCESS_KEY_ID looks like a real key ({key[:4]}...); allowed: unset, or {ROOT_ACCESS_KEY}"
        )
    for name, value in variables.items():
        if name.startswith("AWS_ENDPOINT_URL") and value and not _LOOPBACK.match(value):
            raise AccountError(
                f"{name} is {value}; allowed: a loopback address such as http://localhost:5700"
            )


class Account:
    """The account while it runs; a context manager. Port 0 takes a free one."""

    def __init__(self, port: int = 0, workdir: Path | None = None, enforce: bool = True) -> None:
        self.port = port
        self.enforce = enforce
        self._given_workdir = workdir
        self.workdir = Path()
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> Account:
        global _running
        if _running is not None:
            raise AccountError(f"an account already runs in this process, at {endpoint()}: stop it first")
        refuse_real_credentials(os.environ)
        self._server = _bind(self.port)
        self.port = self._server.server_port
        self.workdir = Path(self._given_workdir or tempfile.mkdtemp(prefix="sandbox-")).resolve()
        self.workdir.mkdir(parents=True, exist_ok=True)
        os.environ["MOTO_PORT"] = str(self.port)  # moto's own calls between services
        _running = self
        try:
            _install()
            _reset(enforce=self.enforce)
        except BaseException:
            self.stop()
            raise
        self._thread = threading.Thread(target=self._server.serve_forever, name="sandbox-server", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        global _running
        if _running is not self:
            return
        if self._thread:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        with contextlib.suppress(ImportError):
            _reset(enforce=self.enforce)
        _client.cache_clear()
        if self._given_workdir is None:
            shutil.rmtree(self.workdir, ignore_errors=True)
        _running = None

    def __enter__(self) -> Account:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _bind(wanted: int) -> Any:
    from sandbox import front

    try:
        return front.server(wanted)
    except (OSError, SystemExit) as cause:  # werkzeug exits when a port is taken
        busy = isinstance(cause, SystemExit) or cause.errno == errno.EADDRINUSE
        if not busy:
            raise
        raise AccountError(
            f"port {wanted} is taken on 127.0.0.1: stop what listens there (an older sandbox?) or give --port"
        ) from None


def _install() -> None:
    """Patch moto and start the engines' plumbing, once per process."""
    global _installed
    if _installed:
        return
    from moto.core.config import default_user_config

    from sandbox import parts, selftest

    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    default_user_config["lambda"] = {"use_docker": False}
    default_user_config["batch"] = {"use_docker": False}
    default_user_config["iam"] = {"load_aws_managed_policies": True}
    selftest.run()
    parts.install()
    _installed = True


def _reset(*, enforce: bool) -> None:
    from moto.core.base_backend import BackendDict
    from moto.core.model_instances import reset_model_data

    from sandbox import front, parts

    parts.reset()
    BackendDict.reset()
    reset_model_data()
    front.reset()
    parts.seed()
    parts.enforce(enforce)
