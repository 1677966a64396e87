"""Routers by name, as options make them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

__all__ = ["Exploration", "RouterName", "routers_of"]

Exploration = dict[str, float]


class RouterName(StrEnum):
    """The routers that can be played."""

    linucb = "linucb"
    lints = "lints"
    epsilon_greedy = "epsilon_greedy"
    square_cb = "square_cb"


# What each router explores by.
_EXPLORES_BY = {
    RouterName.linucb: "alpha",
    RouterName.lints: "scale",
    RouterName.epsilon_greedy: "epsilon",
    RouterName.square_cb: "gamma",
}


def routers_of(
    names: Iterable[RouterName], exploration: Exploration, prior_precision: float
) -> dict[str, Any]:
    """Return unfitted routers by name, each once, with their settings.

    Parameters
    ----------
    names : iterable of RouterName
    exploration : dict of str to float
        Values of alpha, scale, epsilon and gamma; each router takes its own.
    prior_precision : float

    Returns
    -------
    dict of str to router
    """
    from bandits import EpsilonGreedy, LinTS, LinUCB, SquareCB

    classes: dict[RouterName, Any] = {
        RouterName.linucb: LinUCB,
        RouterName.lints: LinTS,
        RouterName.epsilon_greedy: EpsilonGreedy,
        RouterName.square_cb: SquareCB,
    }
    return {
        str(name): classes[name](exploration[_EXPLORES_BY[name]], prior_precision=prior_precision)
        for name in dict.fromkeys(names)
    }
