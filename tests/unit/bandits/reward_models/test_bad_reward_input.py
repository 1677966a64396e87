"""Every router among reward models refuses bad input in one sentence, and nothing changes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from reward_worlds import MODELS, topics_world, trained_offline

from bandits import BayesianRouter
from bandits.reward_models import (
    LASER,
    CalibratedPanel,
    FrozenOffline,
    OfflineRewardRouter,
    Racing,
    RewardVerdicts,
    WeightedScore,
    majority_vote,
)
from metarouter.exceptions import DataError

X, CORRECT, _ = topics_world(60, seed=3)
NAMED = {"arms": MODELS, "random_state": 0}
ONLINE = {
    "bayesian": lambda: BayesianRouter(trained_offline(), random_state=0),
    "bayesian without prior": lambda: BayesianRouter(**NAMED),
    "weighted score": lambda: WeightedScore(trained_offline(), random_state=0),
    "laser": lambda: LASER(**NAMED),
    "racing": lambda: Racing(**NAMED),
}


def refused(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    said = str(error.value)
    assert "\n" not in said
    assert ". " not in said.replace("i.e. ", "")


def learned(router):
    return router.partial_fit(X[:4], list(MODELS), quality=[1.0, 0.0, 1.0, 0.0])


@pytest.mark.parametrize("name", ONLINE)
@pytest.mark.parametrize(
    ("features", "action", "quality", "message"),
    [
        (np.full((2, 16), np.nan), ["north", "east"], [1.0, 0.0], "NaN"),
        (X[:2, :5], ["north", "east"], [1.0, 0.0], "X has 5 features"),
        (X[:2], ["north", "up"], [1.0, 0.0], "'up'"),
        (X[:2], ["north", "east"], [np.nan, 0.0], "quality"),
        (X[:2], ["north", "east"], [np.inf, 0.0], "quality"),
        (X[:2], ["north"], [1.0], "1 rows"),
    ],
)
def test_an_online_router_keeps_what_it_knew(name, features, action, quality, message):
    router = learned(ONLINE[name]())
    before = pickle.dumps(router.decision_function(X)) if hasattr(router, "posterior_") else None
    chances, updates = router.predict_proba(X), router.n_updates_
    refused(lambda: router.partial_fit(features, action, quality=quality), message)
    assert router.n_updates_ == updates
    np.testing.assert_array_equal(router.predict_proba(X), chances)
    if before is not None:
        assert pickle.dumps(router.decision_function(X)) == before


@pytest.mark.parametrize("name", [*ONLINE, "frozen", "offline"])
@pytest.mark.parametrize(
    ("features", "message"), [(np.full((2, 16), np.nan), "NaN"), (X[:2, :5], "5 features")]
)
def test_a_choice_needs_the_features_that_were_learned_from(name, features, message):
    fixed = {"frozen": FrozenOffline(trained_offline()), "offline": trained_offline()}
    router = fixed[name] if name in fixed else learned(ONLINE[name]())
    refused(lambda: router.predict(features), message)


@pytest.mark.parametrize("name", ONLINE)
def test_one_pair_is_chosen_for_and_learned_from(name):
    router = learned(ONLINE[name]())
    action, chance = router.sample(X[:1])
    router.partial_fit(X[:1], action, quality=[1.0], propensity=np.clip(chance, 1e-9, 1))
    assert action[0] in MODELS


@pytest.mark.parametrize("make", [BayesianRouter, LASER, Racing])
def test_one_model_alone_is_the_only_choice(make):
    router = make(arms=("north",), random_state=0)
    router.partial_fit(X[:1], ["north"], quality=[1.0])
    assert set(router.predict(X)) == {"north"}


@pytest.mark.parametrize(
    ("features", "correct", "message"),
    [
        (X, CORRECT + 1, "correct holds"),
        (X, np.repeat(CORRECT[:, :1], 2, axis=1), "no pair on which"),
        (X, np.ones((60, 4)), "no pair on which"),
        (X, np.full((60, 4), np.nan), "NaN throughout"),
        (X, CORRECT[:, :1], "one column"),
        (X[:1], np.ones((1, 4)), "no pair on which"),
        (np.full_like(X, np.nan), CORRECT, "NaN"),
        (X, CORRECT[:30], "correct has shape"),
    ],
)
def test_an_offline_router_keeps_what_it_knew(features, correct, message):
    router = OfflineRewardRouter(4, max_epochs=1, random_state=0, device="cpu").fit(X, CORRECT)
    before = pickle.dumps(router)
    refused(lambda: router.fit(features, correct), message)
    assert pickle.dumps(router) == before


def test_one_pair_with_a_disagreement_is_enough_for_a_router_without_features():
    router = OfflineRewardRouter(4, max_epochs=1, random_state=0, device="cpu")
    assert router.fit(X[:1], [[0.0, 1.0]]).predict(X[:1]).tolist() == [1]


@pytest.mark.parametrize(
    ("verdict", "label", "message"),
    [
        ([[2.0, 1.0], [1.0, -1.0]], [1.0, -1.0], "numbers from -1 to 1"),
        ([["a", "b"]], [1.0], "numbers from -1 to 1"),
        ([[np.nan, np.nan], [0.0, np.nan]], [1.0, -1.0], "No model decides"),
        ([[1.0, -1.0]], [1.0], "fewer than two known labels"),
        ([[1.0, -1.0], [1.0, 1.0]], [1.0, 0.5], "something else than 1, -1 and NaN"),
        ([[1.0, -1.0], [1.0, 1.0]], [1.0], "label has shape"),
    ],
)
def test_a_panel_keeps_what_it_knew(verdict, label, message):
    panel = CalibratedPanel().fit([[1.0, -1.0], [-1.0, 1.0]], [1.0, -1.0])
    before = pickle.dumps(panel)
    refused(lambda: panel.fit(verdict, label), message)
    assert pickle.dumps(panel) == before


def test_other_widths_and_ranges_of_verdicts_are_refused():
    panel = CalibratedPanel().fit([[1.0, -1.0], [-1.0, 1.0]], [1.0, -1.0])
    refused(lambda: panel.predict([[1.0, 1.0, 1.0]]), "verdict has 3 columns")
    refused(lambda: majority_vote([[3.0, 1.0]]), "numbers from -1 to 1")
    refused(lambda: RewardVerdicts(np.full((2, 2), 3.0), ["a", "b"]), "verdict holds 3 in row 0")
    refused(lambda: FrozenOffline(OfflineRewardRouter()), "no fitted OfflineRewardRouter")
    with pytest.raises(DataError, match="offline is no fitted"):
        BayesianRouter(OfflineRewardRouter()).sample(X)
