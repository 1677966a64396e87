"""What every public function refuses: one sentence that names the argument, and no other error."""

from __future__ import annotations

import copy
import datetime
import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from function_calls import CALLS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from public_names import public_functions
from sklearn.linear_model import LinearRegression

from metarouter.utils.arguments import argument_constraints, validated
from metarouter.utils.parameters import Arrays, Frames, check_argument, has_methods

FUNCTIONS = public_functions()
# Of these nothing can be said before they begin, or they are formulas on arrays of other rooms.
UNDECLARED = {
    "average_gap",
    "copy_templates",
    "final_estimator",
    "decision_thresholds",
    "limits_table",
    "markdown_table",
    "model_names",
    "open_store",
    "oracle_actions",
    "package_versions",
    "take_rows",
    "verdict",
}
DECLARED = {
    name: argument_constraints(function)
    for name, function in FUNCTIONS.items()
    if name not in UNDECLARED
}
ARGUMENTS = [
    (name, argument)
    for name, constraints in DECLARED.items()
    for argument, allowed in constraints.items()
    if not isinstance(allowed, str)
]


class Thing:
    """Nothing that any argument may be."""


ODD = (
    *(Thing(), Thing, object(), 1j, b"bytes", {"a"}, 10**400, -(10**400), np.array(3.0)),
    *(True, False, np.nan, np.inf, -np.inf, -1, 0, 0.5, 2, "zzz", "", [], (), {}, print, None),
)


def allowed_value(constraint: Any) -> Any:
    """Return something that a constraint allows."""
    if constraint is None or isinstance(constraint, str):
        return {"boolean": True, "n_jobs": 1, "cv_object": 2}.get(constraint or "")
    if isinstance(constraint, Arrays):
        return [1.0, 2.0]
    if isinstance(constraint, Frames):
        return pd.DataFrame({"a": [1.0]})
    if constraint is Mapping:
        return {"a": [1.0]}
    if constraint is callable:
        return print
    if inspect.isclass(constraint):
        plain = {str: "a", bool: True}.get(constraint)
        return object.__new__(constraint) if plain is None else plain
    if hasattr(constraint, "options"):
        return sorted(constraint.options)[0]
    if hasattr(constraint, "methods"):
        return LinearRegression()
    if hasattr(constraint, "left"):
        return 0.5 if constraint.left == 0 else 1
    raise AssertionError(constraint)


def filled(name: str, argument: str, value: Any) -> dict[str, Any]:
    """Return arguments that are as declared, but for one."""
    given = {}
    for other, parameter in inspect.signature(FUNCTIONS[name]).parameters.items():
        if other == argument:
            return given | {other: value} | later(name, other)
        if is_needed(parameter):
            allowed = DECLARED[name][other]
            given[other] = None if isinstance(allowed, str) else allowed_value(allowed[0])
    return given | {argument: value}


def later(name: str, argument: str) -> dict[str, Any]:
    """Return anything for what must be given after an argument, and is not looked at."""
    parameters = list(inspect.signature(FUNCTIONS[name]).parameters.values())
    place = [parameter.name for parameter in parameters].index(argument)
    wanted = (parameter.name for parameter in parameters[place + 1 :] if is_needed(parameter))
    return dict.fromkeys(wanted)


def is_needed(parameter: inspect.Parameter) -> bool:
    plain = parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    return plain and parameter.default is parameter.empty


def is_allowed(allowed: Any, value: Any) -> bool:
    try:
        check_argument("value", value, allowed)
    except ValueError:
        return False
    return True


def require_sentence(error: BaseException, *names: str) -> None:
    sentence = str(error)
    assert any(re.search(rf"\b{name}\b", sentence) for name in names), sentence
    assert "\n" not in sentence, sentence
    assert sentence.endswith("."), sentence
    assert len(sentence) < 900, sentence  # scikit-learn's on missing values has three parts


@pytest.mark.parametrize("name", CALLS)
def test_what_is_spoiled_below_goes_well_when_it_is_not(name: str) -> None:
    FUNCTIONS[name](**CALLS[name]())


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in UNDECLARED])
def test_a_function_declares_what_its_arguments_may_be_and_its_defaults_are_that(name: str) -> None:
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    for argument, allowed in DECLARED[name].items():
        parameter = parameters.get(argument)  # none: a keyword of an `Unpack`
        if parameter is not None and parameter.default is not parameter.empty:
            check_argument(argument, parameter.default, allowed)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(ARGUMENTS),
    st.one_of(
        st.sampled_from(ODD),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.complex_numbers(),
        st.dates(),
    ),
)
def test_an_argument_that_is_not_as_declared_is_refused_in_one_sentence(
    of: tuple[str, str], value: Any
) -> None:
    name, argument = of
    if not is_allowed(DECLARED[name][argument], value):
        with pytest.raises(ValueError) as raised:
            FUNCTIONS[name](**filled(name, argument, value))
        require_sentence(raised.value, argument)
        assert str(raised.value).startswith(f"{argument} is ")


# What arrays hold --------------------------------------------------------------------------------

LABELS = ("groups", "labels", "categories")
BAD_NUMBERS = {
    "dates": lambda shape: np.full(shape, np.datetime64("2026-11-29")),
    "objects that are dates": lambda shape: np.full(shape, datetime.date(2026, 11, 29), object),
    "objects that are dicts": lambda shape: np.full(shape, {}, object),
    "masks": lambda shape: np.ma.masked_array(np.ones(shape), mask=np.ones(shape)),
    "complex numbers": lambda shape: np.full(shape, 1j),
    "400 digits": lambda shape: np.full(shape, 10**400, object).tolist(),
    "text": lambda shape: np.full(shape, "zzz"),
    "rows of two lengths": lambda shape: [[1.0], [1.0, 2.0]] * 30,
    "four more dimensions": lambda shape: np.ones((*shape, 1, 1, 1, 1)),
    "infinity": lambda shape: np.full(shape, np.inf),
}
BAD_LABELS = ("objects that are dicts", "masks", "rows of two lengths", "four more dimensions")
ARRAYS = [
    (name, argument)
    for name, make in CALLS.items()
    for argument, value in make().items()
    if isinstance(value, np.ndarray | list)
]


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_an_array_that_holds_no_real_numbers_is_refused_in_one_sentence(
    name: str, argument: str
) -> None:
    arguments = CALLS[name]()
    shape = np.shape(arguments[argument])
    for kind in BAD_LABELS if argument in LABELS else BAD_NUMBERS:
        unlooked = (name, argument) == ("router_table", "X")  # what nobody asks for
        if not unlooked and not (kind == "infinity" and argument == "grid"):
            spoiled = arguments | {argument: BAD_NUMBERS[kind](shape)}
            before = {other: copy.copy(value) for other, value in arguments.items()}
            with pytest.raises((ValueError, TypeError)) as raised:
                FUNCTIONS[name](**spoiled)
            require_sentence(raised.value, argument)
            for other, value in before.items():
                if isinstance(value, np.ndarray):
                    np.testing.assert_array_equal(arguments[other], value)


@pytest.mark.parametrize("name", CALLS)
def test_what_takes_many_kinds_of_thing_refuses_what_is_none_of_them(name: str) -> None:
    arguments = CALLS[name]()
    for argument, allowed in DECLARED[name].items():
        if isinstance(allowed, str):
            negative = () if argument in ("min_gain", "max_loss") else (-1,)  # which may be so
            for value in (Thing(), Thing, 1j, b"bytes", {"a"}, 10**400, "zzz", *negative, print):
                with pytest.raises((ValueError, TypeError)) as raised:
                    FUNCTIONS[name](**arguments | {argument: value})
                require_sentence(raised.value, argument)


@pytest.mark.parametrize("name", DECLARED)
def test_defaults_and_none_where_it_is_documented_are_accepted(name: str) -> None:
    function = FUNCTIONS[name]
    parameters = inspect.signature(function).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
    for argument, allowed in DECLARED[name].items():
        if argument in defaults:
            check_argument(argument, defaults[argument], allowed)
        said = re.search(rf"^(\w+, )*{argument}(, \w+)* : (.*)$", inspect.getdoc(function), re.M)
        if said and re.search(r"\bNone\b|optional", said[3]):
            check_argument(argument, None, allowed)


def test_a_declaration_in_the_call_takes_the_place_of_the_annotation() -> None:
    @validated(model=[has_methods("fit"), None])
    def fit(model: Any, n: int = 1, *, deep: bool = False, **others: Any) -> str:
        return "done"

    assert fit(LinearRegression(), others=1) == fit(None, 3, deep=True) == "done"
    for wrong, sentence in (
        ({"model": 1}, "model is 1; give an estimator with fit, or None."),
        ({"model": None, "n": 1.5}, "n is 1.5; give a whole number."),
        ({"model": None, "deep": 1}, "deep is 1; give True or False."),
    ):
        with pytest.raises(ValueError) as raised:
            fit(**wrong)
        assert str(raised.value) == sentence
