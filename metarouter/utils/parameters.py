"""What parameters and arguments may be: declared as scikit-learn does, checked in one place.

An estimator names its parameters in a class attribute `_parameter_constraints`, a dict from each
name to the list of what it may be, any one of which is enough. `check_parameters` checks them all;
`learn_features` calls it, so that every ``fit`` does before it looks at the data. The members of a
list are scikit-learn's constraints (an `Interval`, `StrOptions`, `HasMethods`, a type, None,
``"boolean"``, ``"random_state"``, ``"cv_object"``, ``callable``), made shorter by `number`,
`whole`, `one_of` and `several`, and ``"n_jobs"``; ``"no_validation"`` in place of a list leaves the
parameter to a check of its own. A subclass declares what it adds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import isclass
from math import isfinite
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Literal, TypeVar, cast

import numpy as np
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    make_constraint,
)

from metarouter.exceptions import DataError

__all__ = [
    "ARRAY",
    "CLASSIFIER",
    "FRAME",
    "LABELS",
    "LEVEL",
    "NUMBERS",
    "REGRESSOR",
    "check_argument",
    "check_options",
    "check_parameter",
    "check_parameters",
    "check_weight",
    "check_whole",
    "has_methods",
    "number",
    "one_of",
    "parameter_constraints",
    "printable",
    "renamed_parameters",
    "several",
    "shown",
    "whole",
]

_LARGEST_WHOLE = int(np.iinfo(np.int64).max)
_WORDS = {
    "boolean": "True or False",
    "random_state": "a whole number from 0 to 4294967295, a numpy RandomState, or None",
    "cv_object": "a whole number of at least 2, a splitter, or a list of (train, test) positions",
    "n_jobs": "a whole number above 0, -1 for all cores",
    "array-like": "an array",
}
_WORDS_OF_TYPES: dict[Any, str] = {Mapping: "a dict", os.PathLike: "a path", str: "text"}

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Declaring ---------------------------------------------------------------------------------------


def number(
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    infinite: bool = False,
) -> Interval:
    """Declare a finite real number within bounds.

    Parameters
    ----------
    above, at_least : float, optional
        Lower bound, itself left out or allowed.
    below, at_most : float, optional
        Upper bound, itself left out or allowed.
    infinite : bool
        Whether infinity is allowed, where there is no upper bound.

    Examples
    --------
    >>> check_argument("alpha", -1, [number(at_least=0)])
    Traceback (most recent call last):
    ...
    metarouter.exceptions.DataError: alpha is -1; give a number of at least 0.
    """
    left = at_least if above is None else above
    right = at_most if below is None else below
    from_left, to_right = at_least is not None, at_most is not None or infinite
    closed = {(1, 1): "both", (1, 0): "left", (0, 1): "right", (0, 0): "neither"}
    return Interval(Real, left, right, closed=closed[from_left, to_right])


def whole(at_least: int = 1, at_most: int | None = None) -> Interval:
    """Declare a whole number of at least `at_least`."""
    return Interval(Integral, at_least, at_most, closed="left" if at_most is None else "both")


def one_of(*names: str) -> StrOptions:
    """Declare a word among `names`."""
    return StrOptions(set(names))


def has_methods(*methods: str) -> HasMethods:
    """Declare an object with `methods`; an instance, not a class."""
    return HasMethods(list(methods))


def several(member: Any, length: int | None = None) -> Several:
    """Declare a list, tuple or array, not empty, whose members all satisfy one constraint."""
    return Several(member, length)


def renamed_parameters(**former: str) -> Callable[[_Function], _Function]:
    """Let a function take former names of its parameters, as files may, for one release.

    Parameters
    ----------
    **former : str
        The present name, by the former one.
    """

    def decorate(function: _Function) -> _Function:
        @wraps(function)  # whose signature is what `get_params` reads
        def taking_former_names(*args: Any, **given: Any) -> Any:
            return function(
                *args, **{former.get(name, name): value for name, value in given.items()}
            )

        return cast(_Function, taking_former_names)

    return decorate


@dataclass(frozen=True)
class Several:
    """What `several` declares."""

    member: Any
    length: int | None = None

    def is_satisfied_by(self, value: Any) -> bool:
        """Tell whether `value` is such a list."""
        if not isinstance(value, list | tuple | np.ndarray) or np.ndim(value) != 1:
            return False
        if not len(value) or (self.length is not None and len(value) != self.length):
            return False
        return all(_allows(self.member, member) for member in value)

    def __str__(self) -> str:
        count = "a list" if self.length is None else f"a tuple of {self.length}"
        return f"{count}, each {_described(self.member)}"


@dataclass(frozen=True)
class Arrays:
    """What `ARRAY` declares: rows in some order, whatever they hold, or of one kind of value."""

    holds: Literal["anything", "numbers", "labels"] = "anything"

    def is_satisfied_by(self, value: Any) -> bool:
        """Tell whether `value` is a sequence, an array, a series or a frame."""
        if isclass(value) or isinstance(value, str | bytes):
            return False
        if hasattr(value, "__array__"):
            return bool(getattr(value, "ndim", 1) >= 1)
        return isinstance(value, Sequence)

    def __str__(self) -> str:
        return "a list or an array"


@dataclass(frozen=True)
class Frames:
    """What `FRAME` declares: a table of pandas, which is not imported for it."""

    def is_satisfied_by(self, value: Any) -> bool:
        """Tell whether `value` is a frame."""
        return hasattr(value, "columns") and hasattr(value, "iloc")

    def __str__(self) -> str:
        return "a DataFrame"


ARRAY, NUMBERS, LABELS = Arrays(), Arrays("numbers"), Arrays("labels")
FRAME = Frames()
REGRESSOR = has_methods("fit", "predict")
CLASSIFIER = has_methods("fit", "predict_proba")
LEVEL = number(above=0, below=1)

# Checking ----------------------------------------------------------------------------------------


def parameter_constraints(kind: Any) -> Mapping[str, Any]:
    """Return what a class of estimators and its bases declare of their parameters."""
    merged: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        merged |= vars(base).get("_parameter_constraints", {})
    return MappingProxyType(merged)


def check_parameters(estimator: Any) -> None:
    """Refuse an estimator with a parameter that is not what its class declares.

    Raises
    ------
    DataError
        One sentence that names the parameter, what it is and what to give.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> class Smoother(BaseEstimator):
    ...     _parameter_constraints = {"width": [number(above=0), None], "deep": ["boolean"]}
    ...     def __init__(self, width=None, deep=False):
    ...         self.width, self.deep = width, deep
    >>> check_parameters(Smoother(width=0))
    Traceback (most recent call last):
    ...
    metarouter.exceptions.DataError: width is 0; give a number above 0, or None.
    """
    for name, allowed in parameter_constraints(type(estimator)).items():
        if hasattr(estimator, name):
            check_argument(name, getattr(estimator, name), allowed)


def check_options(options: Mapping[str, Any], known: type, of: str) -> None:
    """Refuse keywords that a TypedDict of options does not have, as Python refuses others.

    Parameters
    ----------
    options : mapping
    known : type
        The TypedDict.
    of : str
        What takes the options, in words.

    Raises
    ------
    TypeError
        If there is no such option.
    """
    unknown = sorted(set(options) - set(known.__annotations__))
    if unknown:
        raise TypeError(
            f"unexpected keyword argument {unknown[0]!r}; the options of {of} are "
            f"{', '.join(known.__annotations__)}."
        )


def check_argument(name: str, value: Any, allowed: Any) -> None:
    """Refuse a value that satisfies none of the constraints.

    Parameters
    ----------
    name : str
        What the sentence calls the argument.
    value : object
    allowed : list of constraints, or "no_validation"

    Raises
    ------
    DataError
    """
    if isinstance(allowed, str) or any(_allows(constraint, value) for constraint in allowed):
        return
    if isclass(value) and any(_is_kind(value, constraint) for constraint in allowed):
        kind = value.__name__
        raise DataError(
            f"{name} is the class {kind}; give an object of it, such as {kind}().", parameter=name
        )
    wanted = [_described(constraint) for constraint in allowed]
    comma = "," if len(wanted) > 1 and allowed[-1] is None else ""
    last = f"{comma} or {wanted[-1]}" if len(wanted) > 1 else wanted[0]
    raise DataError(
        f"{name} is {shown(value)}; give {', '.join(wanted[:-1])}{last}.", parameter=name
    )


def check_parameter(name: str, value: Any, holds: Callable[[float], bool], wanted: str) -> None:
    """Refuse a parameter that is no finite number, or not such a one.

    Raises
    ------
    DataError
    """
    if not (_is_number(value) and holds(float(value))):
        raise DataError(f"{name} is {shown(value)}; give {wanted}.", parameter=name)


def check_weight(weight: Any) -> None:
    """Refuse what cannot weigh the evidence that an arm begins with.

    Raises
    ------
    DataError
    """
    check_argument("weight", weight, [number(at_least=0, at_most=1)])


def check_whole(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is no whole number, or a smaller one.

    Raises
    ------
    DataError
    """
    check_argument(name, value, [whole(least)])


def shown(value: Any) -> str:
    """Return `value` as one short line for a message, whatever it is."""
    try:
        line = " ".join(repr(value).split())
    except Exception:  # such as an integer with more digits than Python prints
        return f"of type {type(value).__name__}"
    return line if len(line) <= 80 else f"{line[:77]}..."


def printable(text: Any) -> str:
    r"""Return what a file says for a message: one line, without what a terminal would obey.

    Examples
    --------
    >>> printable("1.0\x1b[2J")
    '1.0?[2J'
    """
    line = "".join(c if c.isprintable() else "?" for c in str(text))
    return line if len(line) <= 200 else f"{line[:197]}..."


def _is_number(value: Any) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def _allows(constraint: Any, value: Any) -> bool:
    if isinstance(constraint, Several | Arrays | Frames):
        return constraint.is_satisfied_by(value)
    if isinstance(value, bool | np.bool_):  # which is an integer to Python, and no number to us
        return constraint in ("boolean", bool, object)
    if isinstance(constraint, Interval):
        return _lies_in(constraint, value)
    if isinstance(constraint, HasMethods):
        return not isclass(value) and all(_has(value, name) for name in constraint.methods)
    if isinstance(constraint, str) and constraint == "n_jobs":
        return isinstance(value, Integral) and 0 < abs(int(value)) <= _LARGEST_WHOLE
    return bool(make_constraint(constraint).is_satisfied_by(value))


def _is_kind(value: type, constraint: Any) -> bool:
    """Tell whether an object of this class may be what is wanted."""
    if isinstance(constraint, HasMethods):
        return all(hasattr(value, method) for method in constraint.methods)
    return isclass(constraint) and issubclass(value, constraint)


def _has(value: Any, method: str) -> bool:
    # A stack knows only when it is fitted that it can predict; its class knows before.
    return hasattr(value, method) or (method == "predict" and hasattr(type(value), method))


def _lies_in(interval: Interval, value: Any) -> bool:
    if not interval.is_satisfied_by(value):
        return False
    if interval.type is Integral:
        return abs(int(value)) <= _LARGEST_WHOLE
    return _is_number(value) or not isinstance(value, Integral)  # infinity, where it is allowed


def _described(constraint: Any) -> str:
    if constraint is None:
        return "None"
    if isinstance(constraint, str):
        return _WORDS[constraint]
    if constraint is LEVEL:
        return "a confidence level between 0 and 1"
    if isinstance(constraint, Interval):
        return _bounds(constraint)
    if isinstance(constraint, Options):
        return _alternatives(sorted(map(repr, constraint.options)))
    if isinstance(constraint, HasMethods):
        kind = "estimator" if "fit" in constraint.methods else "object"
        return f"an {kind} with {_alternatives(constraint.methods, 'and')}"
    if constraint is callable:
        return "a function"
    if constraint is np.random.Generator:
        return "a numpy Generator"
    if isclass(constraint):
        name = constraint.__name__
        article = "an" if name[:1] in "AEIOUaeiou" else "a"
        return _WORDS_OF_TYPES.get(constraint, f"{article} {name}")
    return str(constraint)


def _bounds(interval: Interval) -> str:
    kind = "a whole number" if interval.type is Integral else "a number"
    left, right = interval.left, interval.right
    from_left = interval.closed in ("left", "both")
    to_right = interval.closed in ("right", "both")
    if left is None and right is None:
        return kind if interval.type is Integral else "a finite number"
    if right is None:
        infinite = " (infinity is allowed)" if to_right else ""
        return f"{kind} {'of at least' if from_left else 'above'} {left}{infinite}"
    if left is None:
        return f"{kind} {'of at most' if to_right else 'below'} {right}"
    if from_left:
        return f"{kind} from {left} to {'' if to_right else 'below '}{right}"
    return f"{kind} above {left} and {'of at most' if to_right else 'below'} {right}"


def _alternatives(names: Iterable[str], link: str = "or") -> str:
    *most, last = names
    return f"{', '.join(most)} {link} {last}" if most else last
