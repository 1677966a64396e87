"""Whatever is refused leaves no trace, and threads that share a router see it whole."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from bandits import BaRP, Constant, EpsilonGreedy, LinTS, LinUCB, RandomRouter, SquareCB
from bandits.replay import ReplayError
from metarouter.exceptions import DataError

RNG = np.random.default_rng(0)
X, QUALITY, COST = RNG.normal(size=(40, 3)), RNG.random((40, 2)), RNG.random((40, 2))
ARMS = ("large", "small")
FEEDBACK = {"X": X[:2], "action": ["large", "small"], "quality": [1.0, 0.0], "cost": [0.1, 0.2]}


def everything(router):
    """All that a router knows, in a form that can be compared."""
    known = {k: repr(v) for k, v in vars(router).items() if k not in ("_lock", "posterior_")}
    for name in ("_ties", "_exploration"):
        if name in known:
            known[name] = repr(getattr(router, name).bit_generator.state)
    if hasattr(router, "posterior_"):
        known["moment"] = router.posterior_.moment.tobytes()
        known["coef"] = router.posterior_.coef.tobytes()
    return known


def fitted(router=None):
    return (router or LinUCB(arms=ARMS, random_state=0)).fit(X, QUALITY, COST)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"action": ["large", "medium"]}, "'medium' in row 1"),
        ({"quality": [np.nan, 1.0]}, "quality is NaN"),
        ({"cost": [-1.0, 0.2]}, "cost is negative"),
        ({"propensity": [0.0, 0.5]}, "propensity is 0 in row 0"),
        ({"X": X[:2] * np.nan}, "X is NaN"),
        ({"arms": ("large", "large")}, "twice"),
    ],
)
@pytest.mark.parametrize(
    "router", [LinUCB(arms=ARMS), RandomRouter(arms=ARMS), BaRP(arms=ARMS, epochs=2)]
)
def test_a_router_whose_first_feedback_is_wrong_has_not_begun(router, wrong, message):
    router = clone(router)
    before = everything(router)
    with pytest.raises(DataError, match=message):
        router.partial_fit(**{**FEEDBACK, **wrong})
    assert everything(router) == before
    router.partial_fit(X[:2, :2], ["large", "small"], [1.0, 0.0])  # other features are welcome


@pytest.mark.parametrize(
    "logs",
    [
        {"X": X, "quality": np.where(np.arange(40)[:, None] == 20, np.nan, QUALITY), "cost": COST},
        {"X": X, "quality": QUALITY, "cost": -COST},
        {"X": RNG.normal(size=(40, 4)), "quality": QUALITY * np.inf},
        {"X": X[:, :2], "quality": QUALITY[:, :1]},
        {"X": X, "quality": QUALITY, "cost": COST, "preference": (0.9, 0.9)},
    ],
    ids=["no record halfway", "negative cost", "infinite quality", "an arm less", "preference"],
)
def test_a_router_that_cannot_be_trained_anew_stays_as_it_was(logs):
    router = fitted()
    before = everything(router)
    with pytest.raises(ValueError, match=r"."):
        router.fit(**logs)
    assert everything(router) == before
    assert router.predict(X).shape == (40,)


@pytest.mark.parametrize(
    ("router", "message"),
    [
        (LinUCB(-1.0), "alpha is -1.0; give a number of at least 0"),
        (LinUCB(np.nan), "alpha is nan"),
        (LinTS("wide"), "scale is 'wide'"),
        (EpsilonGreedy(1.5), "epsilon is 1.5; give a number from 0 to 1"),
        (SquareCB(np.inf), "gamma is inf"),
        (Constant("medium"), "There is no arm 'medium'"),
        (LinUCB(prior_precision="1"), "prior_precision is '1'"),
        (LinUCB(discount=None), "discount is None"),
        (LinUCB(cost_cap="1"), "cost_cap is '1'"),
        (LinUCB(prior=()), "prior is a tuple that does not fit"),
        (LinUCB(prior=(LinUCB(arms=ARMS).fit(X, QUALITY, COST), -1)), "weight of prior is -1"),
        (LinUCB(arms="ab"), "arms is 'ab'; give a list of names"),
        (LinUCB(arms=2), "arms is 2; give a list of names"),
        (LinUCB(arms=[["a"], ["b"]]), r"arms holds \['a'\], which is no name"),
        (LinUCB(arms=["a", None]), "arms holds None"),
        (LinUCB(arms=[np.nan, "b"]), "arms holds nan"),
        (LinUCB(random_state="x"), "random_state is 'x'"),
    ],
    ids=lambda value: " ".join(repr(value).split())[:40],
)
def test_settings_that_mean_nothing_are_refused_before_anything_is_learned(router, message):
    router.set_params(arms=router.arms or ARMS)
    before = everything(router)
    with pytest.raises(ValueError, match=message) as caught:
        router.fit(X, QUALITY, COST)
    assert "\n" not in str(caught.value)
    assert everything(router) == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"X": X[0]}, r"X has shape \(3,\); give a table"),
        ({"X": sparse.csr_matrix(X[:2])}, "X is sparse"),
        ({"X": X[:2] + 1j}, "X is complex"),
        ({"X": [[1.0], [1.0, 2.0]]}, "different lengths"),
        ({"X": [["a", "b", "c"]] * 2}, "which is not a number"),
        ({"X": np.full((2, 3), 1e7)}, "X holds 1e.07 in row 0 of column 0, so large"),
        ({"X": pd.DataFrame(X[:2], columns=["a", "a", "b"])}, "2 columns named 'a'"),
        ({"action": None}, "action is None; give the name of the arm called"),
        ({"action": "large"}, "action is 'large'"),
        ({"action": 1}, "action is 1;"),
        ({"action": np.array(["large"])[0]}, "action is"),
        ({"action": pd.Series(["large", None], dtype="string[pyarrow]")}, "holds <NA> in row 1"),
        (
            {"quality": [1e308, 0.0]},
            r"quality is 1e\+308 in row 0; give numbers of at most 1e\+100",
        ),
        (
            {"quality": np.array(["2020", "2021"], dtype="datetime64[D]")},
            "quality holds dates or times",
        ),
        ({"propensity": [1.0000001, 0.5]}, "propensity is 1.0000001 in row 0"),
    ],
)
def test_odd_types_are_refused_in_one_sentence_and_nothing_is_learned(wrong, message):
    router = fitted()
    before = everything(router)
    with pytest.raises(DataError, match=message) as caught:
        router.partial_fit(**{**FEEDBACK, **wrong})
    assert "\n" not in str(caught.value)
    assert everything(router) == before


@pytest.mark.parametrize(
    "right",
    [
        {"X": X[:2].astype(np.float32)},
        {"X": X[:2].astype(object)},
        {"X": X[:2].tolist()},
        {"X": X[:2] > 0},
        {"action": pd.Series(["large", "small"], dtype="string[pyarrow]")},
        {"action": pd.Categorical(["large", "small"])},
        {"quality": [True, False]},
        {"quality": pd.Series([1.0, 0.0], dtype="double[pyarrow]")},
        {"propensity": np.array([1, 1])},
    ],
    ids=lambda value: " ".join(repr(value).split())[:40],
)
def test_odd_types_that_say_clearly_what_they_mean_are_learned(right):
    router = fitted().partial_fit(**{**FEEDBACK, **right})
    assert router.n_updates_ == 42
    assert np.isfinite(router.predict_quality(X)).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "router", [LinUCB(arms=ARMS), RandomRouter(arms=ARMS), BaRP(arms=ARMS, epochs=2)]
)
def test_single_precision_is_no_reason_to_warn(router):
    told = {**FEEDBACK, "X": X[:2].astype(np.float32), "propensity": [0.5, 0.5]}
    router = clone(router).partial_fit(**told)
    assert router.predict(X.astype(np.float32)).shape == (40,)


def test_arms_may_be_numbers_and_texts_that_look_alike():
    router = LinUCB(arms=(np.int64(1), "1"), random_state=0).fit(X, QUALITY, COST)
    assert router.arms_ == [1, "1"]
    assert set(router.predict(X)) <= {1, "1"}
    router.partial_fit(X[:2], [np.int32(1), "1"], [1.0, 0.0], [0.1, 0.1])
    assert router.add_arm(np.int64(7)).remove_arm(np.int64(1)).arms_ == ["1", 7]


def test_features_that_cannot_be_told_apart_are_no_silent_nan():
    router = LinUCB(arms=ARMS, random_state=0, prior_precision=1e-3)
    rows = np.full((3000, 2), 524288.0)
    router.partial_fit(rows, np.tile(ARMS, 1500), np.ones(3000))
    with pytest.raises(DataError, match="rounding errors have eaten up the ridge penalty"):
        router.predict(rows[:1])


class TestThreads:
    """Switches between threads as often as can be, so that a race shows."""

    @pytest.fixture(autouse=True)
    def _restless(self):
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(interval)

    def test_the_first_feedback_of_many_threads_is_all_learned(self):
        for _ in range(20):
            router = LinUCB(arms=ARMS, random_state=0)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda k: router.partial_fit(X[[k]], ["large"], [1.0]), range(16)))  # noqa: B023
            assert router.n_updates_ == 16
            held = router.posterior_.arrays()["precision"][0]
            design = np.column_stack([X[:16], np.ones(16)])
            expected = np.tril(np.eye(4) + design.T @ design)
            np.testing.assert_allclose(np.tril(held), expected, atol=1e-12)

    def test_a_prediction_is_named_as_it_was_scored_though_an_arm_goes_meanwhile(self):
        class Interrupted(LinUCB):
            def decision_function(self, X, preference=None):
                scores = super().decision_function(X, preference)
                self.remover = Thread(target=self.remove_arm, args=["a"])
                self.remover.start()
                self.remover.join(0.05)
                return scores

        router = Interrupted(arms=("a", "b", "c"), random_state=0)
        router.fit(X, np.tile([0, 1, 0], (40, 1)))
        assert set(router.predict(X)) == {"b"}
        router.remover.join()
        assert router.arms_ == ["b", "c"]

    @pytest.mark.parametrize("router", [LinUCB, RandomRouter, Constant])
    def test_what_is_predicted_has_the_name_of_an_arm_that_is_there(self, router):
        shared = router(arms=("a", "b", "c"), random_state=0).fit(X, np.tile([0, 0, 1], (40, 1)))
        over = []

        def change():
            for k in range(300):
                shared.add_arm(f"new-{k}", like="c")
                shared.remove_arm(f"new-{k}")
            over.append(True)

        def ask():
            while not over:
                for action in (shared.predict(X[:5]), shared.sample(X[:5])[0]):
                    assert len(action) == 5

        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(change), *(pool.submit(ask) for _ in range(3))]
            for job in jobs:
                job.result()


def test_a_policy_whose_training_fails_stays_as_it_was():
    router = fitted(BaRP(arms=ARMS, epochs=2, random_state=0))
    before, state = everything(router), router._policy.values.tobytes()
    halfway = np.where(np.arange(40)[:, None] == 20, np.nan, QUALITY)
    with pytest.raises(ReplayError, match="The quality of arm"):
        router.fit(X, halfway, COST)
    with pytest.raises(DataError, match="propensity is 0 in row 0"):
        router.partial_fit(**FEEDBACK, propensity=[0.0, 0.5])
    with pytest.raises(DataError, match="propensity is None"):
        router.fit_logged(**FEEDBACK, propensity=None)
    assert everything(router) == before
    assert router._policy.values.tobytes() == state
