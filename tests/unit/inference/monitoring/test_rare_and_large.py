"""Confidence sequences where costs or gains are rare and large."""

from __future__ import annotations

import numpy as np
import pytest

from metarouter.inference import RouterMonitor
from metarouter.inference.monitoring._quantities import (
    cost_columns,
    estimates,
    quality_columns,
)

LENGTH, STREAMS = 3000, 60


def missed(name, columns, truth):
    rows = np.column_stack([np.ones(len(columns)), columns])
    found = estimates(name, np.cumsum(rows, axis=0)[::5], 0.05, 1000)
    outside = (found.lower > truth) | (found.upper < truth)
    return bool(outside.any()), bool(np.isfinite(found.lower[-1]))


def costs(rng):
    price = np.where(rng.random(LENGTH) < 0.02, 40.0, 1.0)
    primary = np.ones(LENGTH, dtype=bool)
    return cost_columns(primary, price, 0 * price)


def gains(rng):
    gold = (rng.random(LENGTH) < 0.03) * rng.lognormal(1, 1, LENGTH)
    primary, drawn = rng.random(LENGTH) < 0.4, rng.random(LENGTH) < 0.1
    return quality_columns(primary, drawn, np.full(LENGTH, 0.1), np.where(drawn, gold / 0.1, 0.0))


@pytest.mark.parametrize(
    ("name", "draw", "truth"),
    [("cost", costs, 1.78), ("gain", gains, 0.4 * 0.03 * np.exp(1.5))],
)
def test_the_truth_is_not_missed_more_often_than_promised(name, draw, truth):
    found = [missed(name, draw(np.random.default_rng([r, 1])), truth) for r in range(STREAMS)]
    assert np.mean([outside for outside, _ in found]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / STREAMS)


def test_sequences_of_rare_costs_appear_once_enough_of_them_came():
    found = [missed("cost", costs(np.random.default_rng([r, 1])), 1.78) for r in range(STREAMS)]
    assert all(there for _, there in found)


def test_a_constraint_on_rare_and_large_gains_stays_open():
    gold = np.zeros(400)
    gold[:2] = 100.0
    monitor = RouterMonitor(min_gain=0.1)
    monitor.update(np.ones(400, dtype=bool), gold=gold, gold_probability=1.0)
    report = monitor.report()
    assert str(report.verdict) == "INCONCLUSIVE"
    assert "rare and large" in report.summary().replace("\n", " ")
