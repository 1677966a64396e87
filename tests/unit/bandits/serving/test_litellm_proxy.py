"""LiteLLM's proxy with the plugin of ``docs/serving.md`` and mock responses, on loopback."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from bandits import SquareCB
from bandits.live import LiveRouter, read_history
from metarouter.encoding import TfidfEncoder
from metarouter.routing import ThresholdRouter, save_router

NEEDED = ("litellm", "httpx", "fastapi", "orjson", "apscheduler", "backoff", "multipart")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in NEEDED),
        reason="the proxy's dependencies are not installed: install litellm[proxy]",
    ),
]

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "serving.md").read_text()
N = 200
TEXTS = ["how to treat a cold", "how to sue a landlord", "what helps against a cold", "prove it"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the page says a proxy needs, with mock models and a small encoder."""
    (plugin,) = re.findall(r"```python\n(from litellm\.proxy.*?)```", PAGE, re.S)
    (config,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    plugin = plugin.replace('"minilm"', '"text.skops"')
    for name in ("small", "large"):
        line = rf"(info: {{id: {name}}}\n.*) api_key: os\.environ/\w+}}"
        config = re.sub(line, rf"\1 api_key: none, mock_response: {name}}}", config)
    assert config.count("mock_response") == 2
    (tmp_path / "routing_plugin.py").write_text(plugin)
    (tmp_path / "config.yaml").write_text(config)
    labels = [1.0, -1.0, 1.0, -1.0]
    router = ThresholdRouter(LinearRegression(), models=("small", "large"))
    encoder = TfidfEncoder(2, random_state=0)
    fitted = Pipeline([("encoder", encoder), ("router", router)]).fit(TEXTS, labels)
    save_router(fitted, tmp_path / "text.skops")
    outcomes = np.random.default_rng(0).random((20, 2))
    SquareCB(20.0, arms=("small", "large"), random_state=0).fit(
        np.random.default_rng(1).normal(size=(20, 2)), outcomes, cost=outcomes * 0.01
    ).save(tmp_path / "router.npz")
    return tmp_path


class Proxy:
    def __init__(self, folder: Path) -> None:
        import httpx

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*", "DO_NOT_TRACK": "1"}
        quiet["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"  # on loopback
        quiet["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        program = "from litellm import run_server; run_server()"
        words = ["--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        self.log = open(folder / "proxy.log", "a")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *words, "--telemetry", "False"],
            cwd=folder, env={**os.environ, **quiet}, stdout=self.log, stderr=self.log,
        )  # fmt: skip
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        end = time.monotonic() + 180
        while self.process.poll() is None and time.monotonic() < end:
            try:
                if self.http.get("/routing/health").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        self.process.kill()
        raise AssertionError((folder / "proxy.log").read_text()[-3000:])

    def ask(self, number: int) -> str:
        body = {
            "model": "auto",
            "messages": [{"role": "user", "content": TEXTS[number % 4]}],
            "metadata": {"request_id": f"r-{number}"},
        }
        answer = self.http.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["choices"][0]["message"]["content"]

    def tell(self, number: int, quality: float) -> None:
        body = {"request_id": f"r-{number}", "quality": quality, "cost": 0.01}
        answer = self.http.post("/routing/outcome", json=body)
        assert answer.json() == {"request_id": f"r-{number}", "receipt": "accepted"}

    def end(self, how: int) -> None:
        self.process.send_signal(how)
        self.process.wait(60)
        self.http.close()
        self.log.close()


def test_requests_of_the_proxy_are_routed_and_nothing_is_lost_when_it_is_killed(folder: Path):
    served: dict[int, str] = {}
    order = np.random.default_rng(0)
    waiting: list[int] = []
    proxy = Proxy(folder)
    for number in range(N):
        if number == N // 2:
            proxy.end(signal.SIGKILL)
            proxy = Proxy(folder)
        served[number] = proxy.ask(number)
        waiting.append(number)
        if len(waiting) > 10:
            late = waiting.pop(order.integers(len(waiting)))
            proxy.tell(late, 0.8 if served[late] == "large" else 0.6)
    for late in waiting:
        proxy.tell(late, 0.5)
    proxy.end(signal.SIGTERM)

    with LiveRouter.resume(folder / "live") as live:
        counts = live.counts
        decisions = [live.find(f"r-{number}") for number in range(N)]
    assert (counts.decided, counts.accepted, counts.pending) == (N, N, 0)
    assert [decision.arm for decision in decisions] == list(served.values())
    assert all(decision.preference == (0.7, 0.3) for decision in decisions)
    log = read_history(folder / "live")
    assert log.n == N
    assert Counter(log.arms[k] for k in log.arm) == Counter(served.values())
    large = np.array([d.propensity if d.arm == "large" else 1 - d.propensity for d in decisions])
    drawn = sum(model == "large" for model in served.values())
    assert abs(drawn - large.sum()) < 4 * np.sqrt((large * (1 - large)).sum())
    text = (folder / "proxy.log").read_text()
    assert "was not routed" not in text
    assert "cold" not in text
