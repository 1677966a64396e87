"""What other libraries of linear bandits get wrong, and these do not."""

from __future__ import annotations

import tracemalloc

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from bandits import EpsilonGreedy, LinTS, LinUCB, SquareCB

ROUTERS = [LinUCB(), LinTS(), EpsilonGreedy(0.2), SquareCB()]
K, D = 11, 24


def cold(router, **parameters):
    """A router that knows its arms and its features, and has seen one context of nothing."""
    fresh = clone(router).set_params(arms=range(K), fit_intercept=False, **parameters)
    return fresh.partial_fit(np.zeros((1, D)), [0], [0.0])


@pytest.fixture
def context():
    return np.random.default_rng(0).normal(size=(1, D))


def test_the_width_at_cold_start_is_that_of_the_prior(context):
    router = cold(LinUCB(alpha=1.0), prior_precision=100.0, random_state=0)
    length = np.linalg.norm(context)
    np.testing.assert_allclose(np.sqrt(router.posterior_.variances(context)), length / 10.0)
    np.testing.assert_allclose(router.posterior_.means(context), 0.0)


@pytest.mark.parametrize("router", [LinUCB(), EpsilonGreedy(0.0), SquareCB()], ids=str)
def test_arms_that_nothing_is_known_of_are_chosen_alike(router, context):
    unlearned = cold(router, random_state=1)
    first, propensity = zip(*(unlearned.sample(context) for _ in range(550)), strict=True)
    counts = np.bincount(np.ravel(first), minlength=K)
    # Chi squared with 10 degrees of freedom exceeds 29.6 once in a thousand times.
    assert ((counts - 50) ** 2 / 50).sum() < 29.6
    np.testing.assert_allclose(propensity, 1 / K)


def test_widths_that_differ_by_rounding_are_ties():
    # Equal precisions, reached in different orders of the same rows.
    rng = np.random.default_rng(2)
    X = rng.normal(size=(40, D))
    router = cold(LinUCB(), random_state=0)
    for arm in range(K):
        router.partial_fit(X[rng.permutation(40)], [arm] * 40, np.zeros(40))
        router.predict_proba(X[:1])
    np.testing.assert_allclose(router.predict_proba(rng.normal(size=(5, D))), 1 / K)


@pytest.mark.parametrize("router", ROUTERS, ids=lambda router: type(router).__name__)
def test_the_seed_zero_is_a_seed(router, context):
    streams = []
    for _ in range(2):
        seeded = cold(router, random_state=0)
        streams.append([seeded.sample(context)[0][0] for _ in range(30)])
    assert streams[0] == streams[1]
    assert len(set(streams[0])) > 1


@pytest.mark.parametrize(
    ("router", "name"),
    [(LinUCB(), "alpha"), (LinTS(), "scale"), (EpsilonGreedy(), "epsilon"), (SquareCB(), "gamma")],
    ids=lambda value: str(value),
)
def test_exploration_is_tuned_after_training_without_training_again(router, name):
    rng = np.random.default_rng(3)
    X, quality = rng.normal(size=(300, 4)), rng.random((300, 3))
    fitted = router.set_params(random_state=0).fit(X, quality)
    before, learned = fitted.predict_proba(X), fitted.posterior_.coef.copy()
    after = fitted.set_params(**{name: 0.5}).predict_proba(X)
    assert np.abs(after - before).max() > 1e-3
    assert (fitted.posterior_.coef == learned).all()


def test_contexts_of_a_batch_get_draws_of_their_own():
    router = cold(LinTS(), random_state=0)
    x = np.random.default_rng(4).normal(size=(1, D))
    # Were the coefficients drawn once for all, equal contexts would all get the same arm, and a
    # context and its mirror image opposite ones.
    action, _ = router.sample(np.concatenate([np.tile(x, (3000, 1)), np.tile(-x, (3000, 1))]))
    assert np.abs(np.bincount(action[:3000], minlength=K) / 3000 - 1 / K).max() < 0.03
    same = (action[:3000] == action[3000:]).mean()
    assert same == pytest.approx(1 / K, abs=4 * np.sqrt(1 / K * (1 - 1 / K) / 3000))


@pytest.mark.parametrize("router", ROUTERS[:2], ids=lambda router: type(router).__name__)
@pytest.mark.parametrize("ask", ["predict", "sample", "predict_proba"])
def test_ten_thousand_contexts_need_little_memory_of_their_own(router, ask):
    X = np.random.default_rng(5).normal(size=(10_000, D))
    fitted = cold(router, random_state=0)
    getattr(fitted, ask)(X[:2000])
    tracemalloc.start()
    getattr(fitted, ask)(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # the contexts themselves are 2 MB, with 386 features 31 MB


def test_a_router_that_is_read_from_a_mapped_file_learns_like_its_original(tmp_path):
    # So do workers of joblib get it, who must not write to what they were given.
    rng = np.random.default_rng(6)
    X, quality = rng.normal(size=(100, D)), rng.random((100, K))
    router = LinUCB(random_state=0).fit(X, quality)
    joblib.dump(router, tmp_path / "router")
    mapped = joblib.load(tmp_path / "router", mmap_mode="r")
    for learner in (router, mapped):
        for x, row in zip(X, quality, strict=True):
            action, propensity = learner.sample(x[None])
            learner.partial_fit(x[None], action, row[action], propensity=propensity)
    np.testing.assert_allclose(
        mapped.posterior_.precision, router.posterior_.precision, rtol=0, atol=1e-9
    )
    assert (mapped.predict(X) == router.predict(X)).all()


def test_a_context_that_is_changed_after_feedback_was_learned_as_it_was():
    router, x = cold(LinUCB(), random_state=0), np.ones((1, D))
    router.partial_fit(x, [0], [1.0])
    x[:] = 100.0
    np.testing.assert_allclose(np.tril(router.posterior_.precision[0])[1:, 0], 1.0)
