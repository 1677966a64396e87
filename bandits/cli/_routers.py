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
    barp = "barp"
    barp_full_information = "barp_full_information"


# What each linear router explores by.
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
    from bandits import (
        BaRP,
        EpsilonGreedy,
        FullInformationBaRP,
        LinTS,
        LinUCB,
        SquareCB,
    )

    linear: dict[RouterName, Any] = {
        RouterName.linucb: LinUCB,
        RouterName.lints: LinTS,
        RouterName.epsilon_greedy: EpsilonGreedy,
        RouterName.square_cb: SquareCB,
    }
    policies: dict[RouterName, Any] = {
        RouterName.barp: BaRP,
        RouterName.barp_full_information: FullInformationBaRP,
    }
    return {
        str(name): linear[name](exploration[_EXPLORES_BY[name]], prior_precision=prior_precision)
        if name in linear
        else policies[name](device="cpu")
        for name in dict.fromkeys(names)
    }
