"""Arms are a named list; only the base of the routers turns names into positions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError

__all__ = ["check_arms", "names_of", "positions_of"]


def check_arms(arms: Iterable[Any]) -> list[Any]:
    """Return the names of the arms as a list.

    Raises
    ------
    DataError
        If there is none, or one is named twice.
    """
    names = [name.item() if isinstance(name, np.generic) else name for name in arms]
    if not names:
        raise DataError("There are no arms: name at least one.")
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise DataError(f"arms names {repeated[0]!r} twice: give every arm a name of its own.")
    return names


def positions_of(action: Any, arms: Sequence[Any]) -> NDArray[np.intp]:
    """Return the position of every action in the list of arms.

    Raises
    ------
    DataError
        If an action is no arm.
    """
    position = {name: k for k, name in enumerate(arms)}
    actions = action.tolist() if hasattr(action, "tolist") else list(action)
    try:
        return np.array([position[name] for name in actions], dtype=np.intp)
    except (KeyError, TypeError):
        row = next(i for i, name in enumerate(actions) if not _is_in(name, position))
        raise DataError(
            f"action holds {actions[row]!r} in row {row}, which is no arm of this router: choose "
            f"one of {', '.join(map(repr, arms))}, or add it with add_arm."
        ) from None


def names_of(positions: NDArray[np.intp], arms: Sequence[Any]) -> NDArray[Any]:
    """Return the names at some positions; integer names give an integer array."""
    return np.asarray(arms, dtype=_type_of(arms))[positions]


def _type_of(arms: Sequence[Any]) -> Any:
    if all(isinstance(name, int) and not isinstance(name, bool) for name in arms):
        return np.intp
    return None if all(isinstance(name, str) for name in arms) else object


def _is_in(name: Any, position: dict[Any, int]) -> bool:
    try:
        return name in position
    except TypeError:
        return False
