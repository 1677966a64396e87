"""Routers by name, as options make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from metarouter.utils.devices import require_torch

__all__ = ["Learning", "RouterName", "routers_of"]


class RouterName(StrEnum):
    """The routers that can be played."""

    linucb = "linucb"
    lints = "lints"
    epsilon_greedy = "epsilon_greedy"
    square_cb = "square_cb"
    barp = "barp"
    barp_full_information = "barp_full_information"
    forgetting_linucb = "forgetting_linucb"
    beta_ts = "beta_ts"


TRAINED_WITH_TORCH = frozenset({RouterName.barp, RouterName.barp_full_information})


class Learning(NamedTuple):
    """How routers learn and explore; each takes what is its own."""

    alpha: float = 1.0
    scale: float = 1.0
    epsilon: float = 0.1
    gamma: float = 100.0
    prior_precision: float = 1.0
    discount: float = 0.995


def routers_of(names: Iterable[RouterName], learning: Learning) -> dict[str, Any]:
    """Return unfitted routers by name, each once, with their settings.

    Parameters
    ----------
    names : iterable of RouterName
    learning : Learning

    Returns
    -------
    dict of str to router

    Raises
    ------
    MetaRouterError
        If torch is not installed and a router is trained with it.
    """
    from bandits import BaRP, BetaTS, EpsilonGreedy, FullInformationBaRP, LinTS, LinUCB, SquareCB

    names = list(dict.fromkeys(names))
    for name in TRAINED_WITH_TORCH.intersection(names):
        require_torch(f"--router {name}")
    ridge: dict[str, Any] = {"prior_precision": learning.prior_precision}
    make: dict[RouterName, Callable[[], Any]] = {
        RouterName.linucb: lambda: LinUCB(learning.alpha, **ridge),
        RouterName.lints: lambda: LinTS(learning.scale, **ridge),
        RouterName.epsilon_greedy: lambda: EpsilonGreedy(learning.epsilon, **ridge),
        RouterName.square_cb: lambda: SquareCB(learning.gamma, **ridge),
        RouterName.forgetting_linucb: lambda: LinUCB(
            learning.alpha, discount=learning.discount, **ridge
        ),
        RouterName.beta_ts: BetaTS,
        RouterName.barp: lambda: BaRP(device="cpu"),
        RouterName.barp_full_information: lambda: FullInformationBaRP(device="cpu"),
    }
    return {str(name): make[name]() for name in names}
