"""Random splits of a table of queries, by task, with equal texts on one side."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["StudySplit", "numbered_texts", "split_by_task"]

Rows = NDArray[np.intp]


class StudySplit(NamedTuple):
    """Rows of a table: to learn from, in the order they are played, and to test on."""

    train: Rows
    in_distribution: Rows
    out_of_distribution: Rows


def split_by_task(
    task: NDArray[Any],
    text_number: Rows,
    in_distribution: tuple[str, ...],
    out_of_distribution: tuple[str, ...],
    test_share: float,
    rng: np.random.Generator,
) -> StudySplit:
    """Hold back a share of every task that is learned from, and all of the others.

    Parameters
    ----------
    task : ndarray of shape (n,)
    text_number : ndarray of int of shape (n,)
        Rows of one number have one text; they stay on one side.
    in_distribution, out_of_distribution : tuple of str
        Tasks to learn from and to test on, and tasks to test on only; rows of other tasks, and
        rows of the second kind whose text is also of the first, are left out.
    test_share : float
        Share of the texts of each task that is held back.
    rng : Generator

    Returns
    -------
    StudySplit
        The training rows in random order.
    """
    learned = np.isin(task, in_distribution)
    held_back = [
        rng.permutation(texts)[: max(1, round(test_share * texts.size))]
        for texts in (_first_seen(task, text_number, learned, name) for name in in_distribution)
    ]
    is_test = learned & np.isin(text_number, np.concatenate(held_back))
    outside = np.isin(task, out_of_distribution) & ~np.isin(text_number, text_number[learned])
    return StudySplit(
        train=rng.permutation(np.flatnonzero(learned & ~is_test)),
        in_distribution=np.flatnonzero(is_test),
        out_of_distribution=np.flatnonzero(outside),
    )


def numbered_texts(text: ArrayLike) -> Rows:
    """Return one number per distinct text.

    Examples
    --------
    >>> numbered_texts(["b", "a", "b"])
    array([1, 0, 1])
    """
    texts = np.asarray(text, dtype=object).astype(str)
    return np.asarray(np.unique(texts, return_inverse=True)[1].reshape(-1), dtype=np.intp)


def _first_seen(
    task: NDArray[Any], text_number: Rows, learned: NDArray[np.bool_], name: str
) -> Rows:
    """Texts whose first row among those learned from is of the task."""
    rows = np.flatnonzero(learned)
    texts, first = np.unique(text_number[rows], return_index=True)
    return np.asarray(texts[task[rows[first]] == name])
