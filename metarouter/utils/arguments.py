"""What the arguments of a public function may be: what their annotations say, checked in one place.

    @validated()
    def interval(values: ArrayLike, *, method: Literal["t", "z"] = "t", level: float = 0.95): ...

refuses ``values="a"``, ``method="x"`` and ``level=2`` before the function begins, each in one
sentence that names the argument. A number is finite, a truth value is no number and no number a
truth value; an array is a sequence, an array, a series or a frame, of real numbers unless it is
declared as `LABELS`, and its shape is looked at by the function. Keywords of `validated` declare
more than an annotation can, such as a range; arguments called `groups`, `level` and `n_jobs` are
the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, wraps
from inspect import Parameter, isclass, signature
from numbers import Integral
from types import MappingProxyType, SimpleNamespace, UnionType
from typing import (
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from metarouter.utils.features import as_floats
from metarouter.utils.groups import as_labels
from metarouter.utils.parameters import (
    ARRAY,
    FRAME,
    LABELS,
    LEVEL,
    NUMBERS,
    Frames,
    check_argument,
    number,
    one_of,
)

__all__ = ["argument_constraints", "validated"]

P = ParamSpec("P")
R = TypeVar("R")

_ANYTHING = "no_validation"
_SIMPLE: dict[Any, Any] = {
    bool: "boolean",
    float: number(),
    int: Interval(Integral, None, None, closed="neither"),
    Frames: FRAME,
    type(None): None,
}
# What an argument of these names is in every function.
_CONVENTIONS: dict[str, Any] = {
    "groups": [LABELS, None],
    "level": [LEVEL],
    "n_jobs": ["n_jobs", None],
}
_LISTS = (list, tuple, Sequence, np.ndarray)
_UNCHECKED = (Any, object, Iterable, Iterator)
_ARRAY_LIKE = get_args(ArrayLike)


def validated(**declared: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the arguments of a function by their annotations before it begins.

    Parameters
    ----------
    **declared : list of constraints, or "no_validation"
        What some arguments may be, in place of what their annotations say.

    Examples
    --------
    >>> @validated()
    ... def interval(n: int, *, level: float = 0.95) -> float:
    ...     return level
    >>> interval("a")
    Traceback (most recent call last):
    ...
    metarouter.exceptions.DataError: n is 'a'; give a whole number.
    >>> interval(3, level=2)
    Traceback (most recent call last):
    ...
    metarouter.exceptions.DataError: level is 2; give a confidence level between 0 and 1.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        names = list(signature(function).parameters)

        @cache  # made when the function is first called: its annotations may name later classes
        def constraints() -> Mapping[str, Any]:
            of_each = {name: _allowed(hint) for name, hint in _hints(function).items()}
            unknown = set(declared) - set(of_each)
            if unknown:
                raise TypeError(f"{function.__name__} has no arguments {sorted(unknown)}.")
            known = {name: kind for name, kind in _CONVENTIONS.items() if name in of_each}
            return MappingProxyType(of_each | known | declared)

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            allowed = constraints()
            # Arguments that are missing, or too many, are for Python to refuse.
            for name, value in (*zip(names, args, strict=False), *kwargs.items()):
                if name in allowed:
                    check_argument(name, value, allowed[name])
                    _require_content(name, value, allowed[name])
            return function(*args, **kwargs)

        checked.argument_constraints = constraints  # type: ignore[attr-defined]
        return checked

    return decorate


def argument_constraints(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return what the arguments of a function that is `validated` may be."""
    return function.argument_constraints()  # type: ignore[attr-defined]


def _require_content(name: str, value: Any, allowed: Any) -> None:
    """Refuse an array that holds something else than it should."""
    if isinstance(allowed, str) or not ARRAY.is_satisfied_by(value):
        return
    if NUMBERS in allowed:
        as_floats(name, value, f"{name} holds values that are not numbers; give numbers.")
    elif LABELS in allowed:
        as_labels(name, value)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotation of every argument; keywords of an `Unpack` are arguments too."""
    # pandas is loaded by those who use it, and what is known to mypy alone is anything.
    known: dict[str, Any] = {"pd": SimpleNamespace(DataFrame=Frames)}
    hints: dict[str, Any] = {}
    for name, parameter in signature(function).parameters.items():
        hint = _evaluated(function, known).get(name, Any)
        if get_origin(hint) is Unpack:
            hints |= _evaluated(get_args(hint)[0], known)
        elif parameter.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL):
            hints[name] = hint
    return hints


def _evaluated(annotated: Any, known: dict[str, Any]) -> dict[str, Any]:
    while True:
        try:
            return get_type_hints(annotated, localns=known)
        except NameError as error:
            known[str(error.name)] = Any


def _allowed(annotation: Any) -> Any:
    """Return the constraints that an annotation stands for; "no_validation" if it allows all."""
    members: list[Any] = []
    for part in _parts(annotation):
        constraint = _constraint(part)
        if constraint == _ANYTHING:
            return _ANYTHING
        members += [constraint] if constraint not in members else []
    return sorted(members, key=lambda constraint: constraint is None)  # None is named last


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union; the many of `ArrayLike` are one, and so are its words."""
    if get_origin(annotation) not in (Union, UnionType):
        yield annotation
        return
    members = get_args(annotation)
    if set(_ARRAY_LIKE) <= set(members):
        yield np.ndarray
        members = tuple(member for member in members if member not in _ARRAY_LIKE)
    words = [word for member in members if _is_literal(member) for word in get_args(member)]
    if words:
        yield Literal[tuple(words)]
    yield from (member for member in members if not _is_literal(member))


def _is_literal(annotation: Any) -> bool:
    return get_origin(annotation) is Literal


def _constraint(part: Any) -> Any:
    """Return the constraint that one member of a union stands for."""
    if _is_literal(part):
        return one_of(*(value for value in get_args(part) if value is not None))
    kind: Any = get_origin(part) or part
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind in _UNCHECKED:
        return _ANYTHING
    if kind is Callable:
        return callable
    if kind in _LISTS:
        of_numbers = kind is np.ndarray or float in get_args(part)
        return NUMBERS if of_numbers else ARRAY
    return kind if isclass(kind) else _ANYTHING
