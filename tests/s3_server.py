"""A server of S3 on this machine (moto's), behind a proxy that injects faults."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest

PACKAGES = Path(sys.prefix) / "s3"
"""Where `make s3-server` installs the server."""

needs_s3 = pytest.mark.skipif(not PACKAGES.is_dir(), reason="needs `make s3-server`")

Fault = Literal["busy", "cut", "silent", "wrong key"]

WRONG_KEY = (
    b"<Error><Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist in "
    b"our records.</Message></Error>"
)
BUSY = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server, but for those that a fault befalls.

    fault: from a request's method and path to what goes wrong; requests: method and path of each so far;
    page: keys of a page of a listing.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.server = port
        self.fault: Callable[[str, str], Fault | None] = lambda _method, _path: None
        self.requests: list[tuple[str, str]] = []
        self.page = 1000

    @property
    def endpoint(self) -> str:
        """Return the address at which clients reach the proxy."""
        return f"http://127.0.0.1:{self.server_port}"

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Send a request to the server itself and return its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server)
        connection.request(method, path, body, {"Authorization": "AWS test:test"})
        response = connection.getresponse()
        assert response.status < 300, (method, path, response.status)
        return response.read()


class Handler(BaseHTTPRequestHandler):
    """One connection to the proxy."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        """Pass a request on, or let a fault befall it."""
        body = self._body()
        self.server.requests.append((self.command, self.path))
        match self.server.fault(self.command, self.path):
            case "silent":
                time.sleep(3)
                self.close_connection = True
            case "busy":
                self._answer(503, BUSY)
            case "wrong key":
                self._answer(403, WRONG_KEY)
            case fault:
                self._pass_on(body, cut=fault == "cut")

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET

    def _body(self) -> bytes:
        """Return the body of the request, whose length stands before it or before each chunk."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        del self.headers["Transfer-Encoding"]
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _pass_on(self, body: bytes, *, cut: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server)
        page = f"&max-keys={self.server.page}" if "list-type=2" in self.path else ""
        connection.request(self.command, self.path + page, body, dict(self.headers.items()))
        response = connection.getresponse()
        content = response.read()
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = cut

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def s3_server() -> Iterator[Proxy]:
    """Start a server of S3 and its proxy."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", f"import moto.server; moto.server.main(['-p', '{port}'])"]
    environment = os.environ | {"PYTHONPATH": str(PACKAGES)}
    quiet = subprocess.DEVNULL
    with (
        subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as process,
        Proxy(port) as proxy,
    ):
        try:
            for _ in range(600):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.1)
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            yield proxy
            proxy.shutdown()
        finally:
            process.terminate()


CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAOFTHETESTS",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
    "AWS_REGION": "us-east-1",
}
