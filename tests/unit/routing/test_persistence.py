"""A saved router predicts what it predicted, and holds nothing of single training rows."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesRegressor,
    RandomForestRegressor,
    StackingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import ElasticNet, PoissonRegressor, Ridge, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from metarouter.exceptions import RouterFileError
from metarouter.routing import (
    MetaRouter,
    ThresholdRouter,
    TokenCost,
    TokenRates,
    load_router,
    save_router,
)
from metarouter.shift import ConstantShift, DRLearner, KnownShift, RLearner

pytest.importorskip("skops")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = X[:, 0] + 0.3 * RNG.normal(size=120)
IS_GOLD = np.arange(120) % 3 == 0
TREES = ExtraTreesRegressor(5, min_samples_leaf=5, random_state=0)


def saved(router, path):
    save_router(router, path)
    return load_router(path)


@pytest.mark.parametrize(
    "regressor",
    [
        Ridge(),
        TREES,
        RandomForestRegressor(5, random_state=0, n_jobs=2),
        GridSearchCV(make_pipeline(StandardScaler(), ElasticNet()), {"elasticnet__alpha": [0.1]}),
        PoissonRegressor(),
        SGDRegressor(random_state=0),
        MLPRegressor(max_iter=5, random_state=0),
        GaussianProcessRegressor(RBF() + WhiteKernel()),
        StackingRegressor([("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=2))]),
    ],
    ids=lambda regressor: type(regressor).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_loaded_router_predicts_what_the_saved_one_did(regressor, path):
    router = ThresholdRouter(regressor, w=0.1, models=("small", "large")).fit(X, np.abs(Y))
    loaded = saved(router, path)
    np.testing.assert_array_equal(loaded.predict_gain(X), router.predict_gain(X))
    np.testing.assert_array_equal(loaded.predict(X), router.predict(X))


@given(
    w=st.one_of(st.floats(0, 1e6), st.just(float("inf"))),
    names=st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_w_and_any_names_survive(w, names, path):
    router = ThresholdRouter(Ridge(), w=w, models=tuple(names)).fit(X, Y)
    loaded = saved(router, path)
    assert (loaded.w, loaded.models) == (w, tuple(names))
    np.testing.assert_array_equal(loaded.predict(X), router.predict(X))


@pytest.mark.parametrize(
    "shift",
    [
        RLearner(TREES, final=TREES, cv=2),
        DRLearner(TREES, final=TREES, cv=2),
        ConstantShift(),
        KnownShift(0.5),
    ],
    ids=lambda shift: type(shift).__name__,
)
def test_a_meta_router_keeps_its_shift(shift, path):
    model = MetaRouter(shift, TREES, random_state=0).fit(X, Y, is_gold=IS_GOLD)
    loaded = saved(model, path)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.shift_.predict(X), model.shift_.predict(X))


def test_nothing_that_is_one_number_per_training_row_is_stored(path):
    n = 1009
    X = np.random.default_rng(1).normal(size=(n, 2))
    is_gold = np.arange(n) % 2 == 0
    model = MetaRouter(DRLearner(TREES, final=TREES, cv=2), TREES, random_state=0)
    model.fit(X, X[:, 0], is_gold=is_gold, groups=np.arange(n))
    save_router(ThresholdRouter(model), path)
    assert hasattr(model.shift_, "nuisances_")
    with zipfile.ZipFile(path) as archive:
        arrays = [name for name in archive.namelist() if name.endswith(".npy")]
        assert not [name for name in arrays if n in np.load(io.BytesIO(archive.read(name))).shape]


def test_a_shift_that_is_a_function_is_left_out_with_a_warning(path):
    model = MetaRouter(KnownShift(lambda X: X[:, 0]), Ridge()).fit(X, Y, is_gold=IS_GOLD)
    with pytest.warns(UserWarning, match=r"shift of this router \(KnownShift\) is not stored"):
        save_router(ThresholdRouter(model), path)
    np.testing.assert_array_equal(load_router(path).predict_gain(X), model.predict(X))
    assert hasattr(model, "shift_")


def test_a_pipeline_with_an_encoder_and_a_cost_model_survives(path):
    cost = TokenCost(
        TokenRates(output=9.0), TokenRates(output=1.0), output_tokens=Ridge(), per=1_000
    ).fit(X, output_tokens=np.abs(X[:, :2]) * 100)
    router = ThresholdRouter(FrozenEstimator(Ridge().fit(X, Y)), cost, w=0.3)
    pipeline = make_pipeline(StandardScaler(), router).fit(X, Y)
    loaded = saved(pipeline, path)
    assert isinstance(loaded, Pipeline)
    np.testing.assert_array_equal(loaded.decision_function(X), pipeline.decision_function(X))


def test_metadata_requests_survive(path):
    with sklearn.config_context(enable_metadata_routing=True):
        inner = MetaRouter(regressor=Ridge().set_fit_request(sample_weight=True), sources="gold")
        router = ThresholdRouter(inner).set_fit_request(is_gold=True)
        router.set_predict_request(latency=True)
        loaded = saved(router.fit(X, Y, is_gold=IS_GOLD), path)
        assert loaded.get_metadata_routing().predict.requests["latency"] is True
        assert router.get_metadata_routing().predict.owner is router


def test_feature_names_are_kept_and_reordered_columns_refused(path):
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    loaded = saved(ThresholdRouter(Ridge()).fit(frame, Y), path)
    assert loaded.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="same order"):
        loaded.predict(frame[["b", "a", "c", "d"]])
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read("metarouter.json"))
    assert header["feature_names"] == ["a", "b", "c", "d"]
    assert header["scikit-learn"] == sklearn.__version__


def test_saving_fails_without_harm_to_what_was_there(path):
    save_router(ThresholdRouter(Ridge()).fit(X, Y), path)
    before = path.read_bytes()
    bad = ThresholdRouter(FrozenEstimator(Ridge().fit(X, Y)))
    bad.note_ = lambda: None
    with pytest.raises(RouterFileError, match="cannot be saved"):
        save_router(bad, path)
    with pytest.raises(RouterFileError, match="is not fitted"):
        save_router(ThresholdRouter(Ridge()), path)
    with pytest.raises(RouterFileError, match="A dict cannot be saved"):
        save_router({}, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
