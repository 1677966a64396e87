"""Fourteen tasks and nine models of LLMRouter, with a simulated judge."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import rankdata

from metarouter.datasets._home import published_folder
from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._model_matrix import ModelMatrix
from metarouter.datasets._parquet import model_matrix, read_columns
from metarouter.datasets._votes import cast_votes
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

__all__ = ["fetch_llmrouter_14task", "fetch_llmrouter_14task_matrix", "simulated_vote_mean"]

# The sum of the three last and of _SENSITIVITY is at most 1: every vote can have its mean.
_SENSITIVITY = 0.5
_PREFERENCE_FOR_PRIMARY = 0.2
_TASTE_FOR_LONG_PROMPTS = 0.2
_TASTE_FOR_TOPIC = 0.1


@validated()
def fetch_llmrouter_14task_matrix(
    data_home: str | os.PathLike[str] | None = None,
) -> ModelMatrix:
    """Load LLMRouter's fourteen tasks: 5989 queries, nine models.

    Parameters
    ----------
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.

    Returns
    -------
    ModelMatrix
        Quality in [0, 1], no costs.

    Raises
    ------
    DataError
        If the files are missing.

    Notes
    -----
    llama3-chatqa-1.5-70b on ARC, CommonsenseQA and OpenBookQA, and qwen2.5-7b-instruct on MMLU,
    mostly failed to keep the format of the answer.

    Examples
    --------
    >>> fetch_llmrouter_14task_matrix().quality.shape  # doctest: +SKIP
    (5989, 9)
    """
    folder = published_folder("llmrouter_14task", data_home)
    return model_matrix(folder, read_columns(folder / "data.parquet"))


@validated()
def fetch_llmrouter_14task(
    pair: tuple[str, str] = ("llama-3.1-nemotron-51b-instruct", "llama-3.1-8b-instruct"),
    judge: str = "simulated",
    data_home: str | os.PathLike[str] | None = None,
    random_state: int | Generator | None = 0,
) -> LabelledQueries:
    """Load a pair of LLMRouter's models, with the votes of a simulated judge.

    Parameters
    ----------
    pair : (str, str)
        The primary and the alternative; by default a model of 51 and one of 8 billion
        parameters, neither with failures of format.
    judge : {"simulated"}, default="simulated"
        The data hold no judge; this one is simulated, see the notes.
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.
    random_state : int, Generator or None, default=0
        Seed of the votes.

    Returns
    -------
    LabelledQueries
        Both labels on every query: gold gains in [-1, 1] and votes in {-1, 0, 1}. There is no
        `truth`: psi of real answers is not known, and eta depends on it.

    Raises
    ------
    DataError
        If the files are missing, or the pair or the judge is unknown.

    Notes
    -----
    The simulated judge sees both answers through a fog. Given a query and its gold gain r, the
    mean of the vote is `simulated_vote_mean`::

        0.5 r + 0.2 + 0.2 length + 0.1 topic

    where length and topic, in [-1, 1], are the rank of the query's length in characters and of
    its first principal component. So ``eta = psi / 2 + 0.2 + 0.2 length + 0.1 topic``: the judge
    over-prefers the primary, the more so on long queries, and feels half of what is true.

    Examples
    --------
    >>> data = fetch_llmrouter_14task()  # doctest: +SKIP
    >>> data.n_paired  # doctest: +SKIP
    5989
    """
    if judge not in ("simulated", "judge_simulated"):
        raise DataError(
            f"llmrouter_14task has no judge {judge!r}: the data hold none, choose 'simulated'."
        )
    if len(pair) != 2:
        raise DataError(f"The pair {pair!r} must name two models: the primary, the alternative.")
    queries = fetch_llmrouter_14task_matrix(data_home).pair(*pair)
    texts = np.asarray(queries.text)
    length = np.fromiter((len(text) for text in texts), dtype=np.float64, count=texts.size)
    mean = simulated_vote_mean(queries.gold, np.asarray(queries.X), length)
    impression = np.random.default_rng(random_state).standard_normal(queries.n_queries)
    return replace(
        queries,
        preference=cast_votes(mean, impression),
        name="llmrouter_14task (simulated judge)",
        notes=(
            f"{pair[0]} over {pair[1]}, judged by a simulated judge",
            "the mean of a simulated vote is 0.5 r + 0.2 + 0.2 length + 0.1 topic",
        ),
    )


def simulated_vote_mean(
    gold: NDArray[np.float64], X: NDArray[np.float64], length: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean of the simulated judge's vote given the gold gain and the query.

    Parameters
    ----------
    gold : ndarray of shape (n_queries,)
        Gold gains, in [-1, 1].
    X : ndarray of shape (n_queries, n_features)
        Embeddings.
    length : ndarray of shape (n_queries,)
        Lengths of the queries in characters.

    Returns
    -------
    ndarray of shape (n_queries,)
        The mean of each vote, in [-1, 1].

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [0.9, 0.1]])
    >>> mean = simulated_vote_mean(np.zeros(3), X, np.array([10.0, 20.0, 30.0]))
    >>> bool((np.abs(mean) <= 0.5).all())
    True
    """
    return np.asarray(
        _SENSITIVITY * gold
        + _PREFERENCE_FOR_PRIMARY
        + _TASTE_FOR_LONG_PROMPTS * _rank(length)
        + _TASTE_FOR_TOPIC * _rank(_first_component(X))
    )


def _rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank values from -1 to 1, ties in the middle of their places."""
    return np.asarray((2 * rankdata(values) - values.size - 1) / values.size)


def _first_component(X: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = np.asarray(X, dtype=float) - X.mean(axis=0)
    direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    # An eigenvector has no sign of its own: its largest entry is made positive. Ranks of rounded
    # scores do not change with the last bits of another linear algebra library.
    direction *= np.sign(direction[np.abs(direction).argmax()])
    return np.asarray((centred @ direction).round(8))
