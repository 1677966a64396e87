"""Comparisons of a few models per query, drawn from a table that knows all of them."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from metarouter.datasets._model_matrix import ModelMatrix
from metarouter.datasets._paired_comparisons import PairedComparisons
from metarouter.datasets._votes import cast_votes
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import check_whole

__all__ = ["make_model_comparisons", "simulate_comparisons", "simulated_favour"]

_SENSITIVITY = 0.5
_WORLD_SEED = 20260101


@validated()
def make_model_comparisons(
    n_gold: int = 500,
    n_preference: int = 5000,
    n_models: int = 6,
    n_features: int = 10,
    *,
    bias: float = 0.5,
    heterogeneity: float = 0.3,
    sensitivity: float = 0.5,
    noise: float = 1.0,
    rank: int | None = None,
    votes: bool = False,
    random_state: int | Generator | None = None,
) -> PairedComparisons:
    """Make comparisons of models whose scores and whose judge's bias are known.

    Parameters
    ----------
    n_gold, n_preference : int, default=500, 5000
        Comparisons of each kind, each of two models at random on a query of its own.
    n_models, n_features : int, default=6, 10
    bias : float, default=0.5
        Standard deviation, over models, of the level of the judge's favour.
    heterogeneity : float, default=0.3
        Standard deviation, over queries, of the judge's favour for a model.
    sensitivity : float, default=0.5
        What a unit of gold gain is worth to the judge.
    noise : float, default=1.0
        Standard deviation of the errors of gold labels, and of preference labels that are numbers.
    rank : int, optional
        Dimensions of the models' embeddings; by default the models' slopes are independent.
    votes : bool, default=False
        Make preference labels votes in {-1, 0, 1} of a Bradley-Terry-Luce model with ties.
    random_state : int, Generator or None, default=None

    Returns
    -------
    PairedComparisons
        With `scores` and `bias`.

    Raises
    ------
    DataError
        If a number is out of range.

    Notes
    -----
    Features x are independent standard normals. With a_k of standard deviation 0.5 and slopes that
    move a score by 0.7 from query to query::

        theta_k = a_k + b_k' x / sqrt(d),   delta_k = c_k + d_k' x / sqrt(d)
        gold = theta_k - theta_l + e_1,     preference = eta_kl + e_0
        eta_kl = rho (theta_k - theta_l) - (delta_k - delta_l)

    and votes have the latent lead 2 eta_kl, with Davidson's parameter of ties 0.5.

    Examples
    --------
    >>> data = make_model_comparisons(20, 80, random_state=0)
    >>> data.n_gold, data.n_preference, data.scores.shape
    (20, 80, (100, 6))
    """
    for name, value, least in (
        ("n_gold", n_gold, 0),
        ("n_preference", n_preference, 0),
        ("n_models", n_models, 2),
        ("n_features", n_features, 1),
        ("rank", 1 if rank is None else rank, 1),
    ):
        check_whole(name, value, least)
    n = n_gold + n_preference
    rng = np.random.default_rng(random_state)
    slopes = rng.standard_normal((n_models, n_features))
    if rank is not None:
        loadings = rng.standard_normal((n_models, rank)) / np.sqrt(rank)
        slopes = loadings @ rng.standard_normal((rank, n_features))
    levels, favours = rng.standard_normal((2, n_models))
    leanings = rng.standard_normal((n_models, n_features))
    X = rng.standard_normal((n, n_features))
    scores = 0.5 * levels + 0.7 * X @ slopes.T / np.sqrt(n_features)
    favour = bias * favours + heterogeneity * X @ leanings.T / np.sqrt(n_features)
    first = rng.integers(n_models, size=n)
    second = (first + rng.integers(1, n_models, size=n)) % n_models
    rows = np.arange(n)
    gain = scores[rows, first] - scores[rows, second]
    eta = sensitivity * gain - (favour[rows, first] - favour[rows, second])
    errors = noise * rng.standard_normal(n)
    chance = rng.random(n)
    if votes:
        win, loss, tie = np.exp(eta), np.exp(-eta), 0.5
        total = win + loss + tie
        judged = (chance < win / total).astype(float) - (chance > 1 - loss / total)
    else:
        judged = eta + errors
    is_gold = rows < n_gold
    names = np.array([f"model {k + 1}" for k in range(n_models)])
    return PairedComparisons(
        X=X,
        query=rows,
        first=names[first],
        second=names[second],
        y=np.where(is_gold, gain + errors, judged),
        is_gold=is_gold,
        models=tuple(map(str, names)),
        scores=scores,
        bias=-favour,
        name="model_comparisons",
        notes=("simulated, with known scores and bias",),
    )


@validated()
def simulate_comparisons(
    matrix: ModelMatrix,
    n_gold: int = 500,
    n_preference: int = 5000,
    *,
    bias: float = 1.0,
    queries: ArrayLike | None = None,
    never_compared: float = 0.0,
    random_state: int | Generator | None = None,
) -> PairedComparisons:
    """Draw gold comparisons, and votes of a simulated judge, from a table of all models.

    Parameters
    ----------
    matrix : ModelMatrix
        Qualities in [0, 1].
    n_gold, n_preference : int, default=500, 5000
        Comparisons of each kind. Each takes a query and two models at random; queries are used
        once before any is used twice.
    bias : float, default=1.0
        Size of the judge's bias; 0 is a judge that is only insensitive.
    queries : array-like of int, optional
        Positions of the queries to draw from, all by default.
    never_compared : float, default=0.0
        Share of the pairs of models that no comparison takes, in [0, 1). Those that are left
        connect all models.
    random_state : int, Generator or None, default=None

    Returns
    -------
    PairedComparisons
        Gold labels in [-1, 1], votes in {-1, 0, 1}.

    Raises
    ------
    DataError
        If a number is out of range.

    Notes
    -----
    Given a query and its gold gain r of model k over model l, the mean of the vote is::

        0.5 r + bias (h_k(s) - h_l(s)),    cut at -1 and 1

    with ``h_k`` as `simulated_favour` says: the judge favours models, and which it favours depends
    on the length and the topic of the query.
    """
    if n_gold < 0 or n_preference < 0 or n_gold + n_preference == 0:
        raise DataError(
            f"n_gold is {n_gold} and n_preference is {n_preference}: ask for at least one "
            "comparison."
        )
    if not 0 <= never_compared < 1:
        raise DataError(
            f"never_compared is {never_compared}: give a share of the pairs of at least 0 and "
            "below 1."
        )
    rng = np.random.default_rng(random_state)
    rows = np.arange(matrix.n_queries) if queries is None else np.asarray(queries, dtype=np.intp)
    pairs = _compared_pairs(len(matrix.models), never_compared, rng)
    n = n_gold + n_preference
    query = np.concatenate([rng.permutation(rows) for _ in range(-(-n // len(rows)))])[:n]
    rng.shuffle(query)
    drawn = pairs[rng.integers(len(pairs), size=n)]
    turned = rng.random(n) < 0.5
    first = np.where(turned, drawn[:, 1], drawn[:, 0])
    second = np.where(turned, drawn[:, 0], drawn[:, 1])
    gain = matrix.quality[query, first] - matrix.quality[query, second]
    favour = simulated_favour(matrix)
    eta = _SENSITIVITY * gain + bias * (favour[query, first] - favour[query, second])
    votes = cast_votes(np.clip(eta, -1, 1), rng.standard_normal(n))
    is_gold = np.arange(n) < n_gold
    names = np.asarray(matrix.models)
    return PairedComparisons(
        X=matrix.X,
        query=query,
        first=names[first],
        second=names[second],
        y=np.where(is_gold, gain, votes),
        is_gold=is_gold,
        models=matrix.models,
        name=f"{matrix.name} (simulated judge)",
        notes=("the mean of a simulated vote is 0.5 r + bias (h_k - h_l)", *matrix.notes),
    )


@validated()
def simulated_favour(matrix: ModelMatrix) -> NDArray[np.float64]:
    """Return h_k(s), what the simulated judge gives each model for nothing.

    It is 0.2 u_k + 0.2 v_k length + 0.15 w_k topic, where u, v and w spread the models evenly over
    [-1, 1] in three orders that are drawn once and for all, and length and topic, in [-1, 1], are
    the ranks of the query's length in characters and of its first principal component.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
    """
    rng = np.random.default_rng(_WORLD_SEED)
    spread = np.linspace(-1, 1, len(matrix.models))
    of_model, by_length, by_topic = (rng.permutation(spread) for _ in range(3))
    length = _rank(np.array([len(text) for text in matrix.text], dtype=np.float64))
    X = np.asarray(matrix.X, dtype=np.float64)
    centred = X - X.mean(axis=0)
    direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    direction *= np.sign(direction[np.abs(direction).argmax()])
    topic = _rank((centred @ direction).round(8))
    return np.asarray(
        0.2 * of_model + 0.2 * np.outer(length, by_length) + 0.15 * np.outer(topic, by_topic)
    )


def _rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((2 * rankdata(values) - values.size - 1) / values.size)


def _compared_pairs(n_models: int, never: float, rng: Generator) -> NDArray[np.intp]:
    pairs = np.column_stack(np.triu_indices(n_models, 1)).astype(np.intp)
    # A random tree keeps the models connected; the rest are dropped at random.
    order = rng.permutation(n_models)
    tree = {frozenset((int(order[i]), int(order[rng.integers(i)]))) for i in range(1, n_models)}
    free = np.array([frozenset(map(int, pair)) not in tree for pair in pairs])
    dropped = rng.permutation(np.flatnonzero(free))[: round(never * len(pairs))]
    return np.delete(pairs, dropped, axis=0)
