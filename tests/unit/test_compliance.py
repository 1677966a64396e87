"""Every estimator keeps scikit-learn's conventions, and knows label sources as metadata."""

from __future__ import annotations

import inspect
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from two_sources import two_sources

from metarouter import (
    AdaptiveMetaRouter,
    ConstantShift,
    DRLearner,
    EconMLShift,
    EPLearner,
    GainScaler,
    KnownShift,
    PropensityPolicy,
    RLearner,
    ZeroShift,
)
from metarouter.kernel_learner import AveragedKernelRidge
from metarouter.nuisance import Nuisances
from metarouter.routing.meta_router import MetaRouter

LINE = LinearRegression()
DATA = two_sources(200)
SHIFTS = [
    ZeroShift(),
    ConstantShift(),
    KnownShift(),
    RLearner(),
    DRLearner(),
    EPLearner(),
    EconMLShift(),
]
ESTIMATORS = [
    MetaRouter(),
    MetaRouter(regressor=LINE),
    AdaptiveMetaRouter(),
    AveragedKernelRidge(),
    *SHIFTS,
    Nuisances(),
]
# They take no table of features, which all of scikit-learn's checks need.
WITHOUT_TABLES = [GainScaler(), PropensityPolicy(trim=0.1)]


class _HalfGold:
    """Mark half of the rows gold, by their first feature, where a check names no source.

    scikit-learn's checks know no sources; without one a shift is zero and little is checked.
    """

    def fit(self, X, y, is_gold=None, *, sample_weight=None, groups=None):
        try:
            first = np.asarray(X, dtype=float)[:, 0]
            is_gold = first >= np.median(first) if len(first) > 1 else None
        except (IndexError, TypeError, ValueError):  # a broken table: the estimator shall say so
            is_gold = None
        return super().fit(X, y, is_gold, sample_weight=sample_weight, groups=groups)


class HalfGoldMetaRouter(_HalfGold, MetaRouter):
    __init__ = MetaRouter.__init__


class HalfGoldAdaptiveMetaRouter(_HalfGold, AdaptiveMetaRouter):
    __init__ = AdaptiveMetaRouter.__init__


class HalfGoldConstantShift(_HalfGold, ConstantShift):
    pass


class HalfGoldRLearner(_HalfGold, RLearner):
    __init__ = RLearner.__init__


class HalfGoldDRLearner(_HalfGold, DRLearner):
    __init__ = DRLearner.__init__


class HalfGoldEPLearner(_HalfGold, EPLearner):
    __init__ = EPLearner.__init__


HALF_GOLD = [
    # The labels of some checks are constant in one half, which has no variance to match.
    # Folds of the calibration depend on the number of rows, so that weight 2 is not two rows.
    HalfGoldMetaRouter(ConstantShift(), LINE, scaling=None, calibrate=False),
    HalfGoldAdaptiveMetaRouter(),
    HalfGoldConstantShift(),
    HalfGoldRLearner(LINE, "constant", LINE, cv=2),
    HalfGoldDRLearner(LINE, "constant", LINE, cv=2),
    HalfGoldEPLearner(LINE, "constant", LINE, cv=2),
    HalfGoldDRLearner(LINE, "constant", LINE, cv=2, pooled_outcome=True),
]


def expected_failures(estimator) -> dict[str, str]:
    if isinstance(estimator, AdaptiveMetaRouter | AveragedKernelRidge):
        return {
            "check_sample_weight_equivalence_on_dense_data": (
                "a weight is the precision of a label: one label of weight two tells less of the "
                "noise than two labels, and landmarks are drawn from rows"
            )
        }
    if isinstance(estimator, MetaRouter) and estimator.regressor is None:
        return {
            "check_sample_weight_equivalence_on_dense_data": (
                "the default forest draws bags of rows and bounds leaves by rows, so that a row of "
                "weight two is not two rows; scikit-learn's own random forests fail in the same way"
            )
        }
    return {}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([*ESTIMATORS, *HALF_GOLD], expected_failed_checks=expected_failures)
def test_scikit_learn_checks_hold(estimator, check) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.mark.parametrize(
    "estimator", [*ESTIMATORS, *WITHOUT_TABLES], ids=lambda e: type(e).__name__
)
def test_parameters_are_stored_untouched_and_cloned(estimator) -> None:
    names = inspect.signature(type(estimator)).parameters
    parameters = estimator.get_params(deep=False)
    assert sorted(parameters) == sorted(names)
    for name, value in parameters.items():
        assert getattr(estimator, name) is value
    copy = clone(estimator)
    assert copy is not estimator
    assert repr(copy) == repr(estimator)


@pytest.fixture
def metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def linear_router(**given) -> MetaRouter:
    shift = RLearner(LINE, LogisticRegression(), make_pipeline(StandardScaler(), LINE), cv=2)
    return MetaRouter(shift, LINE, random_state=0, **given)


def routed(*names: str) -> MetaRouter:
    requested = dict.fromkeys(names, True)
    scored = {name: True for name in names if name != "groups"}
    return linear_router().set_fit_request(**requested).set_score_request(**scored)


GROUPS, WEIGHT = np.arange(200) // 2, np.random.default_rng(0).exponential(size=200)


def test_a_pipeline_hands_sources_weights_and_groups_on(metadata_routing) -> None:
    pipeline = make_pipeline(
        StandardScaler().set_fit_request(sample_weight=False),
        routed("is_gold", "groups", "sample_weight"),
    )
    given = {"is_gold": DATA.is_gold, "groups": GROUPS, "sample_weight": WEIGHT}
    pipeline.fit(DATA.X, DATA.y, **given)
    scaled = StandardScaler().fit_transform(DATA.X)
    alone = linear_router().fit(scaled, DATA.y, **given)
    np.testing.assert_array_equal(pipeline.predict(DATA.X), alone.predict(scaled))


def test_sources_that_are_not_routed_are_refused_and_not_lost(metadata_routing) -> None:
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="is_gold"):
        cross_validate(linear_router(), DATA.X, DATA.y, params={"is_gold": DATA.is_gold})


def test_cross_validation_scores_gold_rows_of_each_split(metadata_routing) -> None:
    folds = list(StratifiedKFold(3).split(DATA.X, DATA.is_gold))
    params = {"is_gold": DATA.is_gold, "sample_weight": WEIGHT}
    found = cross_validate(
        routed("is_gold", "sample_weight"), DATA.X, DATA.y, cv=folds, params=params
    )
    for (train, test), score in zip(folds, found["test_score"], strict=True):
        model = linear_router().fit(
            DATA.X[train], DATA.y[train], DATA.is_gold[train], sample_weight=WEIGHT[train]
        )
        expected = model.score(DATA.X[test], DATA.y[test], DATA.is_gold[test], WEIGHT[test])
        assert score == pytest.approx(expected)


def test_grouped_cross_validation_hands_groups_to_splitter_and_learner(metadata_routing) -> None:
    found = cross_validate(
        routed("is_gold", "groups"),
        DATA.X,
        DATA.y,
        cv=StratifiedGroupKFold(3).split(DATA.X, DATA.is_gold, GROUPS),
        params={"is_gold": DATA.is_gold, "groups": GROUPS},
        return_estimator=True,
    )
    for model in found["estimator"]:
        groups = np.concatenate([test for _, test in model.shift_.nuisances_.folds_])
        assert len(groups) == model.n_gold_ + model.n_preference_


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_tunes_learners_inside_the_router(metadata_routing, n_jobs) -> None:
    search = GridSearchCV(
        routed("is_gold"),
        {"shift": [ZeroShift(), KnownShift(-1.0)], "scaling": [None, "variance"]},
        cv=list(StratifiedKFold(3).split(DATA.X, DATA.is_gold)),
        n_jobs=n_jobs,
    )
    with joblib.parallel_config("threading"):
        search.fit(DATA.X, DATA.y, is_gold=DATA.is_gold)
    assert isinstance(search.best_params_["shift"], KnownShift)
    assert search.best_estimator_.n_gold_ == DATA.is_gold.sum()


@pytest.mark.parametrize(
    "estimator",
    [
        linear_router(),
        MetaRouter(DRLearner(cv=2), random_state=0),
        RLearner(cv=2),
        ZeroShift(),
        Nuisances(cv=2),
    ],
    ids=lambda e: type(e).__name__,
)
def test_frames_keep_their_names_without_a_warning(estimator) -> None:
    frame = pd.DataFrame(DATA.X, columns=["length", "code", "maths", "law"])
    table = frame.assign(y=DATA.y, is_gold=DATA.is_gold)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = clone(estimator).fit(frame, table["y"], table["is_gold"])
        assert list(model.feature_names_in_) == list(frame)
        if hasattr(model, "predict"):
            from_array = clone(estimator).fit(DATA.X, DATA.y, DATA.is_gold).predict(DATA.X)
            if estimator.get_params().get("random_state") is not None:
                np.testing.assert_array_equal(model.predict(frame), from_array)
        if hasattr(model, "shift_"):
            assert len(model.shift_.predict(frame[:3])) == 3
            assert list(model.shift_.feature_names_in_) == list(frame)


def test_one_seed_is_every_seed_and_a_seed_of_ones_own_is_kept() -> None:
    forest = ExtraTreesRegressor(3)
    router = MetaRouter(RLearner(forest, "constant", forest, cv=2), forest, random_state=5)
    model = router.fit(DATA.X, DATA.y, DATA.is_gold)
    assert model.regressor_.random_state == model.shift_.final_.random_state == 5
    router.set_params(regressor=ExtraTreesRegressor(3, random_state=1))
    assert router.fit(DATA.X, DATA.y, DATA.is_gold).regressor_.random_state == 1
    assert forest.random_state is None


def test_a_random_state_object_is_drawn_from_once_per_fit() -> None:
    coarse = ExtraTreesRegressor(3, min_samples_leaf=20)
    first, again = (
        MetaRouter(ZeroShift(), coarse, random_state=np.random.RandomState(0)) for _ in range(2)
    )
    for model in (first, again):
        model.fit(DATA.X, DATA.y, DATA.is_gold)
    np.testing.assert_array_equal(first.predict(DATA.X), again.predict(DATA.X))
    before = first.predict(DATA.X)
    assert not np.array_equal(before, first.fit(DATA.X, DATA.y, DATA.is_gold).predict(DATA.X))
