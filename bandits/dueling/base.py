"""What every router that learns from duels is to its users: pairs, who won, models by embedding."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, field
from threading import Lock, RLock
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bandits._arms import check_arms, names_of, position_of, positions_of
from bandits._ties import argmax_with_ties
from bandits._validation import check_outcome, check_preference, check_propensity, contexts
from metarouter.exceptions import DataError
from metarouter.utils.features import as_floats
from metarouter.utils.parameters import check_parameter, check_parameters, number
from metarouter.utils.random import seed_of

__all__ = ["DuelingRouter", "Duels"]

Array = NDArray[np.float64]
Positions = NDArray[np.intp]

_BEGINNING = Lock()  # one router begins at a time, so that two threads do not both begin one


class Duels(NamedTuple):
    """Validated duels.

    Attributes
    ----------
    X : ndarray of shape (n, d)
        Contexts, scaled as the features are.
    first, second : ndarray of int, shape (n,)
        Positions of the two arms.
    target : ndarray of shape (n,)
        1 where the first won, 0 where the second did, 1/2 for a tie.
    difference : ndarray of shape (n, d)
        phi(x, first) - phi(x, second).
    """

    X: Array
    first: Positions
    second: Positions
    target: Array
    difference: Array


@dataclass(eq=False, repr=False, match_args=False)
class DuelingRouter(BaseEstimator):
    """Base of the routers that call two models for a query and see which answer was preferred.

    An arm is known by its embedding, so that what is learned of some arms is learned of all, and
    an arm comes or goes without training anew. The utility of arm a for query x is linear in the
    element-wise product of the two (the feature map of the paper is not public)::

        phi(x, a) = sqrt(d) x / |x| * (e_a - mean e) / spread,    r(x, a) = <theta, phi(x, a)>,

    with the mean of the embeddings and the root mean square of their distances from it as they
    were when learning began. Neither changes which arm is best: what all arms share drops out of
    every comparison, and the spread sets the scale that the prior is in. Utilities are in log odds:
    arm a is preferred to b with probability 1 / (1 + exp(r(x, b) - r(x, a))) (Bradley-Terry).

    A router can play from the first query, with no data at all. It may be shared by threads.

    A subclass names its parameters as fields of a dataclass, which writes the constructor, and
    begins (`_start`), learns (`_learn`), scores (`_utilities`) and explores (`_pair_table`).

    Parameters
    ----------
    embeddings : array of shape (n_arms, d)
        One row per arm, in the space of the queries.
    arms : iterable, optional
        Names of the arms; by default 0, 1, ...
    cost : array of shape (n_arms,), optional
        Expected cost of a call of each arm, for the preference dial.
    cost_cap : float, optional
        The cost that counts as 1; by default the largest of `cost`.
    random_state : int, RandomState or None
    """

    embeddings: Any = None
    _: KW_ONLY
    arms: Iterable[Any] | None = None
    cost: ArrayLike | None = None
    cost_cap: float | None = None
    random_state: int | np.random.RandomState | None = None

    arms_: list[Any] = field(init=False)
    embeddings_: Array = field(init=False)
    cost_: Array | None = field(init=False)
    n_features_in_: int = field(init=False)
    n_updates_: int = field(init=False)
    _lock: Any = field(init=False)
    _known: Array = field(init=False)  # scaled embeddings of all arms that ever were
    _identity: Positions = field(init=False)  # where those of the present arms stand

    # Whether the probabilities of pairs are a finite sum.
    _has_propensities: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "embeddings": "no_validation",  # `check_embeddings`
        "arms": "no_validation",  # `check_arms`
        "cost": "no_validation",  # `check_costs`
        "cost_cap": [number(above=0), None],
        "random_state": ["random_state"],
    }

    # What a subclass writes ------------------------------------------------------------------

    @abstractmethod
    def _start(self) -> None:
        """Initialise without data; parameters have been checked."""

    @abstractmethod
    def _learn(self, duels: Duels) -> None:
        """Learn from validated duels."""

    @abstractmethod
    def _utilities(self, X: Array) -> Array:
        """Return the estimated utility of every arm, shape (n, n_arms), for scaled contexts."""

    @abstractmethod
    def _pair_table(self, X: Array, weights: Array) -> Array:
        """Return the probability of every ordered pair, shape (n, n_arms, n_arms)."""

    def _draw(self, X: Array, weights: Array) -> tuple[Positions, Positions]:
        """Draw pairs where nobody asks for their probabilities."""
        first, second, _ = draw_from(self._pair_table(X, weights), self._exploration)
        return first, second

    def _arms_changed(self) -> None:
        """Take note that an arm came or went."""

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned, for `save`."""
        return {}

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `_arrays` returned."""

    # What users call -------------------------------------------------------------------------

    def fit(self, X: Any, first: Any, second: Any, outcome: Any) -> Self:
        """Learn anew from a log of duels that were played; on any error nothing changes.

        Parameters
        ----------
        X : array of shape (n, d)
            Query features, in the space of the embeddings.
        first, second : array of shape (n,)
            Names of the two arms of each duel.
        outcome : array of shape (n,)
            1 where the first was preferred, -1 where the second was, 0 for a tie.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If the duels or the embeddings are malformed.
        """
        fresh = copy.copy(self)
        fresh._begin(X)
        fresh._learn_checked(X, first, second, outcome)
        self.__dict__ = fresh.__dict__
        return self

    def partial_fit(
        self, X: Any, first: Any, second: Any, outcome: Any, *, propensity: Any = None
    ) -> Self:
        """Learn from duels; on any error nothing is learned.

        Parameters
        ----------
        X, first, second, outcome
            As in `fit`.
        propensity : array of shape (n,), optional
            Probability with which each pair was drawn. It is checked, and not used: the posterior
            depends on outcomes alone.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If the duels are malformed: an unknown arm, an outcome other than 1, 0 and -1, rows that
            do not match.
        """
        if not hasattr(self, "arms_"):
            with _BEGINNING:
                if not hasattr(self, "arms_"):
                    fresh = copy.copy(self)
                    fresh._begin(X)
                    fresh._learn_checked(X, first, second, outcome, propensity)
                    self.__dict__ = fresh.__dict__
                    return self
        with self._lock:
            self._learn_checked(X, first, second, outcome, propensity)
        return self

    def sample_pair(
        self, X: Any, preference: ArrayLike | None = None, *, propensity: bool = True
    ) -> tuple[NDArray[Any], NDArray[Any], Array | None]:
        """Explore: return the two arms to call for every query, and the probability of the pair.

        Parameters
        ----------
        X : array of shape (n, d)
        preference : (w_quality, w_cost), or array of shape (n, 2), optional
            By default equal weights where costs are known, else (1, 0).
        propensity : bool, default=True
            Whether to return the probabilities; without them a draw is cheaper.

        Returns
        -------
        first, second : ndarray of shape (n,)
            Names of the arms.
        propensity : ndarray of shape (n,), or None
            Exact given what the router has learned. Log it: evaluation from logs needs it.
        """
        features, weights = self._query(X, preference)
        with self._lock:
            if not len(features):
                first = second = np.empty(0, dtype=np.intp)
                chance = np.empty(0)
            elif propensity and self._has_propensities:
                table = self._pair_table(features, weights)
                first, second, chance = draw_from(table, self._exploration)
            else:
                first, second = self._draw(features, weights)
                chance = np.full(len(features), np.nan)
            names = names_of(first, self.arms_), names_of(second, self.arms_)
            return *names, chance if propensity else None

    def pair_probabilities(self, X: Any, preference: ArrayLike | None = None) -> Array:
        """Return the probability with which `sample_pair` draws every ordered pair of arms.

        Returns
        -------
        ndarray of shape (n, n_arms, n_arms)
            First arm along the rows, second along the columns; every table sums to 1.

        Raises
        ------
        DataError
            If the router draws pairs whose probabilities have no closed form.
        """
        if not self._has_propensities:
            raise DataError(
                f"The probabilities of the pairs of {type(self).__name__} have no closed form; "
                "call sample_pair, or a router whose probabilities are known."
            )
        features, weights = self._query(X, preference)
        with self._lock:
            if not len(features):
                return np.zeros((0, len(self.arms_), len(self.arms_)))
            return self._pair_table(features, weights)

    def decision_function(self, X: Any, preference: ArrayLike | None = None) -> Array:
        """Return the score of every arm, shape (n, n_arms): the higher, the better.

        It is w_quality r(x, a) - w_cost min(cost / cap, 1), r being the utility in log odds.
        """
        features, weights = self._query(X, preference)
        with self._lock:
            return self._dial(self._utilities(features), weights)

    def predict(self, X: Any, preference: ArrayLike | None = None) -> NDArray[Any]:
        """Return the name of the best arm for every query, shape (n,); nothing is explored.

        The same call gives the same arms; ties are drawn from the seed.
        """
        features, weights = self._query(X, preference)
        ties = np.random.default_rng([self._seed, 2])
        with self._lock:
            scores = self._dial(self._utilities(features), weights)
            return names_of(argmax_with_ties(scores, ties.random(len(scores))), self.arms_)

    def add_arm(self, name: Any, embedding: ArrayLike, *, cost: float | None = None) -> Self:
        """Add an arm by its embedding; what was learned holds for it at once.

        Parameters
        ----------
        name : str or int
        embedding : array of shape (d,)
        cost : float, optional
            Expected cost of a call, wanted where those of the others are known.

        Raises
        ------
        DataError
            If the name is taken, the embedding has another width, or the cost is missing.
        """
        self._begin_if_new(None)
        with self._lock:
            names = check_arms([*self.arms_, name])
            row = np.asarray(check_embeddings(np.atleast_2d(embedding), None))
            if row.shape != (1, self.n_features_in_):
                raise DataError(
                    f"embedding has shape {np.shape(embedding)}; give {self.n_features_in_} "
                    "numbers, as the embeddings of the other arms have."
                )
            if (cost is None) != (self.cost_ is None):
                raise DataError(
                    f"cost is {cost!r}, but the costs of the other arms are "
                    f"{'unknown' if self.cost_ is None else 'known'}; give costs of all or of none."
                )
            if self.cost_ is not None:
                check_parameter("cost", cost, lambda value: value >= 0, "a number of at least 0")
                self.cost_ = np.append(self.cost_, float(cost))  # type: ignore[arg-type]
            self.embeddings_ = np.vstack([self.embeddings_, row])
            self._identity = np.append(self._identity, len(self._known))
            self._known = np.vstack([self._known, self._scaled(row)])
            self.arms_ = names
            self._arms_changed()
        return self

    def remove_arm(self, name: Any) -> Self:
        """Take an arm out; its duels go on telling of the others.

        Raises
        ------
        DataError
            If there is no such arm, or fewer than two would be left.
        """
        self._begin_if_new(None)
        with self._lock:
            position = position_of(name, self.arms_)
            if len(self.arms_) == 2:
                raise DataError(f"{name!r} is one of two arms: add another before removing it.")
            self.arms_ = [arm for arm in self.arms_ if arm != name]
            self.embeddings_ = np.delete(self.embeddings_, position, axis=0)
            self._identity = np.delete(self._identity, position)
            if self.cost_ is not None:
                self.cost_ = np.delete(self.cost_, position)
            self._arms_changed()
        return self

    def save(self, path: Any) -> None:
        """Write the router to one file, without pickle; `bandits.load_bandit` reads it."""
        from bandits.dueling.files import save_dueling_router

        check_is_fitted(self, "arms_")
        with self._lock:
            save_dueling_router(self, path)

    @property
    def n_arms_(self) -> int:
        """Number of arms."""
        return len(self.arms_)

    # What they share -------------------------------------------------------------------------

    def _begin(self, X: Any) -> None:
        """Check the arms and initialise without data."""
        check_parameters(self)
        embeddings = check_embeddings(self.embeddings, type(self).__name__)
        n_arms, width = embeddings.shape
        names = check_arms(range(n_arms) if self.arms is None else self.arms)
        if len(names) != n_arms:
            raise DataError(
                f"embeddings has {n_arms} rows but there are {len(names)} arms; give one per arm."
            )
        if n_arms < 2:
            raise DataError(f"There is one arm, {names[0]!r}; a duel needs at least two.")
        cost = None if self.cost is None else check_costs(self.cost, n_arms)
        if X is None:
            self.n_features_in_ = width
        else:
            contexts(self, X, first=True)
            if self.n_features_in_ != width:
                raise DataError(
                    f"X has {self.n_features_in_} columns but the embeddings of the arms have "
                    f"{width}; queries and arms are embedded in one space."
                )
        self.arms_, self.embeddings_, self.cost_ = names, embeddings, cost
        self._cap = 0.0 if cost is None else float(self.cost_cap or cost.max() or 1.0)
        self._center = embeddings.mean(axis=0)
        self._spread = float(np.sqrt(((embeddings - self._center) ** 2).sum(axis=1).mean()))
        if self._spread <= 1e-12 * max(float(np.abs(embeddings).max()), 1e-300):
            raise DataError(
                "The embeddings of all arms are the same; no duel could tell them apart."
            )
        self._known = self._scaled(embeddings)
        self._identity = np.arange(n_arms)
        self.n_updates_ = 0
        self._lock = RLock()
        self._seed = seed_of(self.random_state)
        self._exploration: Generator = np.random.default_rng([self._seed, 1])
        self._start()

    def _begin_if_new(self, X: Any) -> None:
        if not hasattr(self, "arms_"):
            with _BEGINNING:
                if not hasattr(self, "arms_"):
                    fresh = copy.copy(self)
                    fresh._begin(X)
                    self.__dict__ = fresh.__dict__

    def _learn_checked(
        self, X: Any, first: Any, second: Any, outcome: Any, propensity: Any = None
    ) -> None:
        features = self._design(contexts(self, X))
        if not len(features):
            raise DataError("X has 0 rows; give at least one duel.")
        pair = [
            positions_of(names, self.arms_, called)
            for called, names in (("first", first), ("second", second))
        ]
        for called, arm in zip(("first", "second"), pair, strict=True):
            if len(arm) != len(features):
                raise DataError(
                    f"{called} has {len(arm)} rows but X has {len(features)}; give one per row."
                )
        target = (1.0 + check_outcomes(outcome, len(features))) / 2.0
        if propensity is not None:
            check_propensity(propensity, len(features))
        arms = self._scaled_arms
        difference = features * (arms[pair[0]] - arms[pair[1]])
        self._learn(Duels(features, pair[0], pair[1], target, difference))
        self.n_updates_ += len(features)

    def _query(self, X: Any, preference: ArrayLike | None) -> tuple[Array, Array]:
        self._begin_if_new(X)
        features = contexts(self, X)
        weights = check_preference(preference, len(features), 1 if self.cost_ is None else 2)
        return self._design(features), weights

    def _dial(self, utilities: Array, weights: Array) -> Array:
        """Return w_q r - w_c min(c / cap, 1), for utilities of shape (n, n_arms)."""
        scores = utilities * weights[..., :1]
        if self.cost_ is not None:
            scores = scores - weights[..., 1:2] * np.minimum(self.cost_ / self._cap, 1.0)
        return np.asarray(scores)

    def _design(self, X: Array) -> Array:
        """Return sqrt(d) x / |x|; a query without features stays at 0."""
        length = np.sqrt(np.einsum("ij,ij->i", X, X))[:, None]
        return np.asarray(X * (np.sqrt(X.shape[1]) / np.maximum(length, 1e-150)))

    def _scaled(self, embeddings: Array) -> Array:
        return np.asarray((embeddings - self._center) / self._spread)

    @property
    def _scaled_arms(self) -> Array:
        if len(self._identity) == len(self._known):  # no arm has gone: they stand in order
            return self._known
        return np.asarray(self._known[self._identity])

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_lock", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "arms_" in state:
            self._lock = RLock()


def draw_from(table: Array, rng: Generator) -> tuple[Positions, Positions, Array]:
    """Draw one ordered pair from every table of probabilities.

    Parameters
    ----------
    table : ndarray of shape (n, n_arms, n_arms)
    rng : Generator

    Returns
    -------
    first, second : ndarray of int, shape (n,)
    propensity : ndarray of shape (n,)
    """
    n, n_arms, _ = table.shape
    flat = table.reshape(n, -1)
    reached = np.cumsum(flat, axis=1)
    cell = (reached <= rng.random((n, 1)) * reached[:, -1:]).sum(axis=1)
    # A draw in the last digit of the sum must not land on a pair of no probability.
    last = flat.shape[1] - 1 - (flat[:, ::-1] > 0).argmax(axis=1)
    cell = np.minimum(cell, last)
    return cell // n_arms, cell % n_arms, flat[np.arange(n), cell]


def check_embeddings(embeddings: Any, who: str | None) -> Array:
    """Return the embeddings of the arms as finite floats of shape (n_arms, d).

    Raises
    ------
    DataError
    """
    if embeddings is None:
        raise DataError(f"{who} does not know its arms: give embeddings=, one row per arm.")
    matrix = np.array(
        as_floats(
            "embeddings",
            embeddings,
            "embeddings hold text, or rows of unequal width; give one row of numbers per arm, all "
            "of one width.",
        )
    )
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise DataError(f"embeddings has shape {matrix.shape}; give one row of numbers per arm.")
    bad = ~(np.abs(matrix) <= 1e100).all(axis=1)
    if bad.any():
        raise DataError(
            f"embeddings is NaN, infinite or above 1e100 in {int(bad.sum())} of {len(matrix)} rows "
            f"(first: row {int(np.argmax(bad))}); give finite numbers."
        )
    return matrix


def check_costs(cost: Any, n_arms: int) -> Array:
    """Return the expected costs of the arms, shape (n_arms,).

    Raises
    ------
    DataError
    """
    return check_outcome("cost", cost, n_arms)


def check_outcomes(outcome: Any, n_rows: int) -> Array:
    """Return who won: 1 the first, -1 the second, 0 nobody.

    Raises
    ------
    DataError
    """
    column = check_outcome("outcome", outcome, n_rows)
    off = (np.abs(column) != 1.0) & (column != 0.0)
    if off.any():
        raise DataError(
            f"outcome is {column[off][0]:g} in row {int(np.argmax(off))} ({int(off.sum())} of "
            f"{n_rows} rows are none of them); give 1 where the first won, -1 where the second "
            "did, 0 for a tie."
        )
    return column
