"""Routers that see everything learn what there is to learn, and keep the others' conventions."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from bandits.full_information import (
    GraphRouter,
    Largest,
    RegressionRouter,
    RouterDC,
    Smallest,
)
from metarouter.exceptions import DataError

ALIKE = dict.fromkeys(range(10), 1.0)
NAMED_OUTCOMES = "outcomes are named: fit(X, quality, cost), not fit(X, y)"
LEARNERS = [
    RegressionRouter(),
    RegressionRouter(KNeighborsRegressor(15)),
    RegressionRouter(RandomForestRegressor(30, min_samples_leaf=5)),
    RouterDC(max_epochs=30),
    GraphRouter(max_epochs=150),
]
NAMES = ["ridge", "neighbours", "forest", "RouterDC", "GraphRouter"]
every_learner = pytest.mark.parametrize("router", LEARNERS, ids=NAMES)


@parametrize_with_checks(
    [
        RegressionRouter(KNeighborsRegressor(2)),
        RouterDC(max_epochs=2),
        GraphRouter(max_epochs=2),
        Smallest(ALIKE),
        Largest(ALIKE),
    ],
    expected_failed_checks=lambda router: {"check_fit_score_takes_y": NAMED_OUTCOMES},
)
def test_conventions(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def world():
    """Three arms: one good at each half of the plane, and a dear one that is always right."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    left = X[:, 0] < 0
    right_answer = np.c_[np.where(left, 0.95, 0.1), np.where(left, 0.1, 0.95), np.full(600, 0.95)]
    quality = (rng.random((600, 3)) < right_answer).astype(float)
    cost = np.tile([0.1, 0.1, 1.0], (600, 1))
    return X, quality, cost


@every_learner
class TestLearners:
    def test_a_rule_that_can_be_read_off_the_query_is_found(self, router, world):
        X, quality, cost = world
        fitted = clone(router).set_params(arms=("left", "right", "dear"), random_state=0)
        fitted.fit(X[:400], quality[:400], cost[:400])
        clear = np.abs(X[400:, 0]) > 0.3
        expected = np.where(X[400:, 0] < 0, "left", "right")
        found = fitted.predict(X[400:])
        assert (found == expected)[clear].mean() > 0.95

    def test_every_cell_is_counted_as_read(self, router, world):
        fitted = clone(router).set_params(random_state=0).fit(*(part[:60] for part in world))
        assert fitted.n_revealed_ == 180

    def test_the_same_seed_gives_the_same_router(self, router, world):
        logs = [part[:100] for part in world]
        one, two = (clone(router).set_params(random_state=3).fit(*logs) for _ in range(2))
        np.testing.assert_array_equal(
            one.decision_function(world[0]), two.decision_function(world[0])
        )

    def test_it_survives_a_copy_by_pickle(self, router, world):
        fitted = clone(router).set_params(random_state=0).fit(*(part[:60] for part in world))
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict(world[0]), fitted.predict(world[0]))

    def test_probabilities_are_those_of_what_is_predicted(self, router, world):
        fitted = clone(router).set_params(random_state=0).fit(*(part[:100] for part in world))
        chances = fitted.predict_proba(world[0])
        np.testing.assert_allclose(chances.sum(axis=1), 1.0)
        chosen = fitted.predict(world[0])
        assert (chances[np.arange(len(chosen)), chosen] > 0).all()

    def test_missing_outcomes_are_refused(self, router, world):
        X, quality, cost = (part[:60].copy() for part in world)
        quality[4, 1] = np.nan
        with pytest.raises(DataError, match=r"quality is NaN in 1 cells \(first: row 4, column 1"):
            clone(router).fit(X, quality, cost)


class TestDial:
    def test_one_regression_serves_every_preference(self, world):
        fitted = RegressionRouter(arms=("left", "right", "dear")).fit(*world)
        assert "dear" in fitted.predict(world[0], (1, 0))
        assert "dear" not in fitted.predict(world[0], (0.5, 0.5))
        rows = np.tile([[1.0, 0.0], [0.5, 0.5]], (300, 1))
        mixed = fitted.predict(world[0], rows)
        np.testing.assert_array_equal(mixed[::2], fitted.predict(world[0], (1, 0))[::2])
        np.testing.assert_array_equal(mixed[1::2], fitted.predict(world[0], (0.5, 0.5))[1::2])

    @pytest.mark.parametrize(
        "router", [RouterDC((0.1, 0.6), max_epochs=3), GraphRouter((0.1, 0.6), max_epochs=10)]
    )
    def test_a_query_is_answered_by_the_nearest_trade_off(self, router, world):
        X, *logs = (part[:150] for part in world)
        both = clone(router).set_params(random_state=0).fit(X, *logs)
        for w_cost, near in ((0.1, (0.0, 0.3)), (0.6, (0.4, 1.0))):
            alone = clone(router).set_params(w_cost=w_cost, random_state=0).fit(X, *logs)
            for asked in near:
                np.testing.assert_array_equal(
                    both.decision_function(X, (1 - asked, asked)), alone.decision_function(X)
                )
        rows = np.tile([[1.0, 0.0], [0.2, 0.8]], (75, 1))
        mixed = both.predict(X, rows)
        np.testing.assert_array_equal(mixed[1::2], both.predict(X, (0.2, 0.8))[1::2])

    def test_the_checkpoint_is_chosen_on_queries_held_back(self, monkeypatch, world):
        from bandits.full_information import _router_dc

        values = iter([0.1, 0.9, 0.2, 0.3, 0.4])
        seen = []

        def epochs(parameters, epoch, utility, **options):
            return best_checkpoint(parameters, epoch, lambda: remember(next(values)), **options)

        def remember(value):
            seen.append(value)
            return value

        best_checkpoint = _router_dc.best_checkpoint
        monkeypatch.setattr(_router_dc, "best_checkpoint", epochs)
        stopped = RouterDC(max_epochs=50, patience=3, random_state=0).fit(*world)
        assert seen == [0.1, 0.9, 0.2, 0.3, 0.4]
        monkeypatch.undo()
        # With two epochs of rising value the second is kept: the very same checkpoint.
        values = iter([0.1, 0.9])
        monkeypatch.setattr(_router_dc, "best_checkpoint", epochs)
        second = RouterDC(max_epochs=2, random_state=0).fit(*world)
        np.testing.assert_array_equal(stopped.learned_[0]["arms"], second.learned_[0]["arms"])


class TestRegressionRouter:
    def test_it_predicts_with_the_regression_of_all_outcomes(self, world):
        X, quality, cost = world
        fitted = RegressionRouter(cost_cap=0.5).fit(X, quality, cost)
        ridge = RidgeCV(np.logspace(-2, 4, 13), alpha_per_target=True)
        ridge.fit(X, np.hstack([quality, np.minimum(cost, 0.5) / 0.5]))
        np.testing.assert_allclose(fitted.predict_quality(X), ridge.predict(X)[:, :3])
        np.testing.assert_allclose(fitted.predict_cost(X), ridge.predict(X)[:, 3:] * 0.5)

    def test_without_costs_the_best_quality_is_called(self, world):
        X, quality, _ = world
        fitted = RegressionRouter().fit(X, quality)
        np.testing.assert_array_equal(fitted.predict(X), fitted.predict_quality(X).argmax(axis=1))
        with pytest.raises(DataError, match="seen no costs"):
            fitted.predict_cost(X)
        with pytest.raises(DataError, match="seen no costs"):
            fitted.predict(X, (0.5, 0.5))

    def test_the_seed_reaches_the_regressor(self, world):
        fitted = RegressionRouter(RandomForestRegressor(3), random_state=5).fit(*world)
        assert fitted.regressor_.random_state == 5


class TestBySize:
    QUALITY = pd.DataFrame(np.eye(3), columns=["a", "b", "c"])
    COST = pd.DataFrame([[2.0, 1.0, 9.0]] * 3, columns=["a", "b", "c"])

    def test_the_mean_cost_decides_where_no_size_is_given(self):
        for router, expected in ((Smallest(), "b"), (Largest(), "c")):
            fitted = router.fit(np.eye(3), self.QUALITY, self.COST)
            assert fitted.predict(np.eye(3)).tolist() == [expected] * 3
            assert fitted.arm_ == expected

    def test_costs_above_the_cap_still_tell_arms_apart(self):
        fitted = Largest(cost_cap=1.0).fit(np.eye(3), self.QUALITY, self.COST)
        assert fitted.arm_ == "c"

    def test_sizes_decide_where_they_are_given(self):
        sizes = {"a": 7, "b": 70, "c": 8, "d": 400}
        assert Smallest(sizes).fit(np.eye(3), self.QUALITY, self.COST).arm_ == "a"
        assert Largest(sizes).fit(np.eye(3), self.QUALITY).arm_ == "b"

    def test_arms_without_size_or_cost_are_refused(self):
        with pytest.raises(DataError, match="sizes has no 'c'"):
            Smallest({"a": 1, "b": 2}).fit(np.eye(3), self.QUALITY)
        with pytest.raises(DataError, match="the size or price of 'b' is nan"):
            Smallest({"a": 1, "b": np.nan, "c": 2, "d": 3}).fit(np.eye(3), self.QUALITY)
        with pytest.raises(DataError, match="sizes is 7; give a dict"):
            Smallest(7).fit(np.eye(3), self.QUALITY)
        with pytest.raises(DataError, match="Smallest knows neither sizes nor costs"):
            Smallest().fit(np.eye(3), self.QUALITY)


@pytest.mark.parametrize(
    ("router", "message"),
    [
        (RouterDC(w_cost=1.0), "w_cost is 1.0"),
        (GraphRouter(w_cost=(0.5, -0.1)), r"w_cost is \(0.5, -0.1\)"),
        (RouterDC(w_cost=()), r"w_cost is \(\); give"),
        (RouterDC(learning_rate=0.0), "learning_rate is 0.0"),
        (GraphRouter(max_epochs=0), "max_epochs is 0"),
        (GraphRouter(validation_share=1.0), "validation_share is 1.0"),
        (RouterDC(temperature=0.0), "temperature is 0.0"),
        (RouterDC(n_top=0), "n_top is 0"),
        (GraphRouter(n_tasks=0), "n_tasks is 0"),
        (GraphRouter(visible_share=1.0), "visible_share is 1.0"),
        (GraphRouter(weight_decay=-1.0), "weight_decay is -1.0"),
        (RegressionRouter(cost_cap=0.0), "cost_cap is 0.0"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(router, message, world):
    with pytest.raises(DataError, match=message):
        router.fit(*world)


def test_an_error_leaves_a_fitted_router_as_it_was(world):
    X, quality, cost = world
    router = RegressionRouter().fit(X, quality, cost)
    before = router.predict(X)
    with pytest.raises(DataError, match="cost has shape"):
        router.fit(X[:, :2], quality, cost[:, :2])
    with pytest.raises(DataError, match="X has 2 features"):
        router.predict(X[:, :2])
    np.testing.assert_array_equal(router.predict(X), before)


def test_training_leaves_the_global_state_of_torch_alone(world):
    torch = pytest.importorskip("torch")
    before = torch.random.get_rng_state()
    for router in (RouterDC(max_epochs=2), GraphRouter(max_epochs=2)):
        router.fit(*(part[:40] for part in world))
    assert (torch.random.get_rng_state() == before).all()


def test_routers_load_torch_only_when_they_are_trained():
    code = """
import sys
from bandits.full_information import GraphRouter, RouterDC
assert "torch" not in sys.modules
RouterDC(max_epochs=1).fit([[0.0], [1.0]], [[0.0, 1.0], [1.0, 0.0]])
assert "torch" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
