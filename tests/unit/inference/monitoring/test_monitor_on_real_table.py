"""The monitor on translations of WMT 2024: in random order, and sorted by where they come from."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from metarouter.datasets import fetch_wmt_mt
from metarouter.inference import RouterMonitor

ORDERS = 8


@pytest.fixture(scope="module")
def stream(real_data_home):
    data = fetch_wmt_mt(data_home=real_data_home)
    order = np.random.default_rng(0).permutation(data.n_queries)
    reference, rest = order[:600], order[600:]
    X = np.asarray(data.X)
    cheap = data.preference[rest]
    return SimpleNamespace(
        reference=X[reference],
        X=X[rest],
        cheap=cheap,
        gold=data.gold[rest],
        primary=cheap > np.quantile(cheap, 0.6),
        domain=np.asarray(data.domain)[rest],
    )


def watched(stream, order, rng):
    drawn = rng.random(len(order)) < 0.2
    return RouterMonitor(reference=stream.reference, window=100).update(
        stream.primary[order],
        features=stream.X[order],
        prediction=stream.cheap[order],
        gold=np.where(drawn, stream.gold[order], np.nan),
        gold_probability=0.2,
    )


def test_in_random_order_nothing_is_seen_and_the_truth_is_held(stream):
    truth = {
        "share": stream.primary.mean(),
        "gain": np.where(stream.primary, stream.gold, 0.0).mean(),
        "loss": np.where(stream.primary, 0.0, stream.gold).mean(),
    }
    missed, alarms = 0, 0
    for seed in range(ORDERS):
        rng = np.random.default_rng([seed, 1])
        report = watched(stream, rng.permutation(len(stream.X)), rng).report()
        alarms += any(alarm.raised_at is not None for alarm in report.alarms)
        for name, value in truth.items():
            total = report.trajectories[name].total
            missed += bool(((total.lower > value) | (total.upper < value)).any())
    # Binomial, 5% each: 3 of 8 and 5 of 24 come up with a chance of less than 1%.
    assert alarms < 3
    assert missed < 5


def test_sorted_by_domain_the_embeddings_raise_an_alarm(stream):
    order = np.argsort(stream.domain, kind="stable")
    alarm = watched(stream, order, np.random.default_rng(1)).report().alarms[0]
    assert alarm.raised_at < 100
