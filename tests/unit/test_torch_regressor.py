"""A deep network as the class H of every regression."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks
from two_sources import two_sources

pytest.importorskip("torch", reason="needs torch: install metarouter[bandits]")

from metarouter import DRLearner, MetaRouter, RLearner
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.routing import load_router, save_router
from metarouter.torch_regressor import TorchRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3))
Y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
SMALL = TorchRegressor((16,), epochs=20, learning_rate=0.01, device="cpu", random_state=0)
CHECKED = TorchRegressor((8,), epochs=20, learning_rate=0.02, device="cpu", random_state=0)


@parametrize_with_checks(
    [TorchRegressor((8,), epochs=20, learning_rate=0.02, device="cpu", random_state=0)]
)
def test_scikit_learn_checks_hold(estimator, check) -> None:
    if "sample_weight_equivalence" in str(check):
        pytest.skip("batches are drawn by row, so that a row of weight two is not two rows")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def test_a_network_learns_waves_and_interactions_that_a_line_does_not() -> None:
    train, test = slice(0, 300), slice(300, None)
    network = TorchRegressor(device="cpu", random_state=0).fit(X[train], Y[train])
    line = LinearRegression().fit(X[train], Y[train])
    assert network.score(X[test], Y[test]) > 0.7 > line.score(X[test], Y[test]) + 0.3


def test_the_seed_decides_everything_and_leaves_that_of_torch_alone() -> None:
    import torch

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = (clone(SMALL).fit(X, Y).predict(X) for _ in range(2))
    assert torch.rand(1) == expected
    np.testing.assert_array_equal(first, second)
    other = clone(SMALL).set_params(random_state=1).fit(X, Y).predict(X)
    assert not np.array_equal(first, other)


def test_weights_say_which_rows_count() -> None:
    y = np.where(np.arange(400) < 200, 1.0, -1.0)
    weight = np.where(np.arange(400) < 200, 1.0, 0.0)
    assert clone(SMALL).fit(X, y, weight).predict(X).mean() > 0.9


def test_units_of_features_and_labels_do_not_matter() -> None:
    expected = clone(SMALL).fit(X, Y).predict(X)
    found = clone(SMALL).fit(1e3 * X + 5, 100 * Y - 7).predict(1e3 * X + 5)
    np.testing.assert_allclose(found, 100 * expected - 7, atol=1.0)


@pytest.mark.parametrize("shift", [RLearner, DRLearner])
def test_it_is_every_regression_of_a_router_that_is_saved_without_pickle(shift, tmp_path) -> None:
    data = two_sources(200)
    learner = shift(SMALL, "constant", SMALL, cv=2)
    model = MetaRouter(learner, SMALL, calibrate=False, random_state=0)
    model.fit(data.X, data.y, data.is_gold)
    assert np.corrcoef(model.predict(data.X), data.psi)[0, 1] > 0.5
    pytest.importorskip("skops")
    save_router(model, tmp_path / "router.skops")
    loaded = load_router(tmp_path / "router.skops")
    np.testing.assert_array_equal(loaded.predict(data.X), model.predict(data.X))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden": (0,)}, r"hidden is \(0,\); give a list"),
        ({"hidden": ()}, r"hidden is \(\); give a list"),
        ({"epochs": 0}, "epochs is 0; give a whole number"),
        ({"batch_size": 1.5}, "batch_size is 1.5"),
        ({"learning_rate": -1}, "learning_rate is -1; give a number above 0"),
        ({"weight_decay": np.nan}, "weight_decay is nan"),
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TorchRegressor(**wrong).fit(X, Y)


def test_training_that_diverges_is_refused() -> None:
    with pytest.raises(DataError, match="Training diverged"):
        TorchRegressor((8,), learning_rate=1e30, epochs=5, device="cpu").fit(X, Y)


def test_torch_is_not_loaded_with_the_package_and_its_absence_is_told(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MetaRouterError, match=r"needs torch, .* install metarouter\[bandits\]"):
        TorchRegressor().fit(X, Y)


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"device is 'abacus'.*give 'auto' or 'cpu'"):
        TorchRegressor((8,), epochs=1, device="abacus").fit(X, Y)
