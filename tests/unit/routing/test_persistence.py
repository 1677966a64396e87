from __future__ import annotations

import io
import json
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
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
from metarouter.routing._trusted import trusted_by_name
from metarouter.shift import ConstantShift, DRLearner, KnownShift, RLearner

pytest.importorskip("skops")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = X[:, 0] + 0.3 * RNG.normal(size=120)
IS_GOLD = np.arange(120) % 3 == 0
TREES = ExtraTreesRegressor(5, min_samples_leaf=5, random_state=0)


class ForeignRegressor(LinearRegression):
    """A regressor from neither scikit-learn nor this project."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "router.skops"


def saved(router, path):
    save_router(router, path)
    return load_router(path)


def with_header(path, **changes):
    """Rewrite the header of a router file, and leave the rest."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["metarouter.json"]) | changes
    members["metarouter.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "regressor",
    [
        Ridge(),
        TREES,
        RandomForestRegressor(5, random_state=0, n_jobs=2),
        GradientBoostingRegressor(n_estimators=5),
        HistGradientBoostingRegressor(max_iter=5),
        MLPRegressor(max_iter=5, random_state=0),
        GaussianProcessRegressor(),
        SVR(),
        StackingRegressor([("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=2))]),
    ],
    ids=lambda regressor: type(regressor).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_loaded_router_predicts_what_the_saved_one_did(regressor, path):
    router = ThresholdRouter(regressor, w=0.1, models=("small", "large")).fit(X, Y)
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


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(RouterFileError, match="cannot be written"):
        save_router(ThresholdRouter(Ridge()).fit(X, Y), tmp_path)
    with pytest.raises(RouterFileError, match="cannot be read"):
        load_router(tmp_path)


def test_an_absent_file_is_named(path):
    with pytest.raises(RouterFileError, match=r"There is no file .*router.skops; check the path"):
        load_router(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x01."])
def test_a_file_that_is_no_archive_is_not_a_router_file(path, content):
    path.write_bytes(content)
    with pytest.raises(RouterFileError, match=f"not a router file .{len(content)} bytes"):
        load_router(path)


def test_a_skops_file_of_another_program_is_told_apart(path):
    from skops.io import dump

    dump(Ridge().fit(X, Y), path)
    with pytest.raises(RouterFileError, match="a skops file that was not written by save_router"):
        load_router(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(RouterFileError, match="a zip archive that was not written by save_router"):
        load_router(path)


def test_a_newer_format_asks_for_an_upgrade(path):
    save_router(ThresholdRouter(Ridge()).fit(X, Y), path)
    with_header(path, format_version=2, metarouter="9.0")
    with pytest.raises(RouterFileError, match=r"format 2, written by metarouter 9.0.*; upgrade"):
        load_router(path)


def test_another_version_of_scikit_learn_is_named_once(path):
    router = ThresholdRouter(TREES).fit(X, Y)
    save_router(router, path)
    with_header(path, **{"scikit-learn": "1.0.2"})
    with pytest.warns(UserWarning, match="scikit-learn 1.0.2 and is read with") as caught:
        loaded = load_router(path)
    assert len(caught) == 1
    np.testing.assert_array_equal(loaded.predict(X), router.predict(X))


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
    for name in (
        "metarouter._files.os",
        "metarouter._files.write_text",
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
    with pytest.raises(RouterFileError, match="a feature that its model has not seen"):
        load_router(path)
    boosted = GradientBoostingRegressor(n_estimators=2).fit(X, Y)
    boosted.estimators_ = np.hstack([boosted.estimators_, boosted.estimators_])
    save_router(ThresholdRouter(boosted), path)
    with pytest.raises(RouterFileError, match="another number of trees per round"):
        load_router(path)


def test_a_file_that_holds_no_router_is_refused(path):
    save_router(Ridge().fit(X, Y), path)
    assert isinstance(load_router(path), BaseEstimator)
    from skops.io import dumps

    with zipfile.ZipFile(path) as archive:
        header = archive.read("metarouter.json")
    path.write_bytes(dumps({"a": 1}))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("metarouter.json", header)
    with pytest.raises(RouterFileError, match="holds a dict, which is not a router"):
        load_router(path)


@pytest.fixture(scope="module")
def file_and_prediction(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "router.skops"
    model = MetaRouter(ConstantShift(), TREES, random_state=0)
    router = ThresholdRouter(model, w=0.2).fit(X, Y, is_gold=IS_GOLD)
    save_router(router, path)
    return path.read_bytes(), router.decision_function(X)


@pytest.mark.parametrize("seed", range(50))
def test_a_truncated_file_is_refused(file_and_prediction, path, seed):
    content, _ = file_and_prediction
    path.write_bytes(content[: int(np.random.default_rng(seed).integers(len(content)))])
    with pytest.raises(RouterFileError):
        load_router(path)


@pytest.mark.parametrize("seed", range(50))
def test_a_flipped_byte_is_refused_or_changes_no_prediction(file_and_prediction, path, seed):
    content, prediction = file_and_prediction
    rng = np.random.default_rng(seed)
    # Half of the flips hit the directory at the end, where an archive is most fragile.
    offset = int(rng.integers(0 if seed % 2 else len(content) - 1500, len(content)))
    damaged = bytearray(content)
    damaged[offset] ^= int(rng.integers(1, 256))
    path.write_bytes(bytes(damaged))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = load_router(path)
        except RouterFileError:
            return
    np.testing.assert_array_equal(loaded.decision_function(X), prediction)
