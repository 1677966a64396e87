"""The forms in which text reaches an encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError

__all__ = ["as_texts"]


def as_texts(X: Any, encoder: str) -> NDArray[np.object_]:
    """Return queries as a 1-d array of str.

    Parameters
    ----------
    X : array-like of str of shape (n_queries,) or (n_queries, 1)
        A list, array or series of str, or a frame of one column.
    encoder : str
        The name of the encoder, for errors.

    Raises
    ------
    DataError
        If `X` is a single string, has more than one column, or holds anything but text.
    """
    if isinstance(X, (str, bytes)):
        raise DataError(f"{encoder} was given one text: give a list of texts, one per query.")
    texts = np.asarray(X, dtype=object)
    if texts.ndim == 2 and texts.shape[1] == 1:
        texts = texts[:, 0]
    if texts.ndim != 1:
        raise DataError(
            f"{encoder} was given data of shape {texts.shape}: give one column of text, as by "
            "X[['text']] or X['text']."
        )
    foreign = np.array([not isinstance(text, str) for text in texts], dtype=bool)
    if foreign.any():
        row = int(foreign.argmax())
        raise DataError(
            f"{encoder} was given something else than text in {int(foreign.sum())} of "
            f"{texts.size} rows (first: {texts[row]!r:.40} in row {row}): give every query its "
            "text."
        )
    return texts
