"""Arms are a named list; only the base of the routers turns names into positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError
from metarouter.utils.parameters import shown

_MOST_NAMES = 12
_LEAST, _LARGEST = np.iinfo(np.intp).min, np.iinfo(np.intp).max

__all__ = ["check_arms", "names_of", "position_of", "positions_of"]


def check_arms(arms: Iterable[Any]) -> list[Any]:
    """Return the names of the arms as a list.

    Raises
    ------
    DataError
        If there is none, one is named twice, or something cannot be a name.
    """
    no_list = isinstance(arms, str) or not isinstance(arms, Iterable)
    if no_list or getattr(arms, "ndim", 1) == 0:
        raise DataError(f"arms is {shown(arms)}; give a list of names.")
    names = [name.item() if isinstance(name, np.generic) else name for name in arms]
    if not names:
        raise DataError("arms is empty: name at least one.")
    for name in names:
        if name is None or not isinstance(name, Hashable) or name != name:
            raise DataError(
                f"arms holds {shown(name)}, which is no name: give text or whole numbers."
            )
        if isinstance(name, str) and name.endswith("\0"):
            raise DataError(
                f"arms holds {shown(name)}, whose last character numpy's arrays of text drop: "
                "leave it out."
            )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"arms names {shown(repeated[0])} twice: give every arm a name of its own.")
    return names


def positions_of(action: Any, arms: Sequence[Any], name: str = "action") -> NDArray[np.intp]:
    """Return the position of every action in the list of arms.

    Parameters
    ----------
    action : iterable of shape (n,)
    arms : sequence
    name : str, default="action"
        What messages call the actions.

    Raises
    ------
    DataError
        If an action is no arm.
    """
    position = {name: k for k, name in enumerate(arms)}
    no_list = isinstance(action, str) or not isinstance(action, Iterable)
    if no_list or getattr(action, "ndim", 1) == 0:
        raise DataError(f"{name} is {shown(action)}; give the name of the arm called, one per row.")
    if getattr(action, "ndim", 1) > 1:  # going through a frame gives the names of its columns
        raise DataError(
            f"{name} has shape {action.shape}; give one column, the name of the arm called per row."
        )
    actions = action.tolist() if hasattr(action, "tolist") else list(action)
    try:
        return np.array([position[one] for one in actions], dtype=np.intp)
    except (KeyError, TypeError):
        row = next(i for i, one in enumerate(actions) if not _is_in(one, position))
        raise DataError(
            f"{name} holds {shown(actions[row])} in row {row}, which is no arm of this router: "
            f"choose one of {_listed(arms)}, or add it with add_arm."
        ) from None


def position_of(name: Any, arms: Sequence[Any]) -> int:
    """Return the position of one arm in the list of arms.

    Raises
    ------
    DataError
        If there is no such arm.
    """
    position = {arm: k for k, arm in enumerate(arms)}
    if not _is_in(name, position):
        raise DataError(f"There is no arm {shown(name)}: choose one of {_listed(arms)}.")
    return position[name]


def names_of(positions: NDArray[np.intp], arms: Sequence[Any]) -> NDArray[Any]:
    """Return the names at some positions, one per position.

    Text gives an array of text, whole numbers that fit into 64 bits one of integers, and anything
    else, tuples too, one of objects.
    """
    types = set(map(type, arms))
    if types == {str}:
        return np.asarray(arms)[positions]
    if types == {int} and all(_LEAST <= arm <= _LARGEST for arm in arms):
        return np.asarray(arms, dtype=np.intp)[positions]
    names = np.empty(len(arms), dtype=object)
    for k, arm in enumerate(arms):
        names[k] = arm
    return names[positions]


def _listed(arms: Sequence[Any]) -> str:
    """Name the arms for a message; of many the first few."""
    more = f", ... ({len(arms)} arms)" if len(arms) > _MOST_NAMES else ""
    return ", ".join(map(shown, arms[:_MOST_NAMES])) + more


def _is_in(name: Any, position: dict[Any, int]) -> bool:
    try:
        return name in position
    except TypeError:
        return False
