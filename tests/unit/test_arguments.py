"""What every public estimator refuses: one sentence that names the parameter, state untouched."""

from __future__ import annotations

import copy
import datetime
import inspect
import re
from functools import cache
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from public_names import public_estimators
from sklearn.linear_model import LinearRegression

from bandits import LinUCB
from bandits.base import BanditRouter
from bandits.dueling import DuelingRouter
from bandits.reward_models import OfflineRewardRouter
from metarouter import MetaRouter, RLearner, ThresholdRouter, ZeroShift
from metarouter.evaluation import efficiency_gain_curve
from metarouter.routing import TokenRates
from metarouter.utils.parameters import (
    check_argument,
    has_methods,
    number,
    one_of,
    parameter_constraints,
    several,
    whole,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
Y = RNG.normal(size=40)
IS_GOLD = np.arange(40) % 2 == 0
PAIRS = np.tile([["a", "b"], ["b", "c"]], (20, 1))
QUALITY = RNG.random((40, 2))


ESTIMATORS = public_estimators()


@cache
def needed(name: str) -> dict[str, Any]:
    """Return parameters that an estimator is not made without, or is slow without."""
    if name == "TokenCost":
        return {"primary": TokenRates(), "alternative": TokenRates()}
    if name == "GivenCost":
        return {}
    if name == "FallbackRouter":
        return {"router": ThresholdRouter(LinearRegression()).fit(X, Y), "n_neighbors": 3}
    if name == "WeightedScore":
        offline = OfflineRewardRouter(2, max_epochs=1, random_state=0)
        return {"offline": offline.fit(X, QUALITY > 0.5)}
    if name in ("Smallest", "Largest"):
        return {"sizes": {0: 1.0, 1: 2.0}}
    if name == "TorchRegressor":
        return {"epochs": 1}
    if name == "OfflineRewardRouter":
        return {"max_epochs": 1}
    if issubclass(ESTIMATORS[name], DuelingRouter):
        return {"embeddings": np.eye(2)}
    return {}


def make(name: str) -> Any:
    """Return an estimator that has learned nothing."""
    return ESTIMATORS[name](**needed(name))


def learn(estimator: Any) -> Any:
    """Fit an estimator on data of its kind."""
    module, name = type(estimator).__module__, type(estimator).__name__
    if isinstance(estimator, DuelingRouter):
        estimator.fit(X, [0] * 40, [1] * 40, np.ones(40))
    elif name == "ModelEmbeddings":
        estimator.fit(X[:2], QUALITY)
    elif name == "CategoryEncoder":
        estimator.fit(X, np.arange(40) % 2)
    elif name == "OfflineRewardRouter":
        estimator.fit(X, QUALITY > 0.5)
    elif name == "CalibratedPanel":
        estimator.fit(np.sign(X), np.where(IS_GOLD, 1.0, -1.0))
    elif module.startswith("bandits"):
        estimator.fit(X, QUALITY)
    elif "encoding" in module:
        estimator.fit(["a word", "another word"])
    elif name == "OverlapRegion":
        estimator.fit(X, IS_GOLD)
    elif name == "MultiModelMetaRouter":
        estimator.fit(X, PAIRS, Y, is_gold=IS_GOLD)
    elif name == "GainScaler":
        estimator.fit(Y, IS_GOLD)
    elif name == "PropensityPolicy":
        estimator.apply(np.full(40, 0.5), IS_GOLD)
    elif name.endswith("Cost"):
        estimator.costs(X)
    elif name == "FallbackRouter":
        estimator.fit(X)
    elif name in ("AveragedKernelRidge", "TorchRegressor"):
        estimator.fit(X, Y)
    else:
        estimator.fit(X, Y, is_gold=IS_GOLD)
    return estimator


class Thing:
    """Nothing that any parameter may be."""


NOTHING = (Thing(), Thing, object(), 1j, b"bytes", {"a"}, 10**400, -(10**400), np.array([[1.0]]))
ODD = (*NOTHING, True, False, np.nan, np.inf, -np.inf, -1, 0, 0.5, "zzz", "", [], (), {}, print)


def is_allowed(allowed: Any, value: Any) -> bool:
    try:
        check_argument("value", value, allowed)
    except ValueError:
        return False
    return True


PARAMETERS = [
    (name, parameter)
    for name, kind in ESTIMATORS.items()
    for parameter, allowed in parameter_constraints(kind).items()
    if not isinstance(allowed, str)
]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_declares_what_each_of_its_parameters_may_be(name: str) -> None:
    parameters = set(inspect.signature(ESTIMATORS[name].__init__).parameters) - {"self"}
    if parameters == {"args", "kwargs"}:  # no constructor of its own
        parameters = set()
    assert parameters <= set(parameter_constraints(ESTIMATORS[name])), name


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_defaults_are_what_is_declared(name: str) -> None:
    estimator = make(name)
    for parameter, allowed in parameter_constraints(type(estimator)).items():
        if not isinstance(allowed, str) and parameter not in needed(name):
            check_argument(parameter, getattr(estimator, parameter), allowed)


def refuse(name: str, parameter: str, value: Any) -> None:
    """Require one sentence that names the parameter, and an estimator that stays as it was."""
    estimator = make(name)
    setattr(estimator, parameter, value)
    before = copy.copy(vars(estimator))
    with pytest.raises((ValueError, TypeError)) as raised:
        learn(estimator)
    sentence = str(raised.value)
    assert sentence.startswith(f"{parameter} is "), sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 400
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[key] is before[key] for key in before)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_no_parameter_can_be_is_refused_by_every_one(name: str) -> None:
    for of, parameter in PARAMETERS:
        if of == name:
            allowed = parameter_constraints(ESTIMATORS[name])[parameter]
            bad = [value for value in NOTHING if not is_allowed(allowed, value)]
            assert bad, parameter
            refuse(name, parameter, bad[len(parameter) % len(bad)])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(PARAMETERS),
    st.one_of(
        st.sampled_from(ODD),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.complex_numbers(),
        st.lists(st.one_of(st.integers(), st.text(max_size=2)), max_size=3),
        st.dates(),
    ),
)
def test_a_parameter_that_is_not_as_declared_is_refused_in_one_sentence(
    parameter: tuple[str, str], value: Any
) -> None:
    name, parameter = parameter
    if not is_allowed(parameter_constraints(ESTIMATORS[name])[parameter], value):
        refuse(name, parameter, value)


@pytest.mark.parametrize(
    ("value", "allowed", "sentence"),
    [
        (True, [number(at_least=0)], "a is True; give a number of at least 0."),
        (1, ["boolean"], "a is 1; give True or False."),
        (np.inf, [number(above=0)], "a is inf; give a number above 0."),
        (-1.0, [number(at_least=0, infinite=True)], "a number of at least 0 (infinity is allowed)"),
        (2, [number(above=0, at_most=1)], "give a number above 0 and of at most 1."),
        (1, [number(at_least=0, below=1)], "give a number from 0 to below 1."),
        (1.0, [whole()], "a is 1.0; give a whole number of at least 1."),
        (0, [whole(), None], "give a whole number of at least 1, or None."),
        ("c", [one_of("b", "a")], "a is 'c'; give 'a' or 'b'."),
        ([], [several(whole(), 2)], "give a tuple of 2, each a whole number of at least 1."),
        (0, ["n_jobs", None], "a whole number above 0, -1 for all cores, or None."),
        (LinearRegression, [has_methods("fit")], "a is the class LinearRegression; give an object"),
    ],
)
def test_the_sentence_says_what_to_give(value: Any, allowed: Any, sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        check_argument("a", value, allowed)
    assert sentence in str(raised.value)


def test_infinity_is_a_number_only_where_it_is_declared() -> None:
    check_argument("w", np.inf, [number(at_least=0, infinite=True)])
    with pytest.raises(ValueError, match="w is 1000"):
        check_argument("w", 10**400, [number(at_least=0, infinite=True)])


# Data --------------------------------------------------------------------------------------------

HUGE = 10**400
BAD_TABLES = {
    "dates": np.full((40, 2), np.datetime64("2026-11-29")),
    "durations": np.full((40, 2), np.timedelta64(3, "D")),
    "a frame with dates": pd.DataFrame({"a": pd.date_range("2026", periods=40), "b": 1.0}),
    "masks": np.ma.masked_array(X, mask=X > 1),
    "complex numbers": X + 1j,
    "a list of complex numbers": (X + 1j).tolist(),
    "400 digits": [[HUGE, 1]] * 40,
    "objects of 400 digits": np.array([[HUGE, 1.0]] * 40, dtype=object),
    "no dimension": np.array(3.0),
    "three dimensions": X[:, :, None],
    "rows of two lengths": [[1.0], [1.0, 2.0]] * 20,
    "objects that are dates": np.full((40, 2), datetime.date(2026, 11, 29), dtype=object),
    "objects that are dicts": np.full((40, 2), {}, dtype=object),
}
FROM_TABLES = [
    name
    for name, kind in ESTIMATORS.items()
    if "encoding" not in kind.__module__
    and hasattr(kind, "fit")
    and name not in ("GainScaler", "TokenCost", "UnitCost", "GivenCost", "PropensityPolicy")
    and name not in ("CalibratedPanel", "ModelEmbeddings")  # whose tables are not called X
]


@pytest.mark.parametrize("bad", BAD_TABLES)
@pytest.mark.parametrize("name", FROM_TABLES)
def test_a_table_that_is_not_of_real_numbers_is_refused_in_one_sentence(
    name: str, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = make(name)
    before = copy.copy(vars(estimator))
    monkeypatch.setitem(globals(), "X", BAD_TABLES[bad])
    with pytest.raises((ValueError, TypeError)) as raised:
        learn(estimator)
    sentence = str(raised.value)
    assert re.search(r"\bX\b", sentence), sentence
    assert "\n" not in sentence
    assert sentence.endswith("."), sentence
    assert len(sentence) < 400
    assert vars(estimator).keys() == before.keys()


@pytest.mark.parametrize(
    "bad",
    [
        np.full(40, np.datetime64("2026-11-29")),
        np.ma.masked_array(Y, mask=Y > 1),
        Y + 1j,
        [HUGE] * 40,
    ],
    ids=["dates", "masks", "complex", "400 digits"],
)
def test_labels_and_columns_that_are_no_real_numbers_are_refused(bad: Any) -> None:
    for use in (
        lambda: MetaRouter(regressor=LinearRegression()).fit(X, bad, is_gold=IS_GOLD),
        lambda: efficiency_gain_curve(bad, Y),
        lambda: efficiency_gain_curve(Y, bad),
        lambda: LinUCB(arms=(0, 1)).partial_fit(X, IS_GOLD.astype(int), bad),
    ):
        with pytest.raises(ValueError) as raised:
            use()
        assert "\n" not in str(raised.value)
        assert re.search(r"\b(y|gold_gain|psi_hat|quality)\b", str(raised.value))


def test_a_mask_that_hides_nothing_is_no_mask() -> None:
    plain, masked = (
        MetaRouter(RLearner(**LINES), LINE, calibrate=False, random_state=0)
        .fit(table, Y, is_gold=IS_GOLD)
        .predict(table)
        for table in (X, np.ma.masked_array(X, mask=False))
    )
    np.testing.assert_array_equal(plain, masked)


@pytest.mark.parametrize("arms", [np.array(3), np.array("a"), 3, "ab", {}, [], [None], [[1]]])
def test_arms_that_are_no_list_of_names_are_refused_by_name(arms: Any) -> None:
    for make_router in (lambda: LinUCB(arms=arms).fit(X, QUALITY), lambda: arms_of(arms)):
        with pytest.raises((ValueError, TypeError), match=r"\barms\b") as raised:
            make_router()
        assert "\n" not in str(raised.value)


def arms_of(arms: Any) -> None:
    LinUCB().partial_fit(X, [0] * 40, Y, arms=arms)


# No rows -----------------------------------------------------------------------------------------

LINE = LinearRegression()
LINES = {"outcome": LINE, "propensity": "constant", "final": LINE, "cv": 2}
# What is fitted in little time, where the base learners are beside the point.
QUICK = {
    "DRLearner": LINES,
    "DomainMetaRouter": {"model": MetaRouter(ZeroShift(), LINE, calibrate=False)},
    "EPLearner": LINES,
    "RLearner": LINES,
    "MetaRouter": {"shift": RLearner(**LINES), "regressor": LINE, "calibrate": False},
    "ThresholdRouter": {"model": MetaRouter(ZeroShift(), LINE, calibrate=False)},
}
OF_ROWS = (
    "predict",
    "predict_proba",
    "decision_function",
    "transform",
    "scores",
    "sample",
    "sample_pair",
    "pair_probabilities",
)


@pytest.mark.parametrize(
    "name",
    [name for name in ESTIMATORS if name not in ("GivenCost", "MiniLMEncoder", "PairEncoder")],
)
def test_no_rows_are_answered_with_no_rows(name: str) -> None:
    estimator = learn(make(name).set_params(**QUICK.get(name, {})))
    none_of_them = [] if "encoding" in type(estimator).__module__ else X[:0]
    if name == "GainScaler":
        none_of_them = Y[:0]
    for method in OF_ROWS:
        closed = name == "CoLSTIM" and method == "pair_probabilities"  # it has no closed form
        takes_labels = name == "GainScaler"  # values and their source
        if hasattr(estimator, method) and not closed:
            given = (none_of_them, IS_GOLD[:0]) if takes_labels else (none_of_them,)
            found = getattr(estimator, method)(*given)
            for part in found if isinstance(found, tuple) else (found,):
                assert np.shape(part)[0] == 0, method


def test_nothing_is_learned_of_no_rows() -> None:
    for name in ("LinUCB", "BetaTS", "BaRP", "FGTSRouter"):
        router = learn(make(name))
        none = ([], [], []) if isinstance(router, DuelingRouter) else ([], [])
        with pytest.raises(ValueError, match="X has 0 rows"):
            router.partial_fit(X[:0], *none)


# Feedback ----------------------------------------------------------------------------------------

LEARNERS = [
    name for name, kind in ESTIMATORS.items() if issubclass(kind, BanditRouter | DuelingRouter)
]
BAD_COLUMNS = {
    "missing": np.full(40, np.nan),
    "infinite": np.full(40, np.inf),
    "beyond any outcome": np.full(40, 1e200),
    "text": np.full(40, "zzz"),
    "dicts": np.full(40, {}, dtype=object),
    "dates": np.full(40, np.datetime64("2026-11-29")),
    "masks": np.ma.masked_array(Y, mask=Y > 0),
    "complex numbers": Y + 1j,
    "one row too few": Y[:-1],
    "no dimension": np.array(3.0),
    "400 digits": [HUGE] * 40,
    "rows of two lengths": [[1.0], [1.0, 2.0]] * 20,
    "a table": X,
    "an object": object(),
    "a word": "zzz",
    "a number": -5,
    "a dict": {},
}


@cache
def learned(name: str) -> Any:
    return learn(make(name))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(LEARNERS),
    st.integers(0, 4),
    st.sampled_from(list(BAD_COLUMNS)),
    st.sampled_from(list(BAD_TABLES)),
)
def test_feedback_that_is_refused_leaves_no_trace(
    name: str, place: int, column: str, table: str
) -> None:
    router = learned(name)
    duels = isinstance(router, DuelingRouter)
    names = ("X", "first", "second", "outcome") if duels else ("X", "action", "quality")
    values = [X, [0] * 40, [1] * 40, np.ones(40)] if duels else [X, [0] * 40, Y]
    given = dict(zip((*names, "propensity"), (*values, np.full(40, 0.5)), strict=True))
    spoiled = [*given][place % len(given)]
    given[spoiled] = BAD_TABLES[table] if spoiled == "X" else BAD_COLUMNS[column]
    before = joblib.hash(router.__getstate__())
    with pytest.raises((ValueError, TypeError)) as raised:
        router.partial_fit(**given)
    sentence = str(raised.value)
    assert re.search(rf"\b{spoiled}\b", sentence), sentence
    assert "\n" not in sentence
    assert len(sentence) < 400
    assert joblib.hash(router.__getstate__()) == before
