"""The server of a model's container: the handlers of inference.py behind GET /ping and POST /invocations.

Standard library only. Contract of the SageMaker toolkits: model_fn(model_dir), then input_fn, predict_fn and
output_fn, or transform_fn alone; text types arrive as str; what a handler raises is a 500; a handler may
answer with (body, content type) or with a response object of its own (status_code, mimetype, get_data()).
"""

import importlib.util
import json
import os
import socket
import socketserver
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_TEXT = ("application/json", "text/csv")
_DEFAULT_ACCEPT = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")


def load():
    """The module of the handlers and a function (body, content type, accept) -> answer."""
    folder = Path(os.environ["SAGEMAKER_SUBMIT_DIRECTORY"])
    program = os.environ["SAGEMAKER_PROGRAM"]
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(Path(program).stem, folder / program)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    parts = [name for name in ("input_fn", "predict_fn", "output_fn") if hasattr(module, name)]
    if not hasattr(module, "model_fn"):
        raise NotImplementedError(f"{program} has no model_fn")
    model = module.model_fn(os.path.join(os.environ["ML_ROOT"], "model"))  # noqa: PTH118 handlers expect a str
    if hasattr(module, "transform_fn"):
        if parts:
            raise ValueError(f"{program} has transform_fn and {parts[0]}: a toolkit takes one or the other")
        return lambda body, kind, accept: module.transform_fn(model, body, kind, accept)
    if len(parts) < 3:
        raise NotImplementedError(f"{program} must have input_fn, predict_fn and output_fn; it has {parts}")

    def transform(body, kind, accept):
        return module.output_fn(module.predict_fn(module.input_fn(body, kind), model), accept)

    return transform


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # headers and body in one packet
    transform = None

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *_):
        """Silent: what the handlers print is the log."""

    def do_GET(self):
        self.answer(200 if self.path == "/ping" else 404, b"", "text/plain")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/invocations":
            self.answer(404, b"", "text/plain")
            return
        kind = self.headers.get("Content-Type")
        accept = self.headers.get("Accept")
        if not accept or "*/*" in accept:
            accept = _DEFAULT_ACCEPT
        try:
            text = body.decode("utf-8") if kind in _TEXT else body
            found = type(self).transform(text, kind, accept)
        except Exception as error:
            traceback.print_exc()
            message = json.dumps({"error": f"{type(error).__name__}: {error}"})
            self.answer(500, message.encode(), "application/json")
            return
        if hasattr(found, "get_data") and hasattr(found, "status_code"):
            self.answer(found.status_code, found.get_data(), found.mimetype)
            return
        content, kind = found if isinstance(found, tuple) else (found, accept)
        self.answer(200, content.encode() if isinstance(content, str) else bytes(content), kind)

    def answer(self, status, content, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def version_string(self):
        return "sandbox"

    def date_time_string(self, timestamp=None):
        return _date if timestamp is None else super().date_time_string(timestamp)


_date = "Thu, 01 Jan 1970 00:00:00 GMT"  # formatting the real one would cost more than a prediction's parsing


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # the one of HTTPServer looks up the name of the address
        self.server_name, self.server_port = self.server_address[:2]


def die_with(parent):
    """A sandbox that was killed cannot stop its servers; nobody else would."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main():
    """Binds, loads the model, listens, and only then tells its port in a file."""
    threading.Thread(target=die_with, args=(os.getppid(),), daemon=True).start()
    server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.server_bind()
    Handler.transform = staticmethod(load())
    server.server_activate()
    told = Path(sys.argv[1])
    told.with_suffix(".part").write_text(str(server.server_port))
    told.with_suffix(".part").rename(told)
    server.serve_forever(poll_interval=60)


if __name__ == "__main__":
    main()
