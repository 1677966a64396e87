"""Threads, kills, arms that come and go: every outcome is learned once and none is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from live_chaos import N_CLIENTS, context, notes, outcome

from bandits import LinTS
from bandits.live import LiveCounts, LiveRouter, Receipt

ROOT = Path(__file__).parents[4]


def start(place, seed, seconds, pause):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    script = str(ROOT / "tests" / "live_chaos.py")
    words = [place / "service", place / "memory", seed, seconds, pause]
    return subprocess.Popen(
        [sys.executable, script, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True,
    )  # fmt: skip


def run_and_kill(place, seed, uptime, pause):
    """Start the service and kill it some time later, now and then before it is ready."""
    process = start(place, seed, 1e6, pause)
    if seed % 5:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    time.sleep(uptime)
    process.kill()
    _, errors = process.communicate()
    assert process.returncode == -9, errors


def run_to_the_end(place, seed, seconds, pause):
    process = start(place, seed, seconds, pause)
    said, errors = process.communicate(timeout=seconds + 120)
    assert process.returncode == 0, errors
    return LiveCounts(**json.loads(said.splitlines()[-1]))


def what_clients_know(place):
    """Decisions that were returned, what was told of them, and the receipts."""
    arm, query, receipts = {}, {}, Counter()
    accepted = set()
    for k in range(N_CLIENTS):
        for word, number, *rest in notes(place / "memory" / f"client-{k}.txt"):
            if word == "decided":
                assert int(number) not in arm, "a decision was returned twice"
                arm[int(number)], query[int(number)] = rest[0], int(rest[1])
            elif word == "receipt":
                receipts[rest[0]] += 1
                # An acknowledgement that a kill swallowed comes back as a duplicate.
                if rest[0] in ("accepted", "duplicate"):
                    accepted.add(int(number))
    return arm, query, accepted, receipts


def check(place, counts, n_kills):
    arm, query, accepted, receipts = what_clients_know(place)
    service = LiveRouter.resume(place / "service")
    router = service.router

    # Counts add up, and agree with what the clients were told but for what kills have swallowed.
    swallowed = n_kills * N_CLIENTS
    assert service.counts == counts
    assert counts.decided == counts.accepted + counts.pending + counts.expired + counts.void
    assert len(arm) <= counts.decided <= len(arm) + swallowed
    assert counts.accepted == len(accepted) == router.n_updates_
    for why, number in counts.ignored.items():
        assert receipts[str(why)] <= number <= receipts[str(why)] + swallowed

    # A fresh router that learns the accepted feedback once, in one batch, knows the same.
    rows = [number for number in sorted(accepted) if arm[number] in router.arms_]
    told = np.array([outcome(number, arm[number]) for number in rows])
    oracle = LinTS(arms=router.arms_).partial_fit(
        np.stack([context(query[number]) for number in rows]), [arm[number] for number in rows],
        told[:, 0], told[:, 1],
    )  # fmt: skip
    for name, values in oracle.posterior_.arrays().items():
        np.testing.assert_allclose(router.posterior_.arrays()[name], values, rtol=1e-9, atol=1e-9)
    largest = max(outcome(number, arm[number])[1] for number in accepted)
    assert router.cost_cap_ == largest
    service.close()
    return receipts


def chaos(place, *, n_kills, uptime, last, pause, seed=0):
    (place / "memory").mkdir()
    moods = random.Random(seed)
    for number in range(n_kills):
        run_and_kill(place, number, moods.uniform(0.0, 2.0 * uptime), pause)
    counts = run_to_the_end(place, n_kills, last, pause)
    return counts, check(place, counts, n_kills)


def test_some_seconds_of_chaos(tmp_path):
    counts, receipts = chaos(tmp_path, n_kills=3, uptime=0.6, last=1.0, pause=0.0)
    assert counts.accepted > 100
    assert min(counts.void, counts.expired) > 0
    assert {"accepted", "duplicate", "contradiction"} <= receipts.keys()


@pytest.mark.slow
def test_ten_minutes_of_chaos(tmp_path):
    minutes = float(os.environ.get("METAROUTER_CHAOS_MINUTES", "10"))
    began, n_kills = time.monotonic(), round(4 * minutes)
    counts, receipts = chaos(tmp_path, n_kills=n_kills, uptime=12.0, last=15.0, pause=0.002)
    print(f"\n{time.monotonic() - began:.0f} s, {n_kills} kills, {counts}, {dict(receipts)}")
    assert set(receipts) == {str(why) for why in Receipt} - {"unknown"}
    shutil.rmtree(tmp_path / "service")
