"""Names of arms keep their shape and meaning, and a prior outlives a clone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from bandits import BaRP, EpsilonGreedy, LinTS, LinUCB, OracleRouter, SquareCB
from bandits._arms import check_arms, names_of, positions_of
from bandits.policy_gradient import MissingPropensityWarning
from metarouter.exceptions import DataError

NAMES = st.one_of(
    st.integers(-(2**70), 2**70),
    st.text(max_size=5).filter(lambda name: not name.endswith("\0")),
    st.tuples(st.text(max_size=3), st.integers()),
)


@given(st.lists(NAMES, min_size=1, max_size=12, unique=True), st.data())
def test_names_come_back_as_they_were_given(arms, data):
    names = check_arms(arms)
    positions = np.array(
        data.draw(st.lists(st.integers(0, len(arms) - 1), min_size=0, max_size=9)), dtype=np.intp
    )
    given_back = names_of(positions, names)
    assert given_back.shape == positions.shape
    assert [names.index(name) for name in given_back.tolist()] == positions.tolist()
    np.testing.assert_array_equal(positions_of(given_back, names), positions)


@pytest.mark.parametrize(
    "arms", [[("x", 1), ("y", 2)], [2**70, -(2**70)], [("x", 1), "y"], [1, "one"]]
)
def test_a_router_speaks_of_its_arms_by_any_name(arms):
    router = LinUCB(0.1, arms=arms, random_state=0).fit(*[np.tile(np.eye(2), (50, 1))] * 2)
    action, _ = router.sample(np.eye(2))
    router.partial_fit(np.eye(2), action, [1.0, 0.0])
    assert router.predict(np.eye(2)).shape == (2,)
    assert router.predict(np.eye(2)).tolist() == arms


def test_text_whose_end_numpy_drops_is_no_name():
    with pytest.raises(DataError, match="last character numpy"):
        LinUCB(arms=("a", "a\0")).fit(np.eye(2), np.eye(2))


def test_a_frame_of_actions_is_refused():
    router = LinUCB(arms=("a", "b"), random_state=0).fit(np.eye(2), np.eye(2))
    frame = pd.DataFrame({"a": ["b", "b"], "b": ["b", "b"]})
    for action in (frame, frame[["a"]], np.array([["a"], ["b"]])):
        with pytest.raises(DataError, match="give one column"):
            router.partial_fit(np.eye(2), action, [1.0, 1.0])
    router.partial_fit(np.eye(2), frame["a"], [1.0, 1.0])


def test_names_are_checked_in_linear_time():
    assert len(check_arms(range(50_000))) == 50_000
    names = [f"model {k}" for k in range(8_000)]
    router = EpsilonGreedy(arms=names, random_state=0).partial_fit(
        np.ones((3, 1)), names[-3:], np.ones(3)
    )
    assert router.arms_ == names


def test_minus_zero_is_zero_to_the_oracle():
    oracle = OracleRouter().fit([[0.0, 1.0], [1.0, 0.0]], np.eye(2))
    assert oracle.predict([[-0.0, 1.0], [1.0, -0.0]]).tolist() == [0, 1]


class TestPrior:
    @pytest.mark.parametrize("make", [LinUCB, LinTS, EpsilonGreedy, SquareCB])
    @pytest.mark.parametrize(
        "as_given",
        [lambda r: r, lambda r: (r, 0.5), FrozenEstimator],
        ids=["bare", "weight", "frozen"],
    )
    def test_a_clone_keeps_it(self, make, as_given):
        X, quality = np.eye(3)[:2], np.array([[1.0, 0.0], [0.0, 1.0]])
        fitted = LinUCB(random_state=0).fit(X, quality)
        router = make(prior=as_given(fitted), random_state=0)
        again = clone(clone(router))
        assert again.get_params(deep=False) == router.get_params(deep=False)
        for one in (router, again):
            one.partial_fit(X[:1], [0], [1.0], arms=(0, 1))
        np.testing.assert_array_equal(again.predict_quality(X), router.predict_quality(X))

    def test_a_search_starts_warm(self):
        rng = np.random.default_rng(0)
        X, quality = rng.random((40, 2)), rng.random((40, 2))
        prior = LinUCB(random_state=0).fit(X, quality)

        def seen(router, X, y=None):
            return float(np.trace(router.posterior_.precision[0]))

        search = GridSearchCV(
            LinUCB(prior=prior, random_state=0), {"alpha": [1.0]}, cv=2, scoring=seen
        ).fit(X, quality)
        cold = GridSearchCV(LinUCB(random_state=0), {"alpha": [1.0]}, cv=2, scoring=seen)
        assert search.best_score_ > cold.fit(X, quality).best_score_ + 1


class TestPolicies:
    def test_feedback_without_propensities_is_learned_with_a_warning(self):
        router = BaRP(epochs=1, device="cpu", random_state=0).fit(np.eye(2), np.eye(2))
        with pytest.warns(MissingPropensityWarning, match="propensity is missing"):
            router.partial_fit(np.eye(2), [0, 1], [1.0, 0.0])

    def test_out_of_the_box_its_cap_is_that_of_the_linear_bandits(self):
        feedback = np.eye(2)[[0, 1, 0]], [0, 1, 1], [1.0, 0.0, 0.5], [0.1, 7.0, 0.2]
        policy = BaRP(arms=(0, 1), device="cpu").partial_fit(*feedback, propensity=[0.5] * 3)
        linear = LinUCB(arms=(0, 1)).partial_fit(*feedback)
        assert policy.caps_ == linear.caps_ == [7.0]
        policy.partial_fit(np.eye(2), [0, 1], [1.0, 1.0], [9.0, 1.0], propensity=[0.5] * 2)
        assert policy.caps_ == [9.0]

    def test_the_paper_settings_are_those_of_section_3_4(self):
        assert BaRP.paper_settings() == {
            "head": "mlp",
            "estimator": "reinforce",
            "entropy": 0.05,
            "learning_rate": 1e-4,
            "weight_decay": 0.0,
            "averaging": 0.0,
            "epochs": 100,
            "batch_size": 32,
            "concentration": 1.0,
        }
        assert BaRP(**BaRP.paper_settings()).get_params()["estimator"] == "reinforce"
