"""Connections of the server of models: a client that sends too slowly is dropped."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 30.0
"""How long a client may take to send a request, from its first byte, or from the connection, to its last."""

LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class TimedProtocol(H11Protocol):
    """HTTP as uvicorn speaks it, with a time limit for each request; without one, a slow client stays."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time of the first request."""
        super().connection_made(transport)
        self.limit = self.loop.call_later(REQUEST_SECONDS, self._drop)

    def data_received(self, data: bytes) -> None:
        """Start the time of a further request with its first byte, and end it with the last one."""
        if self.limit is None:
            self.limit = self.loop.call_later(REQUEST_SECONDS, self._drop)
        super().data_received(data)
        # Not `self.cycle`: until the whole head has come, it is that of the request before.
        if self.conn.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            self._end_limit()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_limit()
        super().connection_lost(exc)

    def _end_limit(self) -> None:
        if self.limit is not None:
            self.limit.cancel()
            self.limit = None

    def _drop(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(LATE)
            self.transport.close()
