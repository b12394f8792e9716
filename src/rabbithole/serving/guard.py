"""Guards a server of models: refuses requests before they are read, and counts events for its metrics."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fastapi.responses import JSONResponse
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector
from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REST_BYTES = 2**25
"""How much of a body over the limit is read before the answer."""


@dataclass(frozen=True)
class Limits:
    """body_bytes: of a request; requests_per_second: from all clients, None: unlimited; sessions: held."""

    body_bytes: int
    requests_per_second: float | None
    sessions: int


class Guard:
    """Refuses bodies that are too large or no JSON, and more requests than the rate allows."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        rate = limits.requests_per_second
        self.tokens, self.last = rate or 0.0, time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 413, 415, 422 or 429."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        allowed, headers = self._allowed(), Headers(scope=scope)
        body = await self._body(receive, headers)
        if not allowed:
            await JSONResponse({"detail": "Too many requests."}, 429)(scope, receive, send)
            return
        if body is None:
            detail = f"The body is over {self.limits.body_bytes:,} bytes."
            await JSONResponse({"detail": detail}, 413)(scope, receive, send)
            return
        try:
            # Python's own parser takes what can't be written again: half a character, a thousand brackets.
            from_json(body)
        except ValueError as error:
            problem = {"type": "json_invalid", "loc": ["body"], "msg": str(error)}
            await JSONResponse({"detail": [problem]}, 422)(scope, receive, send)
            return
        if not _is_json(headers.get("content-type", "")):
            detail = "The body must be JSON: send the header `Content-Type: application/json`."
            await JSONResponse({"detail": detail}, 415)(scope, receive, send)
            return

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)

    async def _body(self, receive: Receive, headers: Headers) -> bytes | None:
        """Return the body, None if it is too large.

        The rest of one that is too large is read and dropped, up to `REST_BYTES`: a client that still sends
        as its connection ends sees no answer. One that waits for our consent to send sends nothing.
        """
        length = headers.get("content-length", "")
        if "expect" in headers and length.isdecimal() and int(length) > self.limits.body_bytes:
            return None
        body, size, more = b"", 0, True
        while more and size <= self.limits.body_bytes + REST_BYTES:
            message = await receive()
            part = message.get("body", b"")
            more, size = message.get("more_body", False), size + len(part)
            body = body + part if size <= self.limits.body_bytes else b""
        return body if size <= self.limits.body_bytes else None

    def _allowed(self) -> bool:
        rate = self.limits.requests_per_second
        if rate is None:
            return True
        now = time.monotonic()
        self.tokens = min(max(rate, 1.0), self.tokens + (now - self.last) * rate)
        self.last = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def _is_json(content_type: str) -> bool:
    """Return whether a header says that a body is JSON, or says nothing."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("", "application/json") or (kind.startswith("application/") and kind.endswith("+json"))


class EventKinds(Collector):
    """Reports what became of events, by model and kind. counts: returns the counts of each model."""

    def __init__(self, counts: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        self.counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counts as one metric."""
        family = CounterMetricFamily(
            "rabbithole_event_kinds", "What became of events, by model and kind.", labels=["model", "kind"]
        )
        for model, counts in self.counts().items():
            for kind, count in sorted(counts.items()):
                family.add_metric([model, kind.replace(" ", "_")], count)
        yield family
