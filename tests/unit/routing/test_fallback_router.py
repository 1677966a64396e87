from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from metarouter import ConstantShift, MetaRouter, ThresholdRouter, load_router, save_router
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.routing.fallback_router import FallbackRouter


def inner(X: np.ndarray) -> ThresholdRouter:
    return ThresholdRouter(LinearRegression(), models=("small", "large")).fit(X, X[:, 0])


def queries(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 5))


def far(n: int) -> np.ndarray:
    return queries(n, 1) - 9 * np.eye(5)[0]


def test_ordinary_queries_are_sent_away_as_rarely_as_was_said() -> None:
    X = queries(1000, 0)
    router = FallbackRouter(inner(X), level=0.05).fit(X)
    assert abs(router.needs_label(queries(4000, 1)).mean() - 0.05) < 0.02


def test_queries_of_another_kind_go_to_the_primary_model() -> None:
    X, other = queries(500, 0), far(200)
    router = FallbackRouter(inner(X)).fit(X)
    assert set(router.router.predict(other)) == {"small"}
    assert set(router.predict(other)) == {"large"}
    assert router.p_value(other).max() <= 0.02


def test_ordinary_queries_are_decided_by_the_router() -> None:
    X, new = queries(500, 0), queries(200, 1)
    router = FallbackRouter(inner(X)).fit(X)
    known = ~router.needs_label(new)
    np.testing.assert_array_equal(router.predict(new)[known], router.router.predict(new)[known])


def test_labels_of_a_new_kind_make_it_ordinary() -> None:
    X, other = queries(500, 0), far(200)
    both = np.vstack([X, other[:100]])
    assert FallbackRouter(inner(both)).fit(both).needs_label(other[100:]).mean() < 0.2


def test_a_saved_router_predicts_the_same(path: Path) -> None:
    X = queries(200, 0)
    router = FallbackRouter(inner(X)).fit(X)
    save_router(router, path)
    new = queries(50, 1) * 2
    np.testing.assert_array_equal(load_router(path).predict(new), router.predict(new))


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"level": 0}, "level"),
        ({"n_neighbors": 500}, "but 500 neighbours"),
        ({"router": LinearRegression()}, "router"),
    ],
)
def test_what_cannot_work_is_refused(parameters: dict[str, Any], match: str) -> None:
    X = queries(100, 0)
    with pytest.raises(MetaRouterError, match=match):
        FallbackRouter(**{"router": inner(X), **parameters}).fit(X)


def test_a_domain_with_few_labelled_queries_goes_to_the_primary_whole() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(200, 2)), np.repeat([0.0, 1.0], [170, 30])])
    inner = ThresholdRouter(LinearRegression()).fit(X, -np.ones(200))
    router = FallbackRouter(inner, domain=-1, min_labels=50).fit(X)
    assert router.domains_.tolist() == [0.0]
    asked = [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]
    assert router.predict(asked).tolist() == ["alternative", "primary", "primary"]
    assert router.p_value(asked).min() > 0.1
    with pytest.raises(DataError, match="no column beside features"):
        FallbackRouter(inner, domain=3).fit(X)


def two_domains(alternative_is_worse: float) -> tuple[np.ndarray, np.ndarray]:
    """In domain 0 the alternative is better by 1, in domain 1 worse by what is given."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(400, 2)), np.repeat([0.0, 1.0], [300, 100])])
    return X, np.where(X[:, 2] == 0, -1.0, alternative_is_worse) + rng.normal(size=400)


def test_a_domain_is_admitted_only_where_routing_is_better_than_the_primary() -> None:
    X, y = two_domains(0.5)
    level = DummyRegressor()  # calls the alternative everywhere
    router = FallbackRouter(ThresholdRouter(level).fit(X, y), domain=-1, random_state=0)
    assert router.fit(X).domains_.tolist() == [0.0, 1.0]
    assert router.fit(X, y).domains_.tolist() == [0.0]
    for name, least in ((0.0, 0.8), (1.0, -0.9)):
        mean, lower = router.evidence_[name]
        gain = -y[X[:, 2] == name]
        assert mean == pytest.approx(gain.mean())
        n = len(gain)
        assert lower == pytest.approx(gain.mean() - t.ppf(0.95, n - 1) * gain.std(ddof=1) / n**0.5)
        assert lower > least
    X, y = two_domains(-0.8)
    assert router.fit(X, y).domains_.tolist() == [0.0, 1.0]


def test_an_unproven_domain_is_admitted_about_as_rarely_as_was_said() -> None:
    rng = np.random.default_rng(0)
    admitted = []
    for _ in range(100):
        X = np.column_stack([rng.normal(size=(120, 1)), np.repeat([0.0, 1.0], 60)])
        y = rng.normal(size=120) - 2 * (X[:, 1] == 0)  # nothing to gain in domain 1
        inner = ThresholdRouter(DummyRegressor()).fit(X, y)
        admitted.append(1.0 in FallbackRouter(inner, domain=-1, cv=2).fit(X, y).domains_)
    assert np.mean(admitted) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


def test_labels_of_one_group_are_one_observation() -> None:
    X, y = two_domains(-0.3)
    inner = ThresholdRouter(DummyRegressor()).fit(X, y)
    router = FallbackRouter(inner, domain=-1, random_state=0)
    apart = router.fit(X, y).evidence_[1.0]
    twice = router.fit(
        np.vstack([X, X]), np.concatenate([y, y]), groups=np.tile(np.arange(400), 2)
    ).evidence_[1.0]
    assert twice == pytest.approx(apart, abs=0.01)
    assert router.fit(np.vstack([X, X]), np.concatenate([y, y])).evidence_[1.0][1] > apart[1] + 0.02


def test_the_price_of_a_call_counts_for_the_evidence() -> None:
    X, y = two_domains(0.5)
    inner = ThresholdRouter(DummyRegressor(), w=1.5).fit(X, y)
    assert FallbackRouter(inner, domain=-1).fit(X, y).domains_.tolist() == [0.0, 1.0]


def test_preference_rows_are_no_evidence() -> None:
    X, y = two_domains(-2.0)
    is_gold = (X[:, 2] == 0) | (np.arange(400) >= 370)
    model = MetaRouter(ConstantShift(), LinearRegression(), random_state=0)
    inner = ThresholdRouter(model).fit(X, y, is_gold=is_gold)
    router = FallbackRouter(inner, domain=-1, random_state=0).fit(X, y, is_gold)
    assert router.domains_.tolist() == [0.0]
    assert len(router.distances_) == is_gold.sum()
    router.min_labels = 20
    assert router.fit(X, y, is_gold).domains_.tolist() == [0.0, 1.0]


def test_a_refused_fit_leaves_the_router_as_it_was() -> None:
    X, y = two_domains(0.5)
    router = FallbackRouter(ThresholdRouter(LinearRegression()).fit(X, y), domain=-1).fit(X, y)
    before = router.predict(X)
    with pytest.raises(MetaRouterError):
        router.fit(X, y[:-1])
    np.testing.assert_array_equal(router.predict(X), before)


def test_evidence_that_cannot_be_had_is_refused() -> None:
    X, y = two_domains(0.5)
    inner = ThresholdRouter(DummyRegressor()).fit(X, y)
    with pytest.raises(DataError, match="3 values of groups for cv=10 folds"):
        FallbackRouter(inner, domain=-1).fit(X, y, groups=np.arange(400) % 3)
    with pytest.raises(DataError, match="is_gold is given, but no labels"):
        FallbackRouter(inner, domain=-1).fit(X, is_gold=np.ones(400, dtype=bool))
    dear = ThresholdRouter(DummyRegressor(), w=np.inf).fit(X, y)
    with pytest.raises(DataError, match="w is inf"):
        FallbackRouter(dear, domain=-1).fit(X, y)
