"""A model in service: its container, started from model.tar.gz, and calls to it over one kept connection."""

from __future__ import annotations

import contextlib
import http.client
import io
import secrets
import shutil
import socket
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox import account, unpacked
from sandbox.engines import container, transfer, vpc
from sandbox.engines.backends import backend
from sandbox.engines.container import CONTAINERS, Container
from sandbox.engines.jobs import SERVICE
from sandbox.iam import identity

_HEALTHY_SECONDS = 60.0
_ANSWER_SECONDS = 60.0  # a model has 60 s to answer, as on AWS
_EXPANDED = 4 * 2**30


class HostingError(RuntimeError):
    """The model cannot be put into service; the message is the endpoint's FailureReason."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    content_type: str
    microseconds: float


class ModelServer:
    """One container of a model, and the place in the VPC that it keeps for as long as it serves."""

    def __init__(
        self,
        model_name: str,
        write: Callable[[list[str], Any], None],
        label: str,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.model = _model(model_name)
        self._variables = dict(variables or {})
        self.label = label
        self._write = write
        self._folder = account.workdir() / "models" / f"{label}-{secrets.token_hex(4)}"
        self._connections = threading.local()
        self._container: Container | None = None
        self._interfaces: tuple[str, ...] = ()
        self._port = 0
        role, arn = self.model.execution_role_arn, self.model.arn
        try:
            self.outside = identity.service_credentials(role, SERVICE, session="SageMaker", source_arn=arn)
            self.credentials = self._place(role, arn)
        except (identity.Denied, vpc.AttachmentError) as error:
            raise HostingError(str(error)) from error

    def _place(self, role: str, arn: str) -> Any:
        config = self.model.vpc_config or {}
        if not config.get("Subnets"):
            return self.outside
        network, self._interfaces = vpc.attach(
            self.outside,
            subnets=config["Subnets"],
            security_groups=config["SecurityGroupIds"],
            steps=vpc.SAGEMAKER,
            name=self.label,
        )
        return identity.service_credentials(
            role, SERVICE, session="SageMaker", source_arn=arn, network=network
        )

    def start(self) -> None:
        """Returns when the container answers its ping; HostingError if it does not."""
        root = self._folder / "opt" / "ml"
        definition = self.model.primary_container
        _unpack(self.credentials, definition.get("ModelDataUrl"), root / "model")
        given = {**(definition.get("Environment") or {}), **self._variables}
        for name in ("SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"):
            if not given.get(name):
                raise HostingError(f"the model's Environment has no {name}: the sandbox serves scripts only")
        variables = container.environment(
            root,
            credentials=self.credentials,
            isolated=bool(self.model.enable_network_isolation),
            given=given,
        )
        told = self._folder / "port"
        self._container = Container(
            [sys.executable, str(CONTAINERS / "model_server.py"), str(told)],
            variables,
            root,
            lambda lines: self._write(lines, self.outside),
            keep=100,
        )
        self._wait(told)

    def _wait(self, told: Path) -> None:
        assert self._container is not None  # noqa: S101 for the reader
        end = time.monotonic() + _HEALTHY_SECONDS
        while not told.exists():
            if self._container.wait(0.02) is not None or time.monotonic() > end:
                last = next((line for line in reversed(list(self._container.lines)) if line.strip()), "")
                raise HostingError(
                    f"The primary container for production variant {self.label} did not pass the ping health "
                    f"check. Please check CloudWatch logs for this endpoint. Its last line: {last[:300]}"
                )
        self._port = int(told.read_text())
        if self._call("GET", "/ping", b"", {}).status != 200:
            raise HostingError(f"the container of {self.label} answers its ping with an error")

    def invoke(self, body: bytes, headers: dict[str, str]) -> Answer:
        return self._call("POST", "/invocations", body, headers)

    def _call(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        began = time.perf_counter()
        for attempt in (1, 2):
            connection = self._connection()
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                content = response.read()
                break
            except (http.client.HTTPException, ConnectionError):
                connection.close()
                del self._connections.value
                if attempt == 2:  # the first may just have been a kept connection that went away
                    raise
        elapsed = (time.perf_counter() - began) * 1e6
        kind = response.headers.get("Content-Type", "application/octet-stream")
        return Answer(status=response.status, body=content, content_type=kind, microseconds=elapsed)

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._connections, "value", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_SECONDS)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.value = connection
        return connection

    @property
    def port(self) -> int:
        return self._port

    def stop(self) -> None:
        if self._container is not None:
            self._container.stop(0.2)
            self._container = None
        interfaces, self._interfaces = self._interfaces, ()
        with contextlib.suppress(Exception):
            vpc.detach(self.outside, interfaces, steps=vpc.SAGEMAKER)
        shutil.rmtree(self._folder, ignore_errors=True)


def _model(name: str) -> Any:
    model = backend("sagemaker")._models.get(name)
    if model is None:
        raise HostingError(f'Could not find model "{name}"')
    return model


def _unpack(credentials: Any, uri: str | None, folder: Path) -> None:
    folder.mkdir(parents=True)
    if not uri:
        raise HostingError("the model has no ModelDataUrl: the sandbox serves model.tar.gz")
    try:
        body = transfer.read_object(credentials.client("s3"), uri)
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            if sum(member.size for member in archive.getmembers()) > _EXPANDED:
                raise HostingError(f"{uri} unpacks to more than {_EXPANDED} bytes")
            unpacked.extract(archive, folder)
    except (transfer.TransferError, tarfile.TarError, ClientError) as error:
        raise HostingError(f"Failed to extract model data archive from {uri}: {error}") from error
