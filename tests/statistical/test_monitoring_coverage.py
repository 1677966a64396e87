"""Confidence sequences of a monitor hold at all times at once, and its alarms are seldom false.

The long study is ``python -m benchmarks.monitoring``; docs/monitoring.md holds its tables.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from benchmarks import _monitored_streams as streams
from benchmarks.monitoring import (
    CHANCES,
    QUALITY,
    run_alarm,
    run_costs,
    run_quality,
    run_shares,
)
from metarouter.inference import RouterMonitor


def assert_seldom_missed(counts, level=0.05):
    for name, (missed, rounds) in counts.items():
        if ", start" not in name:
            assert missed / rounds <= level + 3 * sqrt(level * (1 - level) / rounds), name


@pytest.mark.parametrize("world", CHANCES)
def test_share_is_never_left_out_too_often_even_when_it_drifts(world):
    assert_seldom_missed(run_shares(world, 60, seed=1))


@pytest.mark.parametrize("world", ["log prices with sd 0.5", "constant prices, 1 in 500 sent"])
def test_costs_are_never_left_out_too_often(world):
    assert_seldom_missed(run_costs(world, 60, seed=1))


def test_quality_is_never_left_out_too_often():
    assert_seldom_missed(run_quality("right or wrong, 1 in 20 drawn", 100, seed=1))


def test_sequences_for_quality_would_fail_if_they_began_with_five_labels():
    counts = run_quality("normal gains, 1 in 20 drawn", 100, seed=2)
    missed, rounds = counts["gold gain over always-alternative, start|5 labels"]
    assert missed / rounds > 0.05


@pytest.mark.parametrize("kind", ["cost", "quality"])
def test_alarms_are_seldom_false(kind):
    assert_seldom_missed(run_alarm(kind, 0.0, 100, seed=1))


def test_alarms_find_a_shift_of_one_standard_deviation_soon():
    counts = run_alarm("quality", 1.0, 40, seed=1)
    found, rounds = counts["found|5% / 4"]
    assert found == rounds
    assert counts["delay|5% / 4"][0] < 60


def test_windows_hold_all_at_once():
    missed = []
    for seed in range(60):
        rng = np.random.default_rng([seed, 7])
        trajectory = (
            RouterMonitor(window=50).update(rng.random(1000) < 0.3).report().trajectories["share"]
        )
        missed.append(((trajectory.window.lower > 0.3) | (trajectory.window.upper < 0.3)).any())
    assert np.mean(missed) <= 0.05 + 3 * sqrt(0.05 * 0.95 / 60)


@pytest.mark.slow
@pytest.mark.parametrize("world", QUALITY)
def test_quality_is_never_left_out_too_often_in_a_long_study(world):
    assert_seldom_missed(run_quality(world, 400, seed=3))


@pytest.mark.slow
@pytest.mark.parametrize("kind", streams.STREAMS)
def test_alarms_are_seldom_false_in_a_long_study(kind):
    assert_seldom_missed(run_alarm(kind, 0.0, 400, seed=3))
