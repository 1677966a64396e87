"""A scenario changes what arms do, which there are, or what is told of them, and nothing else."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from scipy import stats

from bandits import LinUCB, Replay
from bandits.play import play
from bandits.scenarios import (
    CensoredFeedback,
    DelayedFeedback,
    MissingFeedback,
    NewModel,
    PoisonedFeedback,
    PriceChange,
    QualityDrift,
    QualitySwap,
    Stream,
    WithdrawnModel,
    standard_scenarios,
)
from metarouter.exceptions import DataError

N = 4000
RNG = np.random.default_rng(0)
QUALITY = RNG.integers(2, size=(N, 3)) * 1.0
COST = RNG.random((N, 3))


@pytest.fixture
def stream():
    return Stream.of(Replay(np.zeros((N, 1)), QUALITY, COST, arms=("a", "b", "c")))


def changed(stream, *scenarios, seed=0):
    return stream.under(scenarios, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("scenario", "what"),
    [
        (PriceChange("b", 2.0, at=5), "cost"),
        (QualityDrift("b", -0.3, at=5, over=10), "quality"),
        (QualitySwap("a", "b", at=5), "quality"),
        (NewModel("b", at=5), "available"),
        (WithdrawnModel("b", at=5), "available"),
        (DelayedFeedback(3), "delay"),
        (MissingFeedback(0.2), "delay"),
        (CensoredFeedback(0.5, 0.1), "delay"),
        (PoisonedFeedback(0.2), "error"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_scenario_changes_one_thing_and_leaves_the_replay_alone(stream, scenario, what):
    before = {name: np.array(getattr(stream, name)) for name in ("quality", "cost", "available")}
    after = changed(stream, scenario)
    for name in ("quality", "cost", "available", "delay", "error"):
        same = np.array_equal(getattr(stream, name), getattr(after, name))
        assert same is (name != what), name
    for name, values in before.items():
        assert np.array_equal(getattr(stream, name), values)
    field = fields(scenario)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(scenario, field, None)


def test_a_new_price_holds_from_its_round_on(stream):
    after = changed(stream, PriceChange("b", 0.25, at=100))
    np.testing.assert_allclose(after.cost[100:, 1], COST[100:, 1] / 4)
    assert np.array_equal(after.cost[:100], COST[:100])
    assert np.array_equal(after.cost[:, [0, 2]], COST[:, [0, 2]])


def test_quality_drifts_linearly_and_stays_in_its_range(stream):
    after = changed(stream, QualityDrift("c", -0.4, at=1000, over=2000)).quality[:, 2]
    assert np.array_equal(after[:1000], QUALITY[:1000, 2])
    ones = QUALITY[:, 2] == 1
    assert (after[~ones] == 0).all()
    np.testing.assert_allclose(after[2000:3000][ones[2000:3000]].mean(), 1 - 0.4 * 0.75, atol=0.01)
    assert after[3000:][ones[3000:]] == pytest.approx(0.6)


def test_a_sudden_drift_begins_at_its_round(stream):
    after = changed(stream, QualityDrift("c", 0.5, at=1000)).quality[:, 2]
    assert np.array_equal(after[:1000], QUALITY[:1000, 2])
    assert after[1000:].min() == 0.5


def test_two_arms_trade_places_in_more_and_more_rounds(stream):
    after = changed(stream, QualitySwap("a", "c", at=1000, over=2000)).quality
    differ = QUALITY[:, 0] != QUALITY[:, 2]
    swapped = (after[:, 0] != QUALITY[:, 0])[differ]
    thirds = np.flatnonzero(differ)
    assert not swapped[thirds < 1000].any()
    assert swapped[thirds >= 3000].all()
    half = swapped[(thirds >= 1900) & (thirds < 2100)].mean()
    assert abs(half - 0.5) < 3 * np.sqrt(0.25 / ((thirds >= 1900) & (thirds < 2100)).sum())
    assert np.array_equal(np.sort(after[:, [0, 2]]), np.sort(QUALITY[:, [0, 2]]))


def test_arms_are_there_when_they_are(stream):
    after = changed(stream, NewModel("b", at=7), WithdrawnModel("a", at=9)).available
    assert np.array_equal(np.flatnonzero(after[:, 1]), np.arange(7, N))
    assert np.array_equal(np.flatnonzero(after[:, 0]), np.arange(9))
    assert after[:, 2].all()


def test_delays_may_be_drawn_and_add_up(stream):
    after = changed(stream, DelayedFeedback(stats.poisson(20)), DelayedFeedback(5)).delay
    assert (after == after[:, :1]).all()
    assert abs(after[:, 0].mean() - 25) < 3 * np.sqrt(20 / N)


def test_a_share_of_the_feedback_never_comes_whatever_it_would_say(stream):
    silent = np.isinf(changed(stream, MissingFeedback(0.3)).delay)
    assert abs(silent[:, 0].mean() - 0.3) < 3 * np.sqrt(0.21 / N)
    for value in (0.0, 1.0):
        rows = QUALITY[:, 0] == value
        assert abs(silent[rows, 0].mean() - 0.3) < 4 * np.sqrt(0.21 / rows.sum())


def test_censored_feedback_comes_less_often_where_quality_is_low(stream):
    silent = np.isinf(changed(stream, CensoredFeedback(0.8, 0.1)).delay)
    for value, share in ((0.0, 0.8), (1.0, 0.1)):
        cells = value == QUALITY
        assert abs(silent[cells].mean() - share) < 0.03


def test_poisoned_feedback_says_the_opposite(stream):
    after = changed(stream, PoisonedFeedback(0.25))
    told = after.quality + after.error
    lies = told != QUALITY
    assert (told[lies] == 1 - QUALITY[lies]).all()
    assert abs(lies[:, 0].mean() - 0.25) < 3 * np.sqrt(0.1875 / N)
    only = changed(stream, PoisonedFeedback(0.25, arm="b")).error
    assert not only[:, [0, 2]].any()
    assert only[:, 1].any()


def test_feedback_lies_about_what_the_world_has_become_in_whatever_order_they_are_given(stream):
    drift, poison = QualityDrift("a", -0.5, at=0), PoisonedFeedback(1.0)
    for scenarios in ([drift, poison], [poison, drift]):
        after = changed(stream, *scenarios)
        np.testing.assert_allclose(after.quality + after.error, 1 - after.quality)


def test_a_scenario_more_does_not_change_the_draws_of_those_before(stream):
    one = changed(stream, MissingFeedback(0.3))
    two = changed(stream, MissingFeedback(0.3), QualitySwap("a", "b", at=3, over=50))
    assert np.array_equal(one.delay, two.delay)
    assert not np.array_equal(one.delay, changed(stream, MissingFeedback(0.3), seed=1).delay)


def test_cells_without_a_record_stay_without_one():
    quality = np.where(QUALITY[:, :2] == 1, np.nan, 0.5)
    stream = Stream.of(Replay(np.zeros((N, 1)), quality))
    after = changed(
        stream, QualityDrift(0, 0.1, at=0), CensoredFeedback(0.5, 0.1), PoisonedFeedback(0.5)
    )
    assert np.array_equal(np.isnan(after.quality), np.isnan(quality))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: PriceChange("a", -1.0, at=0),
            "factor of PriceChange is -1.0; give a number from 0 up",
        ),
        (lambda: QualityDrift("a", np.nan, at=0), "change of QualityDrift is nan"),
        (
            lambda: QualityDrift("a", 0.1, at=0, over=0),
            "over of QualityDrift is 0; give a whole number",
        ),
        (lambda: QualitySwap("a", "b", at=0, over=0), "over of QualitySwap is 0"),
        (
            lambda: MissingFeedback(1.2),
            "share of MissingFeedback is 1.2; give a number from 0 to 1",
        ),
        (lambda: CensoredFeedback(0.5, -1), "share_at_best of CensoredFeedback is -1"),
        (lambda: PoisonedFeedback(np.nan), "share of PoisonedFeedback is nan"),
        (lambda: MissingFeedback("some"), "share of MissingFeedback is 'some'"),
        (lambda: PriceChange("a", None, at=0), "factor of PriceChange is None"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (QualitySwap("a", "d", at=0), r"names 'd'.*choose one of 'a', 'b', 'c'"),
        (QualityDrift("a", 0.1, at=N), "begins at round 4000"),
        (DelayedFeedback(-2), "a delay of -2 rounds"),
        (DelayedFeedback("long"), "a delay of 'long' rounds"),
        (NewModel("a", at=1.5), "at is 1.5; give a whole number"),
        (WithdrawnModel("a", at="soon"), "at is 'soon'"),
    ],
)
def test_scenarios_that_do_not_fit_the_replay_are_refused(stream, scenario, message):
    with pytest.raises(DataError, match=message):
        changed(stream, scenario)


def test_prices_change_only_where_there_are_some():
    stream = Stream.of(Replay(np.zeros((N, 1)), QUALITY))
    with pytest.raises(DataError, match="needs costs"):
        changed(stream, PriceChange(0, 2.0, at=0))


def test_the_standard_worlds_are_about_the_best_arm_and_can_be_played():
    quality = QUALITY[:200] * [0.2, 1.0, 0.5]
    worlds = standard_scenarios(Replay(np.zeros((200, 1)), quality, COST[:200], arms=list("abc")))
    assert worlds["drifting"] == (QualitySwap("b", "a", at=66, over=66),)
    assert worlds["cold_start"] == (NewModel("b", at=100),)
    free = Replay(np.ones((200, 1)), quality)
    assert set(worlds) - set(standard_scenarios(free)) == {"dearer"}
    for scenario in standard_scenarios(free).values():
        log = play(LinUCB(random_state=0), free, scenario=scenario)
        assert (log.regret >= 0).all()
        free.reset()
