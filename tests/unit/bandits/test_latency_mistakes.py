"""What is wrong with latencies is said in one sentence, and changes nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from three_outcomes import ACTION, ARMS, COST, LATENCY, QUALITY, TOLD, N, X, taught

from bandits import (
    LinUCB,
    OracleRouter,
    Replay,
)
from bandits.evaluation import router_table
from bandits.full_information import RegressionRouter, RouterDC
from bandits.live import LiveRouter, read_history
from bandits.play import play
from metarouter.exceptions import DataError


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LinUCB().fit(X, QUALITY, None, LATENCY), "latency is given without cost"),
        (lambda: Replay(X, QUALITY, latency=LATENCY), "latency is given without cost"),
        (lambda: LinUCB().fit(X, QUALITY, COST, LATENCY[:9]), r"latency has shape \(9, 3\)"),
        (lambda: LinUCB().fit(X, QUALITY, COST, -LATENCY), "latency is negative in 240 cells"),
        (lambda: LinUCB().fit(X, QUALITY, COST, LATENCY * np.inf), "latency is infinite in row 0"),
        (
            lambda: LinUCB().fit(
                X,
                pd.DataFrame(QUALITY, columns=list("abc")),
                COST,
                pd.DataFrame(LATENCY, columns=list("acb")),
            ),
            "quality has the columns .* but latency has .*: put them in one order",
        ),
        (
            lambda: LinUCB(latency_cap=0).fit(X, QUALITY, COST, LATENCY),
            "latency_cap is 0; give",
        ),
        (
            lambda: taught(LinUCB()).partial_fit(X, ACTION, TOLD["quality"], TOLD["cost"]),
            "latency is missing, but earlier feedback had it",
        ),
        (
            lambda: (
                LinUCB(arms=ARMS)
                .partial_fit(X, ACTION, TOLD["quality"], TOLD["cost"])
                .partial_fit(X, ACTION, **TOLD)
            ),
            "latency is given, but earlier feedback had none: fit anew to learn latencies",
        ),
        (
            lambda: taught(LinUCB(), quality=TOLD["quality"], cost=TOLD["cost"]).predict_latency(X),
            "has seen no latencies: pass latency= when training",
        ),
        (lambda: taught(LinUCB()).predict(X, (0.5, 0.1, 0.1)), r"\(0.5, 0.1, 0.1\); give three"),
        (
            lambda: taught(LinUCB()).predict(X, np.tile([0.6, 0.6, -0.2], (N, 1))),
            r"in row 0 \(80 of 80 rows\)",
        ),
        (
            lambda: RegressionRouter().fit(X, QUALITY, COST, np.where(LATENCY > 4, np.nan, 1.0)),
            r"latency is NaN in \d+ cells",
        ),
        (
            lambda: RouterDC().fit(X, QUALITY, COST, LATENCY),
            "RouterDC is trained for trade-offs",
        ),
        (
            lambda: play(taught(LinUCB()), Replay(X, QUALITY, COST, arms=ARMS)),
            "The router has learned latencies, but the replay has none: give it latency=",
        ),
        (
            lambda: LiveRouter.cold(LinUCB(arms=ARMS), 3, has_cost=False, has_latency=True),
            "has_latency is True but has_cost is not",
        ),
    ],
)
def test_mistakes_are_said_in_one_sentence(call, message):
    with pytest.raises(DataError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_an_oracle_needs_all_cells_and_stays_as_it_is_on_error():
    oracle = OracleRouter(arms=ARMS).fit(X, QUALITY, COST, LATENCY)
    before = oracle.predict(X)
    holes = LATENCY.copy()
    holes[:, 2] = np.nan
    for bad in (holes, LATENCY[:, :2]):
        with pytest.raises(DataError):
            oracle.fit(X[:, :2], QUALITY, COST, bad)
        assert_array_equal(oracle.predict(X), before)


def test_the_router_that_a_table_cannot_ask_is_named():
    old = taught(LinUCB(), quality=TOLD["quality"], cost=TOLD["cost"])
    with pytest.raises(DataError, match="The router 'old' does not fit: preference weighs latency"):
        router_table({"old": old}, X, QUALITY, COST, LATENCY, arms=ARMS)


def test_a_replay_with_more_than_a_router_has_learned_says_all_that_is_to_be_left_out():
    router = taught(LinUCB(), quality=TOLD["quality"])
    with pytest.raises(DataError, match=r"has costs and latencies.* leave out cost= and latency="):
        play(router, Replay(X, QUALITY, COST, LATENCY, arms=ARMS))


@pytest.mark.parametrize("cap", [0.0, -1.0, float("nan"), "x"])
def test_a_history_refuses_a_cap_that_is_none(tmp_path, cap):
    with pytest.raises(DataError, match=r"latency_cap is .*; give the latency that counts as 1"):
        read_history(tmp_path, latency_cap=cap)
