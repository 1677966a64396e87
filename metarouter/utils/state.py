"""A method that fails leaves its object as it was."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

__all__ = ["unchanged_on_error"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Self = TypeVar("_Self")


def unchanged_on_error(
    method: Callable[Concatenate[_Self, _P], _R],
) -> Callable[Concatenate[_Self, _P], _R]:
    """Put an object's attributes back when its method raises, as those of a ``fit`` that learns.

    What the method changes inside an attribute stays changed; a ``fit`` sets its attributes anew.

    Examples
    --------
    >>> class Mean:
    ...     @unchanged_on_error
    ...     def fit(self, values):
    ...         self.n_ = len(values)
    ...         self.mean_ = sum(values) / self.n_
    >>> mean = Mean()
    >>> mean.fit([])
    Traceback (most recent call last):
    ...
    ZeroDivisionError: division by zero
    >>> vars(mean)
    {}
    """

    @wraps(method)
    def guarded(self: _Self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        before = dict(vars(self))
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return cast(Callable[Concatenate[_Self, _P], _R], guarded)
