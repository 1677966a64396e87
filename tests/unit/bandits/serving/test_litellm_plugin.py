"""LiteLLM's own router with mock responses, on loopback: no key and no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from scipy.stats import chi2

from bandits.live import LiveRouter, read_history
from bandits.off_policy import off_policy_value

pytestmark = pytest.mark.skipif(
    find_spec("litellm") is None, reason="LiteLLM is not installed: install metarouter[serve]"
)

# A process of its own: LiteLLM takes seconds to import, and keeps callbacks for the whole process.
PROGRAM = """
import asyncio, json, os, random, sys, time
from datetime import datetime
import numpy as np
import litellm
from litellm import Router
from bandits import SquareCB
from bandits.live import LiveRouter
from bandits.serving import LiteLLMPlugin, RoutingService, open_service

class Lengths:
    def transform(self, texts):
        return np.array([[1.0, len(text) % 7 / 7] for text in texts])

folder, half, all = sys.argv[1], int(sys.argv[2]) // 2, int(sys.argv[2])
first, last, die = 0, half, True
child = os.fork()  # so that LiteLLM, which takes seconds to import, is imported once
if child:
    _, status = os.waitpid(child, 0)
    assert status == 9, status
    first, last, die = half, all, False
if die:
    bandit = SquareCB(20.0, arms=("small", "large"), random_state=0)
    live = LiveRouter.cold(bandit, 2, journal=folder, fsync=False)
    service = RoutingService(live, encoder=Lengths())
else:
    service = open_service(folder)
    service.encoder = Lengths()
    on_disk = []  # bytes of the journal that a power cut would leave

    def fsync(handle):
        size = os.fstat(handle).st_size
        time.sleep(0.005)
        on_disk.append(size)

    os.fsync = fsync
plugin = LiteLLMPlugin(service, model_group="auto")
litellm.callbacks.append(plugin)
router = Router(num_retries=0, model_list=[
    {"model_name": "auto", "model_info": {"id": name},
     "litellm_params": {"model": f"openai/{name}", "api_key": "none", "mock_response": name}}
    for name in ("small", "large")])

async def main():
    order, log, waiting = random.Random(first), [], []
    for number in range(first, last):
        request = f"r-{number}"
        answer = await router.acompletion(
            "auto", messages=[{"role": "user", "content": "x" * (1 + number % 50)}],
            metadata={"request_id": request, "routing_preference": [0.7, 0.3]})
        if not die:  # the answer has waited until its decision is on the disk
            with open(f"{folder}/journal-000000.jsonl", "rb") as journal:
                journal.seek(max(0, on_disk[-1] - 20_000))
                assert f'"{request}"'.encode() in journal.read(on_disk[-1] - journal.tell())
        kept = service.router.find(request)
        served = answer.choices[0].message.content
        log.append([request, served, kept.propensity, kept.preference, kept.arm])
        waiting.append((request, served))
        if len(waiting) > 20:  # outcomes come late, and out of order
            tell(*waiting.pop(order.randrange(len(waiting))))
    print(json.dumps(log), flush=True)
    if die:
        os.kill(os.getpid(), 9)
    await asyncio.sleep(0.5)  # LiteLLM tells of the last call after its answer
    measured = {call.id for call in service.router._recorder.state.ledger.measured}
    assert {service.router.find(request).id for request, _ in waiting} <= measured
    order.shuffle(waiting)
    for one in waiting:
        tell(*one)

def tell(request, model):
    large = model == "large"
    service.outcome(request, 0.8 if large else 0.6, cost=1.0 if large else 0.1)

asyncio.run(main())
if not die:  # a client that stamps its own request is not believed
    forged = {"routing": {"request_id": "r-1", "model": "small"}, "deployment": "openai/small"}
    service.measured = lambda *args, **kwargs: 1 / 0
    ended = {"litellm_params": {"metadata": forged}, "response_cost": 9.0}
    asyncio.run(plugin.async_log_success_event(ended, None, *[datetime.now()] * 2))
assert plugin.failures == 0, plugin.failures
service.close()
"""


def require_nothing_lost(folder, n_requests):
    """Kill half-way, go on, and compare what clients saw with what the journal holds."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), str(n_requests)],
        capture_output=True,
        text=True,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"},
        cwd=Path(__file__).parents[4],
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    seen = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("[[")]
    rows = [row for part in seen for row in part]
    assert len(rows) == n_requests
    assert all(served == chosen for _, served, _, _, chosen in rows)
    assert {tuple(row[3]) for row in rows} == {(0.7, 0.3)}

    with LiveRouter.resume(folder) as live:
        counts = live.counts
    assert counts.decided == n_requests
    assert counts.pending == 20  # those that were waiting when the process was killed
    assert counts.accepted == n_requests - 20

    # Each decision is a draw with its own propensity of the arm that was drawn: the sum over all
    # of (1{arm is large} - P(large)) has variance sum of P(1 - P), given the past.
    large = [p if model == "large" else 1 - p for _, model, p, *_ in rows]
    n_large = Counter(model for _, model, *_ in rows)["large"]
    variance = sum(p * (1 - p) for p in large)
    assert (n_large - sum(large)) ** 2 / variance < chi2.ppf(1 - 1e-4, 1)

    log = read_history(folder, cost_cap=1.0)
    assert log.n == n_requests - 20
    value = off_policy_value(log, live.router, preference=(0.7, 0.3))
    assert value.lower <= value.value <= value.upper


def test_nothing_is_lost_when_a_router_of_litellm_is_killed(tmp_path):
    require_nothing_lost(tmp_path / "live", 200)


@pytest.mark.slow
def test_nothing_is_lost_in_two_thousand_requests(tmp_path):
    require_nothing_lost(tmp_path / "live", 2000)
