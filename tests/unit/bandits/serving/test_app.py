from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.request import Request, urlopen

import numpy as np
import pytest

from bandits import LinTS
from bandits.live import LiveRouter, read_history
from bandits.serving import RoutingService

pytest.importorskip("starlette", reason="the extra serve is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")

from bandits.serving import create_app  # noqa: E402


def service(folder=None):
    bandit = LinTS(arms=("small", "large"), random_state=0)
    live = LiveRouter.cold(bandit, 2, has_cost=False, journal=folder, fsync=False)
    return RoutingService(live)


def client_of(app):
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://loopback")


def answers(*requests, app=None, **limits):
    """Send requests one after the other; return statuses and bodies."""
    app = app or create_app(service(), **limits)

    async def send():
        async with client_of(app) as client:
            responses = [await client.request(*args, **more) for args, more in requests]
        return [(r.status_code, r.text) for r in responses]

    return asyncio.run(send())


def post(path, body):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ("POST", path), {"content": content, "headers": {"content-type": "application/json"}}


ROUTE = post("/route", {"features": [1, 0], "request_id": "a"})


def test_a_request_is_routed_and_its_outcome_learned():
    outcome = post("/outcome", {"request_id": "a", "quality": 1})
    routed, accepted, twice, other, health, metrics = answers(
        ROUTE,
        outcome,
        outcome,
        post("/outcome", {"request_id": "a", "quality": 0}),
        (("GET", "/health"), {}),
        (("GET", "/metrics"), {}),
    )
    decision = json.loads(routed[1])
    assert decision["model"] in ("small", "large")
    assert 0 < decision["propensity"] < 1
    assert [accepted[0], twice[0], other[0]] == [200, 200, 409]
    assert json.loads(twice[1])["receipt"] == "duplicate"
    assert json.loads(health[1])["router_version"] == "LinTS@1"
    assert 'bandits_decisions{state="accepted"} 1' in metrics[1]
    assert 'bandits_responses_total{path="/outcome",status="409"} 1' in metrics[1]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post("/route", b""), 422),
        (post("/route", b"[1]"), 422),
        (post("/route", b'{"features": [NaN, 1]}'), 422),
        (post("/route", b'{"features": [1e999, 1]}'), 422),
        (post("/route", b'{"features": [1, 0], "features": [1, 0]}'), 422),
        (post("/route", b'{"features": [1, 0], "tool": 1}'), 422),
        (post("/route", b"\xff\xfe{}"), 422),
        (post("/route", b"[" * 100_000), 422),
        (post("/route", b'{"features": [1' + b"0" * 5000 + b", 1]}"), 422),
        (post("/route", {"features": [1, 2, 3]}), 422),
        (post("/route", {"features": "12"}), 422),
        (post("/route", {"features": {"0": 1}}), 422),
        (post("/route", {"prompt": 7}), 422),
        (post("/route", {"features": [1, 0], "preference": "ab"}), 422),
        (post("/route", {"features": [1, 0], "available": [["small"]]}), 422),
        (post("/route", {"features": [1, 0], "request_id": 7}), 422),
        (post("/route", {"features": [1, 0], "again": True}), 422),
        (post("/outcome", {"request_id": "none", "quality": 1}), 404),
        (post("/outcome", {"quality": 1}), 422),
        (post("/outcome", {"request_id": "a", "quality": "1"}), 422),
        (post("/outcome", {"request_id": "a", "quality": True}), 422),
        (post("/outcome", {"request_id": "a", "quality": 10**400}), 404),
        (post("/route", b" " * 2000), 413),
        ((("POST", "/route"), {"content": b"{}", "headers": {"content-type": "text/html"}}), 415),
        ((("GET", "/route"), {}), 405),
        ((("GET", "/elsewhere"), {}), 404),
    ],
)
def test_bad_requests_are_answered_with_a_status_and_change_nothing(request_, status):
    served = service()
    limit = 1500 if request_[1].get("content", b"").isspace() else 1_000_000
    ((given, text),) = answers(request_, app=create_app(served, max_body=limit))
    assert given == status, text
    assert served.router.counts.decided == 0
    if text.startswith("{"):
        assert json.loads(text)["error"].count("\n") == 0


def test_a_quality_beyond_all_limits_is_refused_for_a_request_that_exists():
    _, (status, text) = answers(ROUTE, post("/outcome", {"request_id": "a", "quality": 10**400}))
    assert status == 422, text


def test_a_body_that_comes_too_slowly_is_given_up():
    async def slow():
        yield b"{"
        await asyncio.sleep(5)

    began = time.monotonic()
    request = (("POST", "/route"), {"content": slow()})
    ((status, _),) = answers(request, app=create_app(service(), timeout=0.05))
    assert status == 408
    assert time.monotonic() - began < 3


def test_a_router_that_takes_too_long_is_given_up(monkeypatch):
    served = service()
    monkeypatch.setattr(served, "route", lambda **_: time.sleep(0.4))
    ((status, _),) = answers(ROUTE, app=create_app(served, timeout=0.05))
    assert status == 504


def test_errors_that_nobody_expects_are_not_quoted(monkeypatch, caplog):
    served = service()

    def fail(**_):
        raise RuntimeError("a secret prompt")

    monkeypatch.setattr(served, "route", fail)
    ((status, text),) = answers(ROUTE, app=create_app(served))
    assert status == 500
    assert "secret" not in text + caplog.text
    assert "RuntimeError" in caplog.text


def test_a_full_disk_stops_the_router_in_one_sentence(tmp_path, monkeypatch, caplog):
    served = service(tmp_path)
    app = create_app(served)
    first = answers(ROUTE, app=app)[0]

    def full(event):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(served.router._recorder.store, "append", full)
    new = post("/route", {"features": [1, 0], "request_id": "b"})
    refused, again, health = answers(new, new, (("GET", "/health"), {}), app=app)
    assert first[0] == 200
    assert (refused[0], again[0], health[0]) == (503, 503, 503)
    assert "journal cannot be written" in refused[1]
    assert "No space left" in json.loads(health[1])["status"]
    assert "Traceback" not in caplog.text
    served.close()
    with LiveRouter.resume(tmp_path) as resumed:
        assert resumed.counts.decided == 1
        assert resumed.find("a") is not None


def test_models_that_nobody_knows_are_refused_by_the_name_of_their_field():
    many = [f"model {k}" for k in range(10_000)]
    ((status, text),) = answers(post("/route", {"features": [1, 0], "available": many}))
    assert status == 422
    assert "available holds 'model 0'" in text


def test_fifty_clients_at_once_lose_nothing(tmp_path):
    served = service(tmp_path)
    app = create_app(served)

    async def client(http, number):
        for k in range(4):
            name = f"{number}-{k}"
            routed = await http.post("/route", json={"features": [1, k], "request_id": name})
            assert routed.status_code == 200, routed.text
            told = await http.post("/outcome", json={"request_id": name, "quality": 0.5})
            assert told.status_code == 200, told.text

    async def all_clients():
        async with client_of(app) as http:
            await asyncio.gather(*(client(http, number) for number in range(50)))

    asyncio.run(all_clients())
    counts = served.router.counts
    assert (counts.decided, counts.accepted, counts.pending) == (200, 200, 0)
    served.close()
    assert read_history(tmp_path).n == 200


def test_more_requests_than_may_wait_are_told_to_come_again():
    app = create_app(service(), max_waiting=1)

    async def crowd():
        async with client_of(app) as http:
            return await asyncio.gather(
                *(http.post("/route", json={"features": [1, 0]}) for _ in range(10))
            )

    responses = asyncio.run(crowd())
    assert {r.status_code for r in responses} == {200, 503}
    assert all(r.headers["retry-after"] == "1" for r in responses if r.status_code == 503)


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_the_command_serves_and_stops_gracefully(tmp_path):
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    LinTS(arms=("small", "large"), random_state=0).fit(np.eye(2), np.eye(2)).save(
        tmp_path / "r.npz"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", str(tmp_path / "r.npz"), "--journal", str(tmp_path / "live")]
    process = subprocess.Popen(
        [sys.executable, "-m", "bandits", *words, "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(300):
            try:
                urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        body = json.dumps({"features": [1, 0], "request_id": "a"}).encode()
        kind = {"Content-Type": "application/json"}
        asked = Request(f"http://127.0.0.1:{port}/route", body, kind)
        with urlopen(asked, timeout=5) as response:
            assert json.load(response)["request_id"] == "a"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Serving r-" in errors
    assert LiveRouter.resume(tmp_path / "live").counts.decided == 1
