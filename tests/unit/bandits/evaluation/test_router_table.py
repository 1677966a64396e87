"""The table of routers: means, errors, shares, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oracles.router_table import outcomes_of

from bandits import Constant, LinUCB
from bandits.evaluation import router_table
from metarouter.exceptions import DataError, MetaRouterError

ARMS = ["large", "medium", "small"]
RNG = np.random.default_rng(0)
QUALITY = (RNG.random((60, 3)) < (0.9, 0.7, 0.5)).astype(float)
COST = RNG.gamma(4.0, (1.0, 0.4, 0.1), size=(60, 3))
CHOICES = {name: RNG.integers(3, size=60) for name in ("one", "two")}
NAMED = {name: np.array(ARMS)[chosen] for name, chosen in CHOICES.items()}


def table(routers=NAMED, quality=QUALITY, cost=COST, **options):
    return router_table(routers, None, quality, cost, **{"arms": ARMS, "cost_cap": 3.0} | options)


@pytest.mark.parametrize("preference", [(0.5, 0.5), (0.2, 0.8), (1.0, 0.0)])
def test_means_are_those_of_looking_at_one_query_after_another(preference):
    found = table(preference=preference)
    for k, chosen in enumerate(CHOICES.values()):
        expected = outcomes_of(chosen, QUALITY, COST, preference, 3.0)
        got = [e.value[k] for e in (found.score, found.cost, found.reward, found.regret)]
        assert got == pytest.approx(expected)


def test_errors_are_those_of_means_and_of_paired_differences():
    found = table()
    rows = np.arange(60)
    rewards = 0.5 * QUALITY - 0.5 * np.minimum(COST / 3, 1)
    one, two = (rewards[rows, chosen] for chosen in CHOICES.values())
    assert found.reward.se == pytest.approx([one.std(ddof=1) / 60**0.5, two.std(ddof=1) / 60**0.5])
    assert found.difference.value == pytest.approx([0, (two - one).mean()])
    assert np.isnan(found.difference.se[0])  # a router never differs from itself
    assert found.difference.se[1] == pytest.approx((two - one).std(ddof=1) / 60**0.5)


def test_each_row_may_have_a_preference_of_its_own():
    pairs = np.column_stack([np.linspace(0, 1, 60), np.linspace(1, 0, 60)])
    rewards = pairs[:, :1] * QUALITY - pairs[:, 1:] * np.minimum(COST / 3, 1)
    found = table(preference=pairs)
    assert found.reward.value[0] == pytest.approx(rewards[np.arange(60), CHOICES["one"]].mean())


def test_a_fitted_router_is_asked_with_the_preference():
    X = RNG.normal(size=(60, 2))
    router = LinUCB(arms=ARMS, random_state=0).fit(X, QUALITY, COST)
    asked = router_table({"r": router}, X, QUALITY, COST, arms=ARMS, preference=(0.3, 0.7))
    told = table({"r": router.predict(X, preference=(0.3, 0.7))}, preference=(0.3, 0.7))
    assert asked.score.value == told.score.value
    constant = Constant("small", arms=ARMS).fit(X, QUALITY, COST)
    share = router_table({"c": constant}, X, QUALITY, COST, arms=ARMS).share
    assert share.value.tolist() == [0.0, 0.0, 1.0]


def test_a_router_that_tosses_coins_is_judged_by_its_expectation():
    coins = np.full((60, 3), 1 / 3)
    found = table({"random": coins, **NAMED})
    assert found.score.value[0] == pytest.approx(QUALITY.mean())
    assert found.cost.value[0] == pytest.approx(COST.mean())


def test_shares_say_where_the_queries_went():
    frame = table().shares_frame()
    expected = [(CHOICES["two"] == k).mean() for k in range(3)]
    assert frame[frame.router == "two"].share.tolist() == pytest.approx(expected)
    assert frame.arm.tolist() == 2 * ARMS


def test_no_router_beats_the_oracle_and_of_equal_arms_it_takes_the_cheapest():
    rewards = 0.5 * QUALITY - 0.5 * np.minimum(COST / 3, 1)
    best = rewards.argmax(axis=1)
    found = table({"best": np.array(ARMS)[best], **NAMED})
    assert found.regret.value[0] == pytest.approx(0)
    assert (found.regret.value[1:] > 0).all()


def test_names_come_from_the_columns():
    frame = pd.DataFrame(QUALITY, columns=ARMS)
    named = router_table(NAMED, None, frame, COST)
    assert named.arms == tuple(ARMS)
    assert named.cost.value == pytest.approx(table().cost.value)


def test_columns_in_two_orders_are_refused():
    quality, cost = (pd.DataFrame(values, columns=ARMS) for values in (QUALITY, COST))
    with pytest.raises(DataError, match="put them in one order"):
        router_table(NAMED, None, quality, cost[ARMS[::-1]])


def test_without_costs_quality_is_the_reward():
    found = router_table({"r": NAMED["one"]}, None, QUALITY, arms=ARMS)
    assert found.reward.value == found.score.value
    assert np.isnan(found.cost.value).all()


def test_rows_of_several_seeds_are_clustered_both_ways():
    twice = {name: np.tile(chosen, 2) for name, chosen in NAMED.items()}
    seed, query = np.repeat([0, 1], 60), np.tile(np.arange(60), 2)
    repeated = table(
        twice, np.tile(QUALITY, (2, 1)), np.tile(COST, (2, 1)), groups=np.c_[seed, query]
    )
    # The second seed chose the very same: it says nothing new.
    assert repeated.reward.se == pytest.approx(table().reward.se)


def test_frame_and_markdown_carry_the_numbers():
    found = table(reference="two")
    assert found.to_frame().columns.tolist() == [
        "router", "score", "se_score", "cost", "se_cost", "reward", "se_reward", "regret",
        "se_regret", "difference", "se_difference", "difference_low", "difference_high",
    ]  # fmt: skip
    assert "| reward minus two |" in found.to_markdown()
    assert f"{found.score.value[0]:.4f}" in found.to_markdown()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"routers": {"r": ["large"]}}, r"choices of 'r' have shape \(1,\), but there are 60"),
        ({"routers": {"r": ["huge"] * 60}}, r"choices of 'r' do not fit: .*'huge' in row 0"),
        ({"routers": {"r": np.full((60, 3), 0.5)}}, r"do not add up to 1 in 60 of 60 rows"),
        ({"routers": {"r": LinUCB()}}, r"router 'r' must be asked, but X is None"),
        ({"quality": np.where(QUALITY == 1, np.nan, 0)}, r"quality is NaN in \d+ of 60 rows"),
        ({"cost": COST[:5]}, r"cost has shape \(5, 3\)"),
        ({"cost": -COST}, r"cost is negative in 180 cells"),
        ({"arms": ["a", "b"]}, r"arms has 2 names but quality has 3 columns"),
        ({"preference": (0.5, 0.6)}, r"give two weights of at least 0 that sum to 1"),
        ({"cost_cap": 0.0}, r"cost_cap is 0.0"),
    ],
)
def test_mistakes_are_said_in_one_sentence(options, message):
    with pytest.raises(DataError, match=message):
        table(**options)


def test_no_router_and_an_unknown_reference_are_refused():
    with pytest.raises(MetaRouterError, match="at least one router"):
        table({})
    with pytest.raises(MetaRouterError, match="reference 'three' is not among the routers"):
        table(reference="three")


def test_it_prints_and_draws_like_every_result():
    found = table(reference="two")
    assert "Routers on the same queries" in found.summary()
    assert f"{found.score.value[0]:.2f} (" in found.to_latex(decimals=2)
    axes = found.plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
    assert axes.get_xlabel() == "reward minus that of two, 95% intervals"
