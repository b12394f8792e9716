"""Serves packaged models over HTTP: events of running sessions, whole sessions, and batches of them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from pydantic import BaseModel, ConfigDict, Field

from rabbithole.serving.folder import load_folder, manifest_file
from rabbithole.serving.guard import EventKinds, Guard, Limits
from rabbithole.serving.live_encoder import LiveEvent
from rabbithole.serving.stream import Answer, SessionStream, spare_old_objects

LOGGER = logging.getLogger("rabbithole")

MAX_EVENTS = 1000
"""Events in one request."""

MAX_BATCH = 1000
"""Sessions in one request."""

CHECK_SECONDS = 5.0
"""How often a model's folder is looked at: a new model in it takes over."""


MAX_FORMER = 3
"""Former models that are kept for the sessions that they hold; each takes memory."""


class SessionScore(BaseModel):
    """The answer to a whole session. probability: None if the session holds a purchase first."""

    events: int
    probability: float | None
    state: str


class SessionBody(BaseModel):
    """A whole session. ended: whether it has ended (does it hold a purchase?) or runs (will it buy?)."""

    # A misspelt `ended` would be passed over.
    model_config = ConfigDict(extra="forbid")

    events: list[LiveEvent] = Field(min_length=1, max_length=MAX_EVENTS)
    ended: bool = False


class ModelInfo(BaseModel):
    """A model that is served."""

    name: str
    model: str
    seed: int
    digest: str
    sessions_held: int


class ServedModel:
    """A model under a name. Events that arrive together are scored together, in one thread.

    When the folder holds another model, that one takes new sessions. Former models keep those that they
    have until they end, so no session loses its history and no request is lost.
    """

    def __init__(self, name: str, path: Path, limits: Limits) -> None:
        self.name, self.path, self.limits = name, path, limits
        self.stamp = self._stamp()
        self.stream = self._load()
        self.former: list[SessionStream] = []
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.waiting: list[tuple[list[bytes], asyncio.Future[list[Answer]]]] = []
        self.wake = asyncio.Event()

    def _load(self) -> SessionStream:
        return SessionStream(load_folder(self.path), max_sessions=self.limits.sessions)

    def _stamp(self) -> tuple[int, int]:
        facts = manifest_file(self.path).stat()
        return facts.st_mtime_ns, facts.st_ino

    async def submit(self, lines: list[bytes]) -> list[Answer]:
        """Return the answers to events, JSON objects."""
        future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self.waiting.append((lines, future))
        self.wake.set()
        return await future

    async def work(self) -> None:
        """Score what waits, again and again; all of it together each time."""
        loop = asyncio.get_running_loop()
        while True:
            await self.wake.wait()
            self.wake.clear()
            batch, self.waiting = self.waiting, []
            lines = [line for part, _ in batch for line in part]
            try:
                answers = await loop.run_in_executor(self.thread, self._process, lines)
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            start = 0
            for part, future in batch:
                if not future.done():
                    future.set_result(answers[start : start + len(part)])
                start += len(part)

    def _process(self, lines: list[bytes]) -> list[Answer]:
        if not self.former:
            return self.stream.process(lines)
        streams = [*self.former, self.stream]
        numbers = [self._stream_of(self.stream.key_of_line(line)) for line in lines]
        answers = [
            iter(stream.process([line for line, of in zip(lines, numbers, strict=True) if of == number]))
            for number, stream in enumerate(streams)
        ]
        for former in self.former:
            former.advance_clock(self.stream.now)
        self.former = [former for former in self.former if former.sessions]
        return [next(answers[number]) for number in numbers]

    def _stream_of(self, key: str | None) -> int:
        """Return the number of the former model that holds a session; that of the present one otherwise."""
        held = (number for number, former in enumerate(self.former) if key in former.sessions)
        return next(held, len(self.former))

    async def watch(self) -> None:
        """Take over a new model when the folder holds one; keep the present one if it cannot be loaded."""
        loop, problem = asyncio.get_running_loop(), ""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                stamp = self._stamp()
                if stamp != self.stamp:
                    # In a thread of its own: requests are answered by the present model meanwhile.
                    stream = await loop.run_in_executor(None, self._load)
                    self.stamp = stamp
                    await loop.run_in_executor(self.thread, self._take_over, stream)
            # Whatever is wrong with the new one: it must end neither the present one nor the watch.
            except Exception as error:
                # A folder that is being copied is tried again, and logged once.
                if str(error) != problem:
                    problem = str(error)
                    LOGGER.warning(
                        "%s: the model in use stays, as the new one can't be loaded: %s", self.name, error
                    )

    def _take_over(self, stream: SessionStream) -> None:
        held = [former for former in (*self.former, self.stream) if former.sessions]
        self.former = held[-MAX_FORMER:]
        stream.take_over(self.stream)
        self.stream = stream
        spare_old_objects()

    def info(self) -> ModelInfo:
        """Return what is served under the name."""
        manifest = self.stream.manifest
        held = sum(len(stream.sessions) for stream in (*self.former, self.stream))
        return ModelInfo(
            name=self.name,
            model=manifest.model,
            seed=manifest.seed,
            digest=manifest.digest,
            sessions_held=held,
        )


def make_app(models: Mapping[str, Path], limits: Limits) -> FastAPI:
    """Return the application that serves model folders by name. Raises `UserError` for a damaged folder."""
    served = {name: ServedModel(name, path, limits) for name, path in models.items()}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(task()) for model in served.values() for task in (model.work, model.watch)
        ]
        yield
        for task in tasks:
            task.cancel()

    app = FastAPI(
        title="Rabbithole",
        description="Who will buy? Post the events of shopping sessions, get the probability of a purchase.",
        lifespan=lifespan,
    )
    # Inside the measurement, which counts what it refuses.
    app.add_middleware(Guard, limits=limits)
    registry = CollectorRegistry()
    requests = Counter(
        "rabbithole_requests", "Requests by path and status.", ["path", "status"], registry=registry
    )
    seconds = Histogram(
        "rabbithole_request_seconds",
        "Time from request to answer.",
        ["path"],
        buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0),
        registry=registry,
    )
    events = Counter("rabbithole_events", "Events scored, by model.", ["model"], registry=registry)
    # A copy of each, as the model's thread goes on counting.
    registry.register(EventKinds(lambda: {name: dict(model.stream.counts) for name, model in served.items()}))
    held = Gauge("rabbithole_sessions", "Sessions held, by model.", ["model"], registry=registry)

    @app.middleware("http")
    async def measure(request: Request, call_next: Any) -> Response:
        start = time.perf_counter()
        response: Response = await call_next(request)
        route = request.scope.get("route")
        path = getattr(route, "path", "unknown")
        requests.labels(path, response.status_code).inc()
        seconds.labels(path).observe(time.perf_counter() - start)
        return response

    @app.exception_handler(RequestValidationError)
    async def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
        # Without the input, which may hold numbers that JSON cannot.
        detail = [{name: problem[name] for name in ("type", "loc", "msg")} for problem in error.errors()]
        return JSONResponse({"detail": detail}, 422)

    def find(name: str) -> ServedModel:
        if name not in served:
            raise HTTPException(404, f"There is no model {name!r}: there are {', '.join(served)}.")
        return served[name]

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> list[ModelInfo]:
        """Return the models that are served; they are compiled before the server answers at all."""
        return [model.info() for model in served.values()]

    @app.get("/metrics")
    async def metrics() -> Response:
        """Return counts and times in Prometheus's text format."""
        for model in served.values():
            held.labels(model.name).set(model.info().sessions_held)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.post("/models/{name}/events")
    async def post_events(
        name: str, body: Annotated[list[LiveEvent], Body(max_length=MAX_EVENTS)]
    ) -> list[Answer]:
        """Add events to their sessions; get the probability after each one."""
        model = find(name)
        answers = await model.submit([event.model_dump_json().encode() for event in body])
        events.labels(name).inc(len(body))
        return answers

    @app.post("/models/{name}/session")
    async def post_session(name: str, body: SessionBody) -> SessionScore:
        """Score one whole session; nothing is kept."""
        return (await _whole(find(name), [body]))[0]

    @app.post("/models/{name}/sessions")
    async def post_sessions(
        name: str, body: Annotated[list[SessionBody], Body(max_length=MAX_BATCH)]
    ) -> list[SessionScore]:
        """Score whole sessions; nothing is kept."""
        return await _whole(find(name), body)

    return app


async def _whole(model: ServedModel, sessions: list[SessionBody]) -> list[SessionScore]:
    """Score whole sessions in the model's thread."""

    def score() -> list[SessionScore]:
        scores = model.stream.whole.score([(session.events, session.ended) for session in sessions])
        return [SessionScore(events=n, probability=p, state=state) for n, p, state in scores]

    return await asyncio.get_running_loop().run_in_executor(model.thread, score)


def serve(models: Mapping[str, Path], limits: Limits, *, host: str, port: int) -> None:
    """Serve models until the process gets a signal to stop."""
    import uvicorn

    from rabbithole.serving.connection import TimedProtocol

    application = make_app(models, limits)
    spare_old_objects()
    uvicorn.run(application, host=host, port=port, log_level="warning", access_log=False, http=TimedProtocol)
