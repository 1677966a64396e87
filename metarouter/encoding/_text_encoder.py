"""What the encoders have in common: one column of text comes in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from metarouter.encoding._text import as_texts

__all__ = ["TextEncoder"]


class TextEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the encoders: checks the texts, and remembers the column that they came in.

    Attributes
    ----------
    n_features_in_ : int
        1: the one column of text.
    feature_names_in_ : ndarray of str
        Name of that column, when fitted on a frame.
    """

    def _texts(self, X: Any) -> NDArray[np.object_]:
        """Return the texts as an array of str of shape (n_queries,), or say what is wrong."""
        return as_texts(X, type(self).__name__)

    def _remember_column(self, X: Any) -> None:
        self.n_features_in_ = 1
        columns = getattr(X, "columns", None)
        if columns is not None and all(isinstance(name, str) for name in columns):
            self.feature_names_in_ = np.asarray(columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags
