"""Routers side by side: score, cost, reward, regret, and where they send the queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.evaluation._outcomes import (
    action_probability,
    check_outcomes,
    oracle_probability,
)
from metarouter.evaluation import Estimates, clustered_means
from metarouter.utils.arguments import validated
from metarouter.utils.columns import check_reference, check_routers
from metarouter.utils.parameters import ARRAY
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RouterTable", "router_table"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class RouterTable(Printed):
    """What each router brings per query, with standard errors.

    Parameters
    ----------
    routers, arms : tuple of str
    reference : str
        The router that the others are compared with.
    score, cost, latency, reward, regret : Estimates of shape (n_routers,)
        Mean quality, cost, latency (None where it is not known), reward, and reward lost to the
        oracle.
    difference : Estimates of shape (n_routers,)
        Reward minus that of the reference, paired query by query.
    share : Estimates of shape (n_routers * n_arms,)
        Share of queries sent to each arm, router after router.
    n : int
        Number of rows.
    level : float
        Level of the intervals.

    See Also
    --------
    router_table : Computes one.
    """

    routers: tuple[str, ...]
    arms: tuple[str, ...]
    reference: str
    score: Estimates
    cost: Estimates
    reward: Estimates
    regret: Estimates
    difference: Estimates
    share: Estimates
    n: int
    level: float
    latency: Estimates | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return one row per router.

        Returns
        -------
        DataFrame
            Columns ``router``, then ``score``, ``cost``, ``latency`` where it is known, ``reward``
            and ``regret``, each followed by its standard error ``se_...``, then ``difference``
            (reward minus that of the reference), ``se_difference``, ``difference_low`` and
            ``difference_high``.
        """
        import pandas as pd

        columns: dict[str, Any] = {"router": self.routers}
        for name in ("score", "cost", "latency", "reward", "regret", "difference"):
            estimates = getattr(self, name)
            if estimates is not None:
                columns |= {name: estimates.value, f"se_{name}": estimates.se}
        low, high = self.difference.interval(self.level)
        return pd.DataFrame({**columns, "difference_low": low, "difference_high": high})

    def shares_frame(self) -> pd.DataFrame:
        """Return one row per router and arm: ``router``, ``arm``, ``share``, ``se_share``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "router": np.repeat(self.routers, len(self.arms)),
                "arm": np.tile(self.arms, len(self.routers)),
                "share": self.share.value,
                "se_share": self.share.se,
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the reward of every router minus that of the reference, with its interval.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        from bandits.evaluation._intervals import draw_intervals

        low, high = self.difference.interval(self.level)
        columns = (column[:, None] for column in (self.difference.value, low, high))
        ax = draw_intervals(ax, self.routers, ["difference"], *columns)
        words = f"reward minus that of {self.reference}, {100 * self.level:g}% intervals"
        ax.set_xlabel(words)
        return ax

    def _table(self) -> pd.DataFrame:
        return self._written()

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        """Write estimates with their errors in brackets; costs get three significant figures."""
        import pandas as pd

        def cells(estimates: Estimates, form: str) -> list[str]:
            pairs = zip(estimates.value, estimates.se, strict=True)
            return [f"{value:{form}} ({se:{form}})" for value, se in pairs]

        fixed = f".{decimals}f"
        waits = {} if self.latency is None else {"latency": cells(self.latency, ".3g")}
        return pd.DataFrame(
            {
                "router": self.routers,
                "score": cells(self.score, fixed),
                "cost": cells(self.cost, ".3g"),
                **waits,
                "reward": cells(self.reward, fixed),
                "regret": cells(self.regret, fixed),
                f"reward minus {self.reference}": cells(self.difference, "+" + fixed),
            }
        )

    def _title(self) -> str:
        return "Routers on the same queries"

    def _facts(self) -> dict[str, str]:
        return {"Rows": str(self.n), "Arms": str(len(self.arms)), "Reference": self.reference}

    def _notes(self) -> tuple[str, ...]:
        return ("In brackets: standard errors; differences are paired query by query.",)


@validated(X=[ARRAY, None])
def router_table(
    routers: Mapping[str, Any],
    X: Any,
    quality: ArrayLike,
    cost: ArrayLike | None = None,
    latency: ArrayLike | None = None,
    *,
    preference: ArrayLike | None = None,
    cost_cap: float | None = None,
    latency_cap: float | None = None,
    groups: ArrayLike | None = None,
    reference: str | None = None,
    arms: Sequence[Any] | None = None,
    level: float = 0.95,
) -> RouterTable:
    """Score, cost, reward, regret and shares of several routers on the same queries.

    Parameters
    ----------
    routers : dict of str to router or array-like
        A fitted router, which is asked for ``predict(X, preference)``; or the names of the arms it
        chose, of shape (n,); or the probabilities of its choices, of shape (n, n_arms), for a
        router that tosses coins: its expected outcomes are then taken, without the noise of the
        coins.
    X : array-like of shape (n, d) or None
        Features of the queries; None where no router needs to be asked.
    quality, cost, latency : array-like of shape (n, n_arms)
        Quality, cost and latency of every arm's answer. Without `cost` the reward is w_q times the
        quality.
    preference : weights or array-like of shape (n, 2) or (n, 3), optional
        Weights (w_q, w_c) of quality and cost, with latencies (w_q, w_c, w_l), which add up to 1.
        By default all alike, and (1, 0) without costs.
    cost_cap : float, optional
        The cost tau that counts as 1. By default the largest cost in the table.
    latency_cap : float, optional
        The same for latencies.
    groups : array-like of shape (n,) or (n, 2), optional
        Rows that share a value may depend on each other. For rows of several seeds give two
        columns, the seed and the query.
    reference : str, optional
        The router to compare with; the first by default.
    arms : sequence, optional
        Names of the arms; by default the columns of a DataFrame `quality`, else 0, 1, ...
    level : float, default=0.95
        Level of the intervals of the differences.

    Returns
    -------
    RouterTable

    Raises
    ------
    DataError
        If shapes differ, outcomes are missing, or a router chooses an unknown arm; the router is
        named.
    MetaRouterError
        If there is no router, or the reference is none of them.

    Notes
    -----
    The reward is ``w_q q - w_c min(c / tau, 1)`` (BaRP, equation 1), less for latency likewise; the
    regret is that of the oracle, which knows every reward and takes the highest. Standard errors
    are over new queries, with the routers held fixed; rows of several seeds, with two columns of
    `groups`, add what the training of another seed would change. Seeds that draw their training
    rows from one table share most of them, so that a router trained on another table may differ by
    more.

    Examples
    --------
    >>> quality = [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    >>> cost = [[0.4, 0.1], [0.4, 0.1], [0.4, 0.1]]
    >>> table = router_table(
    ...     {"large": ["L", "L", "L"], "wise": ["L", "S", "S"]},
    ...     None, quality, cost, arms=["L", "S"], cost_cap=1.0,
    ... )
    >>> table.to_frame()[["router", "score", "cost", "reward", "regret"]].round(3)
      router  score  cost  reward  regret
    0  large  0.667   0.4   0.133     0.1
    1   wise  0.667   0.2   0.233     0.0
    """
    check_routers(routers)
    names = list(routers)
    reference = names[0] if reference is None else reference
    check_reference(reference, names)
    outcomes = check_outcomes(quality, cost, latency, arms, preference, cost_cap, latency_cap)
    logs = outcomes.logs
    rewards = logs.reward(outcomes.preference, outcomes.caps)
    chosen = np.stack(
        [action_probability(name, routers[name], X, outcomes) for name in names]
    )  # (n_routers, n, n_arms)
    score = _expected(chosen, logs.quality)
    reward = _expected(chosen, rewards)
    spent = {} if logs.cost is None else {"cost": _expected(chosen, logs.cost)}
    waited = {} if logs.latency is None else {"latency": _expected(chosen, logs.latency)}
    best = _expected(oracle_probability(rewards, logs.cost)[None], rewards)
    parts = _estimated(
        {
            "score": score,
            **spent,
            **waited,
            "reward": reward,
            "regret": best - reward,
            "difference": reward - reward[:, [names.index(reference)]],
            "share": chosen.transpose(1, 0, 2).reshape(len(score), -1),
        },
        groups,
    )
    if logs.cost is None:
        parts["cost"] = Estimates(*(np.full(len(names), np.nan) for _ in range(3)))
    return RouterTable(
        routers=tuple(names),
        arms=tuple(str(arm) for arm in logs.arms),
        reference=reference,
        **parts,
        n=len(score),
        level=level,
    )


def _expected(probability: FloatArray, outcome: FloatArray) -> FloatArray:
    """Outcome of each row under each router, of shape (n, n_routers)."""
    return np.einsum("rnk,nk->nr", probability, outcome)


def _estimated(columns: Mapping[str, FloatArray], groups: ArrayLike | None) -> dict[str, Estimates]:
    """Means of several blocks of columns, with one look at the groups."""
    estimates = clustered_means(np.column_stack(list(columns.values())), groups)
    ends = np.cumsum([block.shape[1] for block in columns.values()])[:-1]
    cut = [np.split(part, ends) for part in (estimates.value, estimates.se, estimates.df)]
    return {
        name: Estimates(*part) for name, part in zip(columns, zip(*cut, strict=True), strict=True)
    }
