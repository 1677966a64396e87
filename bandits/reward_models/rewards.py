"""The reward of the model that a router chose (section 3.3, appendices B and C)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.features import as_floats
from metarouter.utils.parameters import check_parameter, check_whole
from metarouter.utils.random import seed_of

__all__ = [
    "RewardNormalizer", "agreement_reward", "dpo_loss", "learn_rewards", "loss_advantage",
    "verified_reward",
]  # fmt: skip

Array = NDArray[np.float64]


@validated()
def dpo_loss(margin: ArrayLike, verdict: ArrayLike, beta: float = 1.0) -> Array:
    """Return -log sigma(beta v m) of every pair (equation 1).

    Parameters
    ----------
    margin : array of shape (n,)
        log-ratio of the first answer minus that of the second, policy over reference.
    verdict : array of shape (n,)
        1 where the first answer was preferred, -1 where the second; at 0 both count half.
    beta : float, default=1.0

    Examples
    --------
    >>> dpo_loss([0.0, 2.0], [1.0, -1.0]).round(3).tolist()
    [0.693, 2.127]
    """
    m, v = _columns(("margin", margin), ("verdict", verdict))
    m = beta * m
    first, second = np.logaddexp(0.0, -m), np.logaddexp(0.0, m)
    return np.asarray(np.where(v > 0, first, np.where(v < 0, second, (first + second) / 2)))


def learn_rewards(
    router: Any, X: Array, action: NDArray[Any], reward: Array, propensity: Array
) -> None:
    """Let a router learn from the pairs of a batch whose reward is known; the others are NaN.

    Parameters
    ----------
    router : BanditRouter
    X : ndarray of shape (n, d)
    action : ndarray of shape (n,)
        Names of the models that were called.
    reward, propensity : ndarray of shape (n,)
        A probability that rounding has brought to 0 counts as 1e-12.
    """
    known = np.flatnonzero(~np.isnan(reward))
    if len(known):
        router.partial_fit(
            X[known], action[known], quality=reward[known],
            propensity=np.clip(propensity[known], 1e-12, 1.0),
        )  # fmt: skip


@validated()
def verified_reward(verdict: ArrayLike, label: ArrayLike) -> Array:
    """Return 1 where a verdict agrees with the verified label, 0 where not, 1/2 for ties; (n,).

    Price: one verified label per pair. Pairs without a label or a verdict give NaN.
    """
    v, y = _columns(("verdict", verdict), ("label", label), missing=True)
    return np.where(np.isnan(v * y), np.nan, 0.5 + 0.5 * np.sign(v * y))


@validated()
def agreement_reward(verdict: ArrayLike, chosen: ArrayLike) -> Array:
    """Return the share of the other models that agree with the chosen one, shape (n,).

    Price: N - 1 further calls per pair. It rewards the majority's view: a model that alone is
    right on a topic counts as wrong.

    Parameters
    ----------
    verdict : array of shape (n, N)
        Of all models: 1, -1, 0 or NaN; a tie agrees half with anything.
    chosen : array of int of shape (n,)
    """
    table = _table("verdict", verdict)
    chosen, rows = _positions("chosen", chosen, table), np.arange(len(table))
    own = table[rows, chosen]
    share = 0.5 + 0.5 * table * own[:, None]
    share[rows, chosen] = np.nan
    known = ~np.isnan(share)
    total = np.where(known, share, 0.0).sum(axis=1)
    return np.divide(total, known.sum(axis=1), out=np.full(len(table), np.nan), where=known.any(1))


@validated()
def loss_advantage(losses: ArrayLike, chosen: ArrayLike, asked: ArrayLike) -> Array:
    """Return 1 where the chosen model's loss is at most the mean of those asked (appendix C).

    With all models asked it is the full advantage, with three of them the light one.

    Parameters
    ----------
    losses : array of shape (n, N)
        DPO loss of every pair under every model's verdict.
    chosen : array of int of shape (n,)
    asked : array of bool of shape (n, N)
        The models whose mean is the baseline.
    """
    table, asked = _table("losses", losses), np.asarray(asked)
    if not np.isin(asked, (0, 1)).all():
        raise DataError("asked holds other values than True and False; mark who was asked.")
    asked = asked.astype(bool)
    if not np.isfinite(table).all():
        raise DataError("losses holds NaN or infinite values; give the loss under every model.")
    if asked.shape != table.shape or not asked.any(axis=1).all():
        raise DataError(
            f"asked has shape {asked.shape} and losses {table.shape}; mark at least one model that "
            "was asked in every row."
        )
    baseline = (table * asked).sum(axis=1) / asked.sum(axis=1)
    own = table[np.arange(len(table)), _positions("chosen", chosen, table)]
    return (own <= baseline + 1e-12).astype(float)


class RewardNormalizer:
    """Bring losses to rewards in [0, 1]: batch baseline, then running quantiles (appendix B).

    The reward of a pair is the mean loss of its batch minus its own, put on [0, 1] between the
    20% and 80% quantiles of all past rewards and cut off beyond. The quantiles are those of a
    reservoir: a uniform sample of bounded size (Vitter 1985), exact until it is full.

    Parameters
    ----------
    low, high : float, default=0.2 and 0.8
    memory : int, default=2000
        Rewards that are kept.
    warm_up : int, default=20
        Before so many past rewards everything is 0.5, as in the authors' code.
    random_state : int, RandomState or None

    Attributes
    ----------
    n_seen : int
        Rewards so far.
    kept : ndarray
        The reservoir.

    Examples
    --------
    >>> normalizer = RewardNormalizer(warm_up=3, random_state=0)
    >>> normalizer.update([1.0, 2.0, 3.0]).tolist()
    [0.5, 0.5, 0.5]
    >>> normalizer.update([1.0, 2.0, 3.0]).round(2).tolist()
    [1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        low: float = 0.2,
        high: float = 0.8,
        *,
        memory: int = 2000,
        warm_up: int = 20,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        check_parameter("low", low, lambda v: 0 <= v < 1, "a share below high")
        check_parameter("high", high, lambda v: low < v <= 1, "a share above low, at most 1")
        check_whole("memory", memory)
        check_whole("warm_up", warm_up)
        self.low, self.high, self.memory, self.warm_up = low, high, memory, warm_up
        self.kept: Array = np.empty(0)
        self.n_seen = 0
        self._rng = np.random.default_rng(seed_of(random_state))

    def update(self, losses: ArrayLike) -> Array:
        """Return the rewards of a batch of losses, by the past; then remember the batch.

        Raises
        ------
        DataError
            If a loss is not finite; nothing is remembered.
        """
        batch = np.atleast_1d(np.asarray(losses, dtype=np.float64))
        if batch.ndim != 1 or not len(batch) or not np.isfinite(batch).all():
            raise DataError("losses is empty, no row of numbers or not finite; give one per pair.")
        raw = batch.mean() - batch
        rewards = self._scaled(raw)
        self._remember(raw)
        return rewards

    def merge(self, other: RewardNormalizer) -> Self:
        """Take over what another one has seen, as if both had seen one stream."""
        total = self.n_seen + other.n_seen
        if len(self.kept) + len(other.kept) <= self.memory and total == len(self.kept) + len(
            other.kept
        ):
            self.kept = np.concatenate([self.kept, other.kept])
        else:
            size = min(self.memory, total)
            mine = int(self._rng.hypergeometric(self.n_seen, other.n_seen, size))
            mine = min(max(mine, size - len(other.kept)), len(self.kept))
            theirs = min(size - mine, len(other.kept))
            self.kept = np.concatenate(
                [
                    self._rng.choice(self.kept, mine, replace=False),
                    self._rng.choice(other.kept, theirs, replace=False),
                ]
            )
        self.n_seen = total
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain numbers and text, for JSON."""
        return {
            "parameters": {k: getattr(self, k) for k in ("low", "high", "memory", "warm_up")},
            "kept": self.kept.tolist(),
            "n_seen": self.n_seen,
            "generator": self._rng.bit_generator.state,
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Return the one that `to_dict` described; it goes on to the bit."""
        normalizer = cls(**state["parameters"])
        normalizer.kept, normalizer.n_seen = np.array(state["kept"], float), int(state["n_seen"])
        normalizer._rng.bit_generator.state = state["generator"]
        return normalizer

    def _scaled(self, raw: Array) -> Array:
        if self.n_seen < self.warm_up:
            return np.full(len(raw), 0.5)
        low, high = np.quantile(self.kept, [self.low, self.high])
        if high - low < 1e-12:  # all alike so far
            return 0.5 + 0.5 * np.sign(np.where(np.abs(raw - low) < 1e-12, 0.0, raw - low))
        return np.clip((raw - low) / (high - low), 0.0, 1.0)

    def _remember(self, raw: Array) -> None:
        room = self.memory - len(self.kept)
        self.kept = np.concatenate([self.kept, raw[:room]])
        self.n_seen += min(room, len(raw))
        rest = raw[room:]
        if not len(rest):
            return
        place = self._rng.integers(0, self.n_seen + 1 + np.arange(len(rest)))
        for value, spot in zip(rest, place, strict=True):
            if spot < self.memory:
                self.kept[spot] = value
        self.n_seen += len(rest)


def _columns(*named: tuple[str, ArrayLike], missing: bool = False) -> list[Array]:
    """Return columns of one length; NaN where it may be missing."""
    columns = [_floats(name, values) for name, values in named]
    for (name, _), column in zip(named, columns, strict=True):
        if column.ndim != 1 or len(column) != len(columns[0]):
            raise DataError(
                f"{name} has shape {column.shape} and {named[0][0]} {columns[0].shape}; give one "
                "number per pair in both."
            )
        if np.isinf(column).any() or not (missing or np.isfinite(column).all()):
            raise DataError(f"{name} holds NaN or infinite values; give one number per pair.")
    return columns


def _floats(name: str, values: ArrayLike) -> Array:
    return as_floats(name, values, f"{name} holds values that are not numbers; give numbers.")


def _table(name: str, values: ArrayLike) -> Array:
    table = _floats(name, values)
    if table.ndim != 2 or not table.size or np.isinf(table).any():
        raise DataError(
            f"{name} has shape {table.shape} and {int(np.isinf(table).sum())} infinite values; "
            "give one row of numbers per pair and one column per model."
        )
    return table


def _positions(name: str, values: ArrayLike, table: Array) -> NDArray[np.intp]:
    places = np.asarray(values)
    if places.shape != (len(table),) or not np.isin(places, np.arange(table.shape[1])).all():
        raise DataError(
            f"{name} has shape {places.shape}; give one number of a model per row, from 0 to "
            f"{table.shape[1] - 1}."
        )
    return places.astype(np.intp)
