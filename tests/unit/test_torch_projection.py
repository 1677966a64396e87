"""Features learned by the loss of the R-learner and by smoothness over unlabelled traffic."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

pytest.importorskip("torch", reason="needs torch: install metarouter[bandits]")

import torch

from metarouter import ConstantShift, MetaRouter, ThresholdRouter, load_router, save_router
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.torch_projection import TorchProjection

SMALL = TorchProjection(2, epochs=20, device="cpu", random_state=0)


def queries(
    n: int = 200, d: int = 12, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Three loud features say nothing; gain and bias depend on two quiet ones."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[:, 2:5] = 3 * rng.normal(size=(n, 1)) + 0.3 * X[:, 2:5]
    is_gold = np.arange(n) % 4 == 0
    gain = 2 * X[:, 0]
    y = gain + np.where(is_gold, 0.0, X[:, 1]) + 0.3 * rng.normal(size=n)
    return X, y, is_gold, gain


@parametrize_with_checks(
    [TorchProjection(2, epochs=5, device="cpu", random_state=0)],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": (
            "a row that stands twice has a neighbour more, which a row of weight two has not"
        )
    },
)
def test_scikit_learn_checks_hold(estimator, check) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def explained(features: np.ndarray, target: np.ndarray) -> float:
    return float(Ridge(1e-3).fit(features, target).score(features, target))


def test_it_turns_to_what_the_gain_depends_on_where_components_and_labels_alone_do_not() -> None:
    X, y, is_gold, _ = queries(400)
    new, _, _, truth = queries(400, seed=1)
    learned = TorchProjection(2, device="cpu", random_state=0).fit(X, y, is_gold, unlabelled=new)
    components = PCA(2).fit(np.vstack([X, new]))
    assert explained(learned.transform(new), truth) > 0.8
    assert explained(components.transform(new), truth) < 0.3
    alone = TorchProjection(2, smoothness=0.0, device="cpu", random_state=0).fit(X, y, is_gold)
    assert explained(alone.transform(new), truth) < 0.3
    assert learned.n_steps_ > 0
    assert min(learned.loss_curve_) == learned.loss_curve_[learned.n_steps_]


def test_where_no_step_helps_it_is_the_principal_components() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 6)), rng.normal(size=100)
    kept = TorchProjection(2, learning_rate=1e-12, epochs=3, device="cpu", random_state=0)
    projected = kept.fit(X, y).transform(X)
    components = PCA(2).fit_transform((X - X.mean(axis=0)) / X.std(axis=0))
    correlation = np.abs(np.corrcoef(projected.T, components.T)[:2, 2:])
    np.testing.assert_allclose(correlation, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(projected.std(axis=0), 1.0, rtol=0.02)


def test_the_seed_decides_everything_and_leaves_that_of_torch_alone() -> None:
    X, y, is_gold, _ = queries()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = (
        clone(SMALL).fit(X, y, is_gold, unlabelled=X + 1).transform(X) for _ in range(2)
    )
    assert torch.rand(1) == expected
    np.testing.assert_array_equal(first, second)
    other = clone(SMALL).set_params(random_state=1).fit(X, y, is_gold, unlabelled=X + 1)
    assert not np.array_equal(first, other.transform(X))


@pytest.mark.slow
def test_threads_do_not_change_it() -> None:
    X, y, is_gold, _ = queries()
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(clone(SMALL).fit(X, y, is_gold).transform(X))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)


def test_units_of_features_and_labels_and_single_precision_do_not_matter() -> None:
    X, y, is_gold, _ = queries()
    expected = clone(SMALL).fit(X, y, is_gold).transform(X)
    scaled = clone(SMALL).fit(1e3 * X + 5, 100 * y - 7, is_gold).transform(1e3 * X + 5)
    np.testing.assert_allclose(scaled, expected, atol=1e-2)
    single = clone(SMALL).fit(X.astype(np.float32), y, is_gold).transform(X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-2)


def test_in_a_pipeline_it_takes_sources_and_traffic_and_goes_into_a_file(tmp_path) -> None:
    X, y, is_gold, _ = queries()
    traffic = queries(300, seed=3)[0]
    router = MetaRouter(ConstantShift(), Ridge(), scaling=None, random_state=0)
    model = make_pipeline(clone(SMALL), router).fit(
        X,
        y,
        torchprojection__is_gold=is_gold,
        torchprojection__unlabelled=traffic,
        metarouter__is_gold=is_gold,
    )
    frozen = FrozenEstimator(clone(SMALL).fit(X, y, is_gold, unlabelled=traffic))
    again = make_pipeline(frozen, clone(router)).fit(X, y, metarouter__is_gold=is_gold)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))
    pytest.importorskip("skops")
    save_router(ThresholdRouter(model, w=0.1), tmp_path / "router.skops")
    loaded = load_router(tmp_path / "router.skops")
    assert loaded.predict(X).tolist() == ThresholdRouter(model, w=0.1).predict(X).tolist()


def test_names_come_out_and_few_features_give_few_columns() -> None:
    X, y, is_gold, _ = queries()
    frame = pd.DataFrame(X[:, :3], columns=["length", "code", "maths"])
    model = TorchProjection(10, epochs=3, device="cpu", random_state=0).fit(frame, y, is_gold)
    assert model.transform(frame).shape == (200, 3)
    assert list(model.get_feature_names_out()) == [f"torchprojection{k}" for k in range(3)]
    with pytest.raises(DataError):
        model.transform(frame[["code", "length", "maths"]])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_components": 0}, "n_components is 0; give a whole number"),
        ({"smoothness": -1}, "smoothness is -1"),
        ({"n_neighbors": 0}, "n_neighbors is 0"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"propensity": "forest"}, "propensity is 'forest'"),
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict, message: str) -> None:
    X, y, is_gold, _ = queries()
    with pytest.raises(MetaRouterError, match=message):
        TorchProjection(**wrong).fit(X, y, is_gold)


def test_bad_tables_are_refused() -> None:
    X, y, is_gold, _ = queries()
    with pytest.raises(DataError, match="features"):
        clone(SMALL).fit(X, y, is_gold, unlabelled=X[:, :5])
    with pytest.raises(DataError, match="all 200 labels are gold"):
        clone(SMALL).fit(X, y, np.ones(200, dtype=bool))
    broken = X.copy()
    broken[3, 2] = np.nan
    with pytest.raises(DataError, match="NaN"):
        clone(SMALL).fit(X, y, is_gold, unlabelled=broken)
    with pytest.raises(DataError, match="Training diverged"):
        clone(SMALL).set_params(learning_rate=1e30).fit(X, y, is_gold)


def test_rows_of_a_group_are_held_out_together_and_weights_count() -> None:
    X, y, is_gold, _ = queries()
    groups = np.arange(200) // 2
    assert clone(SMALL).fit(X, y, is_gold, groups=groups).transform(X).shape == (200, 2)
    weight = np.where(np.arange(200) < 100, 1.0, 0.0)
    flipped = np.where(weight > 0, y, -50 * y)
    lone = clone(SMALL).fit(X, np.clip(flipped, -99, 99), is_gold, sample_weight=weight)
    assert np.isfinite(lone.components_).all()


def test_the_absence_of_torch_is_told(monkeypatch) -> None:
    X, y, _, _ = queries()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MetaRouterError, match="TorchProjection needs torch"):
        clone(SMALL).fit(X, y)
