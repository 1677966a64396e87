"""Seeds and workers: one integer per estimator, handed to every base learner that has none."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from metarouter.exceptions import MetaRouterError

LARGEST_SEED = 2**32 - 1


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """Return ``random_state`` itself when it is an integer, else an integer drawn from it.

    Raises
    ------
    MetaRouterError
        If it is no seed.
    """
    if isinstance(random_state, int | np.integer) and 0 <= random_state <= LARGEST_SEED:
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    except ValueError:
        raise MetaRouterError(
            f"random_state={random_state!r} is no seed; give a whole number from 0 to "
            f"{LARGEST_SEED}, a numpy RandomState, or None."
        ) from None


def check_n_jobs(n_jobs: int | None) -> None:
    """Refuse numbers of workers that mean nothing to joblib.

    Raises
    ------
    MetaRouterError
        If ``n_jobs`` is 0, or no whole number.
    """
    whole = isinstance(n_jobs, int | np.integer) and not isinstance(n_jobs, bool)
    if n_jobs is not None and (not whole or n_jobs == 0):
        raise MetaRouterError(
            f"n_jobs={n_jobs!r} is no number of workers; give a whole number above 0, -1 for all "
            "cores, or None."
        )


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
