from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from metarouter import (
    ConstantShift,
    DRLearner,
    KnownShift,
    MetaRouter,
    OverlapRegion,
    ThresholdRouter,
    load_router,
    save_router,
)
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.overlap_region import density_weights

METHODS = ("classifier", "ulsif", "kliep")


def two_uniforms(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Gold queries on [0, 1], preference queries on [0.5, 1.5]."""
    rng = np.random.default_rng(seed)
    is_gold = rng.random(n) < 0.4
    return rng.uniform(0, 1, (n, 1)) + np.where(is_gold, 0.0, 0.5)[:, None], is_gold


@pytest.mark.parametrize("method", METHODS)
def test_the_ratio_of_two_normals_is_found(method: Any) -> None:
    rng = np.random.default_rng(0)
    is_gold = rng.random(4000) < 0.3
    X = rng.standard_normal((4000, 1)) + np.where(is_gold, 0.5, 0.0)[:, None]
    region = OverlapRegion(method, random_state=0).fit(X, is_gold)
    grid = np.linspace(-1, 1.5, 26)[:, None]
    truth = norm.pdf(grid[:, 0], 0.5) / norm.pdf(grid[:, 0])
    assert np.mean(np.abs(np.log(region.predict_ratio(grid) / truth))) < 0.25


@pytest.mark.parametrize("method", METHODS)
def test_the_common_support_is_found(method: Any) -> None:
    X, is_gold = two_uniforms(1200)
    region = OverlapRegion(method, bound=5, random_state=0).fit(X, is_gold)
    new = np.array([[0.1], [0.3], [0.65], [0.75], [0.85], [1.2], [1.4]])
    assert region.contains(new).tolist() == [False, False, True, True, True, False, False]
    outside = (X[:, 0] < 0.5) | (X[:, 0] > 1.0)
    assert np.mean(region.in_region_ == ~outside) > 0.85
    assert region.n_gold_outside_ == (is_gold & ~region.in_region_).sum()
    assert f"{region.n_gold_outside_} of {is_gold.sum()} gold" in region.summary()


def test_where_a_support_ends_no_preference_query_beyond_is_kept() -> None:
    # A logistic regression alone is too smooth, and keeps nearly all of them.
    rng = np.random.default_rng(0)
    is_gold = np.arange(1800) < 300
    X = rng.normal(size=(1800, 4))
    X[:, 0] = rng.uniform(0, 3, 1800) + np.where(is_gold, -2, -1)
    region = OverlapRegion(random_state=0).fit(X, is_gold)
    overlap = np.abs(X[:, 0]) < 1
    assert region.in_region_[overlap].mean() > 0.95
    assert region.in_region_[~overlap & ~is_gold].mean() < 0.05
    assert region.contains([[0.0] * 4, [1.3, 0, 0, 0], [-1.3, 0, 0, 0]]).tolist() == [
        True,
        False,
        False,
    ]
    smooth = OverlapRegion(classifier=LogisticRegression(), random_state=0).fit(X, is_gold)
    assert smooth.in_region_[~overlap & ~is_gold].mean() > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_few_rows_constant_features_and_many_features_are_borne(method: Any) -> None:
    rng = np.random.default_rng(0)
    tables = {
        "few rows": rng.normal(size=(6, 2)),
        "constant features": np.ones((40, 3)),
        "more features than rows": rng.normal(size=(30, 60)),
    }
    for name, X in tables.items():
        is_gold = np.arange(len(X)) % 3 == 0
        region = OverlapRegion(method, bound=1e6, random_state=0).fit(X, is_gold)
        assert np.isfinite(region.ratio_).all(), name
        assert region.contains(X).shape == (len(X),)
    lone = OverlapRegion(method, bound=1e6, random_state=0)
    assert lone.fit(tables["few rows"], np.arange(6) == 0).ratio_.shape == (6,)


@pytest.mark.parametrize("method", METHODS)
def test_queries_that_both_sources_share_are_all_inside(method: Any) -> None:
    X = np.random.default_rng(0).normal(size=(300, 3))
    region = OverlapRegion(method, random_state=0).fit(np.vstack([X, X]), np.arange(600) < 300)
    assert region.in_region_.mean() > 0.97


@pytest.mark.parametrize("method", METHODS)
def test_where_supports_agree_nothing_is_left_out(method: Any) -> None:
    rng = np.random.default_rng(0)
    X, is_gold = rng.standard_normal((2000, 5)), rng.random(2000) < 0.2
    region = OverlapRegion(method, random_state=0).fit(X, is_gold)
    assert region.in_region_.mean() > 0.97


def test_weights_fall_outside_and_are_one_inside() -> None:
    X, is_gold = two_uniforms(1000)
    region = OverlapRegion(bound=5, outside="downweight", random_state=0).fit(X, is_gold)
    np.testing.assert_array_equal(region.weight_[region.in_region_], 1.0)
    assert (region.weight_[~region.in_region_] < 1).all()
    dropped = OverlapRegion(bound=5, random_state=0).fit(X, is_gold)
    np.testing.assert_array_equal(dropped.weight_, dropped.in_region_.astype(float))


def labelled(n: int = 1500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    X, is_gold = two_uniforms(n)
    rng = np.random.default_rng(1)
    # The judge is fair up to 1 and goes mad beyond, where no gold query tells of it.
    bias = np.where(X[:, 0] > 1, 3.0, 0.2)
    y = X[:, 0] + np.where(is_gold, 0.0, bias) + 0.3 * rng.standard_normal(n)
    return X, y, is_gold


def error_inside(overlap: OverlapRegion | None) -> float:
    X, y, is_gold = labelled()
    # Uncalibrated: a line moved to the gold labels hides what the labels outside have spoiled.
    model = MetaRouter(
        ConstantShift(),
        LinearRegression(),
        scaling=None,
        calibrate=False,
        overlap=overlap,
        random_state=0,
    ).fit(X, y, is_gold=is_gold)
    grid = np.linspace(0, 1, 50)[:, None]
    return float(np.mean((model.predict(grid) - grid[:, 0]) ** 2))


def test_labels_outside_do_not_spoil_what_is_inside() -> None:
    dropped = error_inside(OverlapRegion(bound=5, random_state=0))
    weighed = error_inside(OverlapRegion(bound=5, outside="downweight", random_state=0))
    assert dropped < 0.1 * error_inside(None)
    assert weighed < error_inside(None)


def test_what_labels_outside_spoil_is_what_algebra_says() -> None:
    # psi = 0; the judge is honest up to 1 and says 1.5 beyond, which no gold query shows. The line
    # through all labels, corrected by the shift of the overlap, has this slope in expectation.
    rng = np.random.default_rng(0)
    is_gold = np.arange(6000) < 1000
    x = rng.uniform(0, 3, 6000) + np.where(is_gold, -2, -1)
    y = np.where(~is_gold & (x > 1), 1.5, 0.0) + 0.1 * rng.normal(size=6000)
    mean, beyond = 5 / 6 - 1 / 2, 5 / 6 / 3
    slope = 1.5 * beyond * (1.5 - mean) / (1 - mean**2)

    def fitted_slope(overlap: OverlapRegion | None) -> float:
        model = MetaRouter(
            KnownShift(0.0), LinearRegression(), scaling=None, calibrate=False, overlap=overlap
        )
        return float(model.fit(x[:, None], y, is_gold=is_gold).regressor_.coef_[0])

    assert fitted_slope(None) == pytest.approx(slope, abs=0.02)
    assert fitted_slope(OverlapRegion(random_state=0)) == pytest.approx(0.0, abs=0.02)


def test_all_gold_labels_return_and_preference_labels_outside_do_not() -> None:
    X, y, is_gold = labelled()
    model = MetaRouter(ConstantShift(), overlap=OverlapRegion(bound=5), random_state=0)
    model.fit(X, y, is_gold=is_gold)
    region = model.overlap_
    assert model.n_outside_overlap_ == region.n_preference_outside_ > 0
    assert model.shift_.in_overlap_.shape == (region.in_region_.sum(),)
    inside = y[region.in_region_], is_gold[region.in_region_]
    ratio = np.sqrt(inside[0][~inside[1]].var() / inside[0][inside[1]].var())
    assert np.isclose(model.scaler_.factor_, ratio)


def test_names_of_features_and_files_outlive_truncation(tmp_path: Any) -> None:
    X, y, is_gold = labelled(400)
    frame = pd.DataFrame(X, columns=["x"])
    line = LinearRegression()
    model = MetaRouter(
        DRLearner(line, "constant", line), line, overlap=OverlapRegion(bound=5), random_state=0
    ).fit(frame, y, is_gold=is_gold)
    assert model.shift_.feature_names_in_.tolist() == ["x"]
    save_router(model, tmp_path / "model.skops")
    loaded = load_router(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(frame), model.predict(frame))
    np.testing.assert_array_equal(loaded.overlap_.contains(frame), model.overlap_.contains(frame))


def test_gold_labels_alone_have_no_overlap_to_find() -> None:
    X, y, _ = labelled(200)
    model = MetaRouter(overlap=OverlapRegion(), random_state=0).fit(X, y)
    assert not hasattr(model, "overlap_")


def test_supports_that_do_not_meet_are_refused() -> None:
    X, is_gold = two_uniforms(3000)
    with pytest.raises(DataError, match="lies where both sources do"):
        OverlapRegion().fit(X + 10 * is_gold[:, None], is_gold)


@pytest.mark.parametrize(
    "parameters",
    [{"method": "tree"}, {"bound": 1}, {"outside": "keep"}, {"n_centres": 0}, {"cv": 1}],
)
def test_a_parameter_out_of_range_is_refused(parameters: dict[str, Any]) -> None:
    X, is_gold = two_uniforms(50)
    with pytest.raises(MetaRouterError):
        OverlapRegion(**parameters).fit(X, is_gold)


@pytest.mark.parametrize("method", ["classifier", "ulsif", "kliep"])
def test_weighted_queries_stand_for_the_traffic(method: Any) -> None:
    rng = np.random.default_rng(0)
    X, traffic = rng.normal(size=(600, 2)), rng.normal([0.7, 0.0], 1.0, (2000, 2))
    weight = density_weights(X, traffic, method=method, random_state=0)
    assert weight.mean() == pytest.approx(1.0)
    assert weight.max() / weight.min() <= 100
    mean = np.average(X, axis=0, weights=weight)
    np.testing.assert_allclose(mean, traffic.mean(axis=0), atol=0.25)


def test_where_traffic_is_like_the_labelled_queries_weights_cost_little() -> None:
    rng = np.random.default_rng(0)
    weight = density_weights(rng.normal(size=(500, 3)), rng.normal(size=(1500, 3)), random_state=0)
    effective = weight.sum() ** 2 / np.sum(weight**2)
    assert effective > 0.8 * len(weight)


def test_traffic_with_other_features_is_refused() -> None:
    with pytest.raises(DataError):
        density_weights(np.zeros((5, 2)), np.zeros((5, 3)))
    with pytest.raises(DataError, match="X is NaN in 5 of 5 rows"):
        density_weights(np.zeros((5, 2)), np.full((5, 2), np.nan))
    with pytest.raises(MetaRouterError, match="bound"):
        density_weights(np.zeros((5, 2)), np.zeros((5, 2)), bound=0.5)


def test_traffic_unlike_every_labelled_query_is_refused_in_its_own_words() -> None:
    X = np.random.default_rng(0).normal(size=(300, 2))
    with pytest.raises(DataError, match="none of the 300 queries in X lies where the 300"):
        density_weights(X, X + 20, random_state=0)


def test_components_learned_from_traffic_go_into_a_pipeline_and_a_file(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    traffic, X = rng.normal(size=(400, 8)), rng.normal(size=(60, 8))
    components = FrozenEstimator(PCA(3, random_state=0).fit(traffic))
    model = make_pipeline(components, MetaRouter(regressor=Ridge())).fit(X, X[:, 0])
    router = ThresholdRouter(model, w=0.1)
    save_router(router, tmp_path / "router.skops")
    again = load_router(tmp_path / "router.skops")
    assert again.predict(X).tolist() == router.predict(X).tolist()
    np.testing.assert_array_equal(model[0].transform(X), components.estimator.transform(X))
