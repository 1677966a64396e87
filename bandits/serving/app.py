"""The endpoint: ``POST /route``, ``POST /outcome``, ``GET /health``, ``GET /metrics``."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bandits.live.live_router import OtherOutcomeError
from bandits.serving._json import read_fields
from bandits.serving._metrics import Metrics
from bandits.serving.service import (
    FrozenRouterError,
    RoutingService,
    UnknownRequestError,
)
from metarouter.exceptions import DataError, MetaRouterError, RouterFileError
from metarouter.utils.parameters import check_whole

__all__ = ["create_app"]

_LOG = logging.getLogger("bandits.serving")
_ROUTE = ("prompt", "features", "preference", "available", "request_id")
_OUTCOME = ("request_id", "quality", "cost", "latency")
_CLOSE = {"Connection": "close"}


class _RefusedError(Exception):
    """A response that is no success."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def create_app(
    service: RoutingService,
    *,
    max_body: int = 1_000_000,
    timeout: float = 10.0,
    threads: int = 16,
    max_waiting: int = 500,
) -> Starlette:
    """Return an ASGI application that serves a router; stopping it closes the service.

    Parameters
    ----------
    service : RoutingService
    max_body : int, default=1_000_000
        Bytes that a request may have.
    timeout : float, default=10.0
        Seconds that a body may take to arrive, and an answer to be found.
    threads : int, default=16
        Requests that are worked on at a time.
    max_waiting : int, default=500
        Requests that may be under way; those beyond are refused for a second (503).

    Returns
    -------
    starlette.applications.Starlette

    Raises
    ------
    ValueError
        If a limit is no number above 0.
    """
    for name, value in (
        ("max_body", max_body),
        ("threads", threads),
        ("max_waiting", max_waiting),
    ):
        check_whole(name, value)
    if not 0 < timeout < float("inf"):
        raise DataError(f"timeout is {timeout!r}; give seconds, above 0.")
    endpoint = _Endpoint(service, max_body, timeout, threads, max_waiting)

    @asynccontextmanager
    async def until_stopped(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(service.close)

    return Starlette(
        lifespan=until_stopped,
        routes=[
            Route("/route", endpoint.answering(endpoint.route), methods=["POST"]),
            Route("/outcome", endpoint.answering(endpoint.outcome), methods=["POST"]),
            Route("/health", endpoint.health, methods=["GET"]),
            Route("/metrics", endpoint.metrics, methods=["GET"]),
        ],
    )


class _Endpoint:
    def __init__(
        self, service: RoutingService, max_body: int, timeout: float, threads: int, waiting: int
    ) -> None:
        self.service, self.max_body, self.timeout = service, max_body, timeout
        self.max_waiting, self.under_way = waiting, 0
        self.threads = anyio.CapacityLimiter(threads)
        self.counted = Metrics()

    def answering(
        self, handle: Callable[[bytes], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Turn errors into responses, and count them."""

        async def answer(request: Request) -> Response:
            began = time.perf_counter()
            self.under_way += 1
            try:
                response = await self._guarded(handle, request)
            finally:
                self.under_way -= 1
            seconds = time.perf_counter() - began
            self.counted.responded(request.url.path, response.status_code, seconds)
            return response

        return answer

    async def route(self, body: bytes) -> Response:
        fields = read_fields(body, _ROUTE, ())
        available = fields.get("available")
        if available is not None and not (
            isinstance(available, list) and all(isinstance(name, str | int) for name in available)
        ):
            raise DataError("available is no list of names: give the models that can be called.")
        routed = await self._in_thread(lambda: self.service.route(**fields))
        self.counted.routed(routed.model)
        return JSONResponse(routed._asdict())

    async def outcome(self, body: bytes) -> Response:
        fields = read_fields(body, _OUTCOME, ("request_id", "quality"))
        for name in ("quality", "cost", "latency"):
            value = fields.get(name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float)
            ):
                raise DataError(f"{name} is no number: give a finite one.")
        receipt = await self._in_thread(lambda: self.service.outcome(**fields))
        return JSONResponse({"request_id": fields["request_id"], "receipt": receipt.value})

    async def health(self, _: Request) -> Response:
        service = self.service
        stopped = service.stopped
        state = {
            "status": "ok" if stopped is None else stopped,
            "router_version": service.version,
            "models": service.models,
            "learns": service.learns,
        }
        return JSONResponse(state, 200 if stopped is None else 503)

    async def metrics(self, _: Request) -> Response:
        counts = self.service.router.counts if self.service.learns else None
        text = self.counted.text(counts)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def _guarded(
        self, handle: Callable[[bytes], Awaitable[Response]], request: Request
    ) -> Response:
        try:
            if self.under_way > self.max_waiting:
                raise _RefusedError(503, "Too many requests are under way: come again in a second.")
            return await handle(await self._body(request))
        except _RefusedError as error:
            return _error(error.status, error.sentence)
        except UnknownRequestError as error:
            return _error(404, str(error))
        except (FrozenRouterError, OtherOutcomeError) as error:
            return _error(409, str(error))
        except RouterFileError as error:  # the journal cannot be written
            _LOG.error("the router has stopped: %s", error)
            return _error(503, "The router has stopped, because its journal cannot be written.")
        except MetaRouterError as error:
            return _error(422, str(error))
        except ClientDisconnect:
            return _error(400, "The client has gone.")
        except Exception as error:
            # Neither the message nor the traceback: both may quote what the client sent.
            _LOG.error("an unexpected %s at %s", type(error).__name__, request.url.path)
            return _error(500, "Something unexpected went wrong; the service goes on.")

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "application/json").split(";")[0].strip()
        if kind.lower() != "application/json":
            raise _RefusedError(415, "The body is no application/json: send JSON.")
        too_large = _RefusedError(413, f"The body is larger than {self.max_body} bytes: send less.")
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > self.max_body:
            raise too_large
        body = bytearray()
        with anyio.move_on_after(self.timeout) as scope:
            async for chunk in request.stream():
                body += chunk
                if len(body) > self.max_body:
                    raise too_large
        if scope.cancelled_caught:
            raise _RefusedError(408, f"The body took longer than {self.timeout:g} s: send faster.")
        return bytes(body)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        with anyio.move_on_after(self.timeout) as scope:
            # What is under way ends in its thread: a decision that is never answered expires.
            return await anyio.to_thread.run_sync(
                work, limiter=self.threads, abandon_on_cancel=True
            )
        if scope.cancelled_caught:
            raise _RefusedError(504, f"It took longer than {self.timeout:g} s: come again.")
        raise AssertionError("a scope that ends early was cancelled")


def _error(status: int, sentence: str) -> Response:
    headers = {503: {"Retry-After": "1"}, 408: _CLOSE, 413: _CLOSE}.get(status)
    return JSONResponse({"error": sentence}, status, headers=headers)
