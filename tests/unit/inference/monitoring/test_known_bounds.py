"""With bounds of single gains and costs the monitor's sequences are exact from the first row on."""

from __future__ import annotations

import numpy as np
import pytest

from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference import RouterMonitor, max_loss, max_share, max_slow_share, min_gain
from metarouter.inference.monitoring._quantities import (
    cost_columns,
    estimates,
    quality_columns,
)

LENGTH, STREAMS = 2000, 60


def jackpots(rng, chance=0.05, size=20.0, p=0.1):
    """Small gains, and rare ones of 20, one in ten labelled."""
    primary, drawn = rng.random(LENGTH) < 0.4, rng.random(LENGTH) < p
    gold = rng.uniform(-0.5, 0.5, LENGTH) + size * (rng.random(LENGTH) < chance)
    columns = quality_columns(primary, drawn, np.full(LENGTH, p), np.where(drawn, gold / p, 0.0))
    return columns, {"bounds": (-1.0, 21.0), "least_probability": p}, 0.4 * chance * size


def dear_queries(rng):
    """Costs of 1, and of 40 for one query in two hundred."""
    price = np.where(rng.random(LENGTH) < 0.005, 40.0, 1.0)
    columns = cost_columns(np.ones(LENGTH, dtype=bool), price, 0 * price)
    return columns, {"bounds": (0.0, 40.0)}, 1 + 39 * 0.005


def missed(name, columns, known, truth):
    rows = np.column_stack([np.ones(len(columns)), columns])
    found = estimates(name, np.cumsum(rows, axis=0)[::5], 0.05, 1000, **known)
    assert np.isfinite([found.lower, found.upper]).all()
    return bool(((found.lower > truth) | (found.upper < truth)).any())


@pytest.mark.parametrize(
    ("name", "draw"),
    [("gain", jackpots), ("gain", lambda rng: jackpots(rng, 0.005)), ("cost", dear_queries)],
)
def test_a_tail_that_was_not_seen_yet_is_not_missed(name, draw):
    found = [missed(name, *draw(np.random.default_rng([r, 4]))) for r in range(STREAMS)]
    assert np.mean(found) <= 0.05


def test_bounds_are_held_to_a_naive_search_for_the_bet_that_wins():
    from metarouter.inference.intervals import bounded_limits

    total, squares, n, c = 30.0, 90.0, 400.0, 6.0
    bets = np.array([b for k in range(25) if (b := 2.0 ** (-k / 2) / 6) * c < 1])

    def evidence(mean):
        psi = (-np.log(1 - c * bets) - c * bets) / c**2
        return np.sum(np.exp(bets * (total - n * mean) - psi * squares)) / 25

    lower = bounded_limits([total], [squares], [n], 0.1, (c, c), 6.0).lower[0]
    assert evidence(lower) == pytest.approx(2 / 0.1, rel=1e-6)
    assert evidence(lower - 0.01) > 20 > evidence(lower + 0.01)


def monitored(**settings):
    rng = np.random.default_rng(0)
    primary = rng.random(3000) < 0.3
    gold = np.where(rng.random(3000) < 0.5, rng.choice([-1.0, 0.0, 1.0], 3000), np.nan)
    monitor = RouterMonitor(**settings)
    monitor.update(primary, cost_primary=1.0, cost_alternative=0.1, gold=gold, gold_probability=0.5)
    return monitor


def test_a_constraint_on_gains_is_judged_from_bounds_and_survives_a_file(tmp_path):
    monitor = monitored(max_loss=0.2, gain_bounds=(-1, 1), cost_bounds=(0, 1))
    frame = monitor.to_frame().set_index(["quantity", "over"])
    row = frame.loc[("gold loss against always-primary", "all")]
    assert row["ci_low"] < 0 < row["ci_high"] < 0.2
    assert row["verdict"] == "PASS"
    monitor.save(tmp_path / "monitor.npz")
    again = RouterMonitor.load(tmp_path / "monitor.npz")
    assert again.settings == monitor.settings
    assert again.to_frame().equals(monitor.to_frame())


def test_constraints_are_the_objects_that_a_threshold_was_certified_with():
    objects = monitored(constraints=[max_share(0.35), max_loss(0.2)])
    names = monitored(max_share=0.35, max_loss=0.2)
    assert objects.settings == names.settings
    with pytest.raises(BudgetError, match="max_slow_share cannot be watched"):
        RouterMonitor(constraints=max_slow_share(0.1, seconds=1.0))
    with pytest.raises(BudgetError, match="given twice"):
        RouterMonitor(constraints=[min_gain(0.1)], min_gain=0.2)


def test_labels_beyond_the_bounds_are_refused_and_leave_no_trace():
    monitor = monitored(gain_bounds=(-1, 1))
    before = monitor.to_frame()
    with pytest.raises(DataError, match="1 of 2 values lie outside gain_bounds"):
        monitor.update([True, False], gold=[0.5, 3.0], gold_probability=1.0)
    assert monitor.to_frame().equals(before)
    with pytest.raises(MetaRouterError, match="lowest, highest"):
        RouterMonitor(gain_bounds=(1, -1))
