from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from metarouter import (
    DomainMetaRouter,
    MetaRouter,
    RLearner,
    ThresholdRouter,
    load_router,
    save_router,
)
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.routing.domain_meta_router import shrunken_means

RIDGE = Ridge(1.0)
MODEL = MetaRouter(RLearner(RIDGE, "constant", RIDGE), RIDGE, scaling=None)


def labels(
    offsets: list[float], n: int = 1200, *, slope: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X with the domain last, labels of a biased judge, is_gold, and the true gain."""
    rng = np.random.default_rng(seed)
    domain = rng.integers(0, len(offsets), n)
    x = rng.normal(size=(n, 2))
    turned = np.where(domain == 0, 1.0, 1.0 - slope)
    gain = turned * x[:, 0] + np.asarray(offsets)[domain]
    is_gold = rng.random(n) < 0.3
    y = gain + np.where(is_gold, 0.0, 0.5) + 0.5 * rng.normal(size=n)
    return np.column_stack([x, domain]), y, is_gold, gain


@pytest.mark.parametrize(
    ("offsets", "slope", "accepted"),
    [
        ([0.0, 0.0, 0.0], 0.0, {"pooled"}),
        ([-1.0, 0.0, 1.0], 0.0, {"feature", "shrunken", "separate"}),
        ([0.0, 0.0, 0.0], 2.0, {"separate"}),
    ],
)
def test_gold_labels_choose_how_domains_differ(
    offsets: list[float], slope: float, accepted: set[str]
) -> None:
    X, y, is_gold, gain = labels(offsets, slope=slope)
    router = DomainMetaRouter(MODEL, random_state=0).fit(X, y, is_gold)
    assert router.method_ in accepted
    pooled = DomainMetaRouter(MODEL, method="pooled", random_state=0).fit(X, y, is_gold)
    error, before = (np.mean((r.predict(X) - gain) ** 2) for r in (router, pooled))
    assert error <= before
    assert set(router.errors_) == {"pooled", "feature", "shrunken", "separate"}


def test_shrunken_shifts_are_found_and_shrunk() -> None:
    X, y, is_gold, _ = labels([-0.5, 0.0, 0.5])
    router = DomainMetaRouter(MODEL, method="shrunken", random_state=0).fit(X, y, is_gold)
    gold = is_gold & (X[:, 2] == 0)
    raw = np.mean(y[gold] - router.model_.predict(X[gold, :2]))
    assert raw < router.offsets_[0] * 0.9 < 0
    assert abs(router.offsets_[0]) < abs(raw) + 0.05


def test_a_domain_that_was_never_seen_gets_the_pooled_gain() -> None:
    X, y, is_gold, _ = labels([-1.0, 1.0])
    new = np.column_stack([X[:5, :2], np.full(5, 7.0)])
    for method in ("shrunken", "separate"):
        router = DomainMetaRouter(MODEL, method=method, random_state=0).fit(X, y, is_gold)
        np.testing.assert_allclose(router.predict(new), router.model_.predict(X[:5, :2]))


def test_a_domain_with_few_gold_labels_gets_no_model_of_its_own() -> None:
    X, y, is_gold, _ = labels([0.0, 0.0, 0.0])
    X[:30, 2] = 9.0
    router = DomainMetaRouter(MODEL, method="separate", random_state=0).fit(X, y, is_gold)
    assert sorted(router.models_) == [0.0, 1.0, 2.0]


def test_the_column_may_be_named(tmp_path: Path) -> None:
    X, y, is_gold, _ = labels([-1.0, 1.0], 600)
    frame = pd.DataFrame({"domain": X[:, 2], "a": X[:, 0], "b": X[:, 1]})
    router = DomainMetaRouter(MODEL, domain="domain", random_state=0).fit(frame, y, is_gold)
    other = DomainMetaRouter(MODEL, random_state=0).fit(X, y, is_gold)
    np.testing.assert_allclose(router.predict(frame), other.predict(X))
    routed = ThresholdRouter(other, w=0.1)
    save_router(routed, tmp_path / "router.skops")
    again = load_router(tmp_path / "router.skops")
    assert again.predict(X[:50]).tolist() == routed.predict(X[:50]).tolist()


def test_groups_and_weights_are_handed_on() -> None:
    X, y, is_gold, _ = labels([-1.0, 1.0], 600)
    twice = np.repeat(np.arange(600), 2)
    router = DomainMetaRouter(MODEL, method="shrunken", random_state=0)
    router.fit(X[twice], y[twice], is_gold[twice], groups=twice, sample_weight=np.ones(1200))
    once = DomainMetaRouter(MODEL, method="shrunken", random_state=0).fit(X, y, is_gold)
    np.testing.assert_allclose(router.offsets_, once.offsets_, atol=0.1)


def test_one_value_per_place_and_no_values_are_shrunk_without_a_warning() -> None:
    found = shrunken_means(np.array([1.0]), np.array([0]), 2, np.ones(1), np.zeros(1, dtype=int))
    assert np.isfinite(found).all()
    assert found[1] == 0.0


@pytest.mark.parametrize(
    ("parameters", "kind", "match"),
    [
        ({"method": "best"}, MetaRouterError, "method is"),
        ({"domain": 5}, MetaRouterError, "no column beside features"),
        ({"domain": "topic"}, DataError, "no column 'topic'"),
        ({"cv": 1}, MetaRouterError, "cv is 1"),
    ],
)
def test_what_cannot_work_is_refused(
    parameters: dict[str, Any], kind: type[Exception], match: str
) -> None:
    X, y, is_gold, _ = labels([0.0, 0.0], 100)
    with pytest.raises(kind, match=match):
        DomainMetaRouter(MODEL, **parameters).fit(X, y, is_gold)


def test_too_few_gold_labels_to_choose_are_refused() -> None:
    X, y, _, _ = labels([0.0, 0.0], 100)
    with pytest.raises(DataError, match="4 gold labels are too few to compare domains"):
        DomainMetaRouter(MODEL).fit(X, y, np.arange(100) < 4)
