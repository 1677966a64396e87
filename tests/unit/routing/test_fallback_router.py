from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from metarouter import ThresholdRouter, load_router, save_router
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
