"""Clients of the server that send too slowly, or too much."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from rabbithole.serving import connection
from rabbithole.serving.guard import REST_BYTES, Guard, Limits

LIMIT = 1000


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve an application behind the guard, with half a second for a request."""
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.5)
    limits = Limits(body_bytes=LIMIT, requests_per_second=None, sessions=1)
    application = Guard(PlainTextResponse("fine"), limits)
    config = uvicorn.Config(
        application, port=0, log_level="error", http=connection.TimedProtocol, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


LINE, LENGTH = b"POST / HTTP/1.1\r\nhost: x\r\n", b"content-length: 900\r\n\r\n"


WHOLE = LINE + b"content-type: application/json\r\ncontent-length: 2\r\n\r\n[]"


@pytest.mark.parametrize("begin", [LINE, LINE + LENGTH])
def test_a_client_that_drips_its_second_request_is_dropped(begin: bytes, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
        slow.sendall(WHOLE)
        assert slow.recv(1000).endswith(b"fine")
        slow.sendall(begin)
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("begin", [b"", LINE, LINE + LENGTH])
def test_a_client_that_drips_is_dropped_and_holds_up_nobody(begin: bytes, port: int) -> None:
    other = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with closing(other), socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
        slow.sendall(begin)
        for _ in range(2):
            # The second request comes on the same connection, after the time of the first.
            other.request("POST", "/", b"[]", {"Content-Type": "application/json"})
            assert other.getresponse().read() == b"fine"
            time.sleep(0.6)
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}])
def test_a_client_that_sends_too_much_sees_the_answer(headers: dict[str, str], port: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.request("POST", "/", b" " * (REST_BYTES // 2), headers)
        assert client.getresponse().status == 413


def test_a_client_that_asks_first_sends_no_body(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")
