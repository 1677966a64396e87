"""Seeds and workers: one integer per estimator, handed to every base learner that has none."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from metarouter.utils.parameters import check_argument


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """Return ``random_state`` itself when it is an integer, else an integer drawn from it.

    Raises
    ------
    MetaRouterError
        If it is not a valid seed.
    """
    check_argument("random_state", random_state, ["random_state"])
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def check_n_jobs(n_jobs: int | None) -> None:
    """Refuse numbers of workers that mean nothing to joblib.

    Raises
    ------
    MetaRouterError
        If ``n_jobs`` is 0, or no whole number.
    """
    check_argument("n_jobs", n_jobs, ["n_jobs", None])


def seeded(estimator: Any, seed: int) -> Any:
    """Clone an estimator and give ``seed`` to every ``random_state`` in it that is None.

    Every base learner of one fit gets the same seed, so that two of them that are asked to fit
    the same data are the same model and need to be fitted once only. What stays fitted when it is
    cloned, such as shared nuisances, belongs to somebody else and is left alone.
    """
    copy = clone(estimator)
    parameters = copy.get_params(deep=True)
    frozen = tuple(f"{name}__" for name, value in parameters.items() if _stays_fitted(value))
    unset = {
        name: seed
        for name, value in parameters.items()
        if value is None
        and (name == "random_state" or name.endswith("__random_state"))
        and not name.startswith(frozen)
    }
    return copy.set_params(**unset) if unset else copy


def _stays_fitted(value: Any) -> bool:
    return bool(getattr(value, "__sklearn_is_fitted__", bool)())
