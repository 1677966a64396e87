"""A router file builds only types that are trusted, and nothing that points outside itself."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVR, NuSVR
from sklearn.tree import DecisionTreeRegressor

from metarouter.encoding import TfidfEncoder
from metarouter.exceptions import RouterFileError
from metarouter.routing import MetaRouter, ThresholdRouter, load_router, save_router
from metarouter.routing._trusted import trusted_by_name
from metarouter.shift import DRLearner

pytest.importorskip("skops")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = X[:, 0] + 0.3 * RNG.normal(size=120)


class ForeignRegressor(LinearRegression):
    """A regressor from neither scikit-learn nor this project."""


def test_foreign_types_are_listed_and_loaded_only_when_they_are_trusted(path):
    save_router(ThresholdRouter(ForeignRegressor()).fit(X, Y), path)
    with pytest.raises(RouterFileError, match=r"not trusted: '.*ForeignRegressor'; .*trusted=\["):
        load_router(path)
    name = f"{ForeignRegressor.__module__}.ForeignRegressor"
    for trusted in ([name], [ForeignRegressor], name):
        assert isinstance(load_router(path, trusted=trusted).model_, ForeignRegressor)


def test_a_search_tree_over_training_rows_must_be_trusted_by_name(path):
    save_router(ThresholdRouter(KNeighborsRegressor(algorithm="kd_tree")).fit(X, Y), path)
    with pytest.raises(RouterFileError, match=r"sklearn.neighbors._kd_tree.KDTree"):
        load_router(path)


@pytest.mark.parametrize(
    "regressor",
    [
        SVR(),
        NuSVR(),
        HistGradientBoostingRegressor(max_iter=2),
        GradientBoostingRegressor(n_estimators=2),
        KNeighborsRegressor(algorithm="brute"),
        make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge()),
    ],
    ids=lambda regressor: type(regressor).__name__,
)
def test_what_compiled_code_reads_unchecked_must_be_trusted_by_name(path, regressor):
    router = ThresholdRouter(regressor).fit(X, Y)
    save_router(router, path)
    with pytest.raises(
        RouterFileError, match=r"holds types that are not trusted: 'sklearn\."
    ) as no:
        load_router(path)
    listed = re.search(r"trusted=\[(.*)\]", str(no.value))[1]
    loaded = load_router(path, trusted=[name.strip("'") for name in listed.split(", ")])
    np.testing.assert_array_equal(loaded.predict_gain(X), router.predict_gain(X))


def test_a_recipe_that_was_never_fitted_must_be_trusted_too(path):
    shift = DRLearner(Ridge(), HistGradientBoostingClassifier(max_iter=2), Ridge(), cv=2)
    model = MetaRouter(shift, Ridge()).fit(X, Y, is_gold=np.arange(120) % 3 == 0)
    save_router(model, path)
    with pytest.raises(RouterFileError, match="HistGradientBoostingClassifier'; if you know"):
        load_router(path)


@pytest.mark.parametrize("column", [10**6, -1, "a", 1])
def test_a_vocabulary_that_points_outside_itself_is_refused(path, column):
    texts = [f"word{k % 7} and word{k % 5}" for k in range(120)]
    encoder = TfidfEncoder(random_state=0)
    router = Pipeline([("encoder", encoder), ("router", ThresholdRouter(Ridge()))]).fit(texts, Y)
    save_router(router, path)
    np.testing.assert_array_equal(load_router(path).predict(texts), router.predict(texts))
    encoder.vectorizer_.vocabulary_["and"] = column
    save_router(router, path)
    with pytest.raises(RouterFileError, match="a vocabulary gives its words"):
        load_router(path)


def test_xgboost_is_loaded_when_it_is_trusted(path):
    xgboost = pytest.importorskip("xgboost")
    router = ThresholdRouter(xgboost.XGBRegressor(n_estimators=3)).fit(X, Y)
    save_router(router, path)
    with pytest.raises(RouterFileError, match="xgboost"):
        load_router(path)
    loaded = load_router(path, trusted=[xgboost.XGBRegressor, xgboost.Booster])
    np.testing.assert_array_equal(loaded.predict_gain(X), router.predict_gain(X))


def test_only_classes_of_ours_are_trusted_and_nothing_that_our_modules_import():
    assert trusted_by_name("metarouter.routing.threshold_router.ThresholdRouter")
    assert trusted_by_name("metarouter.routing.token_rates.TokenRates")
    assert trusted_by_name("sklearn.ensemble._forest.ExtraTreesRegressor")
    assert trusted_by_name("sklearn._loss.link.LogLink")
    for name in (
        "metarouter.utils.files.os",
        "metarouter.utils.files.write_text",
        "metarouter.routing._persistence.Path",
        "metarouter.routing._persistence.BaseEstimator",
        "metarouter.exceptions.MetaRouterError",
        "metarouter.routing.threshold_router.ThresholdRouter.fit",
        "metarouter.__main__.main",
        "metarouter.nowhere.Nothing",
        "metarouterx.Router",
        "os.system",
        "builtins.eval",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.svm._classes.SVR",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.linear_model._nowhere.Ridge",
        "sklearn.linear_model.Ridge",
        "sklearn.linear_model._ridge.np",
        "sklearn._loss.loss.np",
        "sklearn.base.clone",
    ):
        assert not trusted_by_name(name), name


def corrupted_tree(field, value):
    """Fit a tree whose node table points to where nothing is."""
    model = DecisionTreeRegressor(max_depth=2, random_state=0).fit(X, Y)
    state = model.tree_.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    model.tree_.__setstate__(state)
    return model


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left_child", 10**6),
        ("right_child", -7),
        ("left_child", 0),
        ("feature", 99),
        ("feature", -2),
    ],
)
def test_a_tree_that_points_outside_itself_is_refused_before_it_can_predict(path, field, value):
    save_router(ThresholdRouter(corrupted_tree(field, value)), path)
    with pytest.raises(RouterFileError, match=r"truncated or damaged .*; a tree"):
        load_router(path)


def test_a_tree_of_more_features_than_its_model_is_refused(path):
    wide = RandomForestRegressor(2, random_state=0).fit(np.hstack([X, X]), Y)
    wide.n_features_in_ = 4
    save_router(ThresholdRouter(wide), path)
    with pytest.raises(RouterFileError, match="a tree on 8 features in a model of 4"):
        load_router(path)
    del wide.n_features_in_
    for tree in wide.estimators_:
        del tree.n_features_in_
    save_router(ThresholdRouter(wide), path)
    with pytest.raises(RouterFileError, match="does not say its number of features"):
        load_router(path)


def test_boosted_trees_that_point_outside_themselves_are_refused(path):
    model = HistGradientBoostingRegressor(max_iter=2).fit(X, Y)
    model._predictors[0][0].nodes["feature_idx"][0] = 50
    save_router(ThresholdRouter(model), path)
    trusted = [HistGradientBoostingRegressor, TreePredictor, _BinMapper, GradientBoostingRegressor]
    with pytest.raises(RouterFileError, match="a feature that its model has not seen"):
        load_router(path, trusted=trusted)
    boosted = GradientBoostingRegressor(n_estimators=2).fit(X, Y)
    boosted.estimators_ = np.hstack([boosted.estimators_, boosted.estimators_])
    save_router(ThresholdRouter(boosted), path)
    with pytest.raises(RouterFileError, match="another number of trees per round"):
        load_router(path, trusted=trusted)
