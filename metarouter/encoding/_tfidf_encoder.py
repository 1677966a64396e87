"""Text to vectors by word weights and a truncated singular value decomposition."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_is_fitted

from metarouter.encoding._text_encoder import TextEncoder
from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameters, number, one_of, several, whole

__all__ = ["TfidfEncoder"]


# Thai, Lao, Burmese and Khmer; kana, Chinese characters.
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


class TfidfEncoder(TextEncoder):
    """Latent semantic analysis: TF-IDF weights of words, reduced to a few components.

    Parameters
    ----------
    n_components : int, default=100
        Number of components. Fewer are kept where there are fewer texts or words than that.
    analyzer : {"auto", "word", "char", "char_wb"}, default="auto"
        What is counted: words, characters, or characters within words. ``"auto"`` counts words,
        and characters where most letters are of a script that is written without spaces, or where
        no text holds a word of two letters.
    ngram_range : (int, int), default=(1, 2)
        Shortest and longest sequences that are counted.
    min_df : int or float, default=1
        Number, or share, of texts that a term must stand in.
    random_state : int, RandomState or None, default=None
        Seed of the randomised decomposition.

    Attributes
    ----------
    vectorizer_ : TfidfVectorizer
        Fitted weights.
    components_ : ndarray of shape (n_components_, n_terms)
        Right singular vectors of the weights.
    n_components_ : int
        Number of components kept.
    n_features_in_ : int
        1: the one column of text.
    feature_names_in_ : ndarray of str
        Name of that column, when fitted on a frame.

    References
    ----------
    Deerwester et al. (1990), Indexing by latent semantic analysis, JASIS 41(6), 391-407.

    Examples
    --------
    >>> texts = ["how to treat a cold", "how to sue a landlord", "what helps against a cold"]
    >>> TfidfEncoder(n_components=2, random_state=0).fit_transform(texts).shape
    (3, 2)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [whole()],
        "analyzer": [one_of("auto", "word", "char", "char_wb")],
        "ngram_range": [several(whole(), 2)],
        "min_df": [whole(), number(at_least=0, at_most=1)],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int = 100,
        *,
        analyzer: str = "auto",
        ngram_range: tuple[int, int] = (1, 2),
        min_df: int | float = 1,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.analyzer = analyzer
        self.ngram_range = ngram_range
        self.min_df = min_df
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> TfidfEncoder:
        """Learn the weights and components.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, 1)
            The texts.
        y : None
            Ignored.

        Returns
        -------
        TfidfEncoder
            The encoder itself.

        Raises
        ------
        DataError
            If `X` holds anything but text, or no text holds a word.
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.float64]:
        """Learn the weights and components, and return the vectors of the same texts.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, 1)
            The texts.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_queries, n_components_)
            As by `transform`.
        """
        check_parameters(self)
        texts = self._texts(X)
        if not len(texts):
            raise DataError("TfidfEncoder was given 0 texts: give at least 1.")
        weights = self._fit_weights(texts)
        self.n_components_ = min(self.n_components, *weights.shape)
        # TruncatedSVD wants two terms at least; its solver takes any matrix.
        self.components_ = randomized_svd(
            weights, self.n_components_, random_state=self.random_state
        )[2]
        self._remember_column(X)
        return np.asarray(normalize(weights @ self.components_.T))

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Turn texts into vectors.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, 1)
            The texts.

        Returns
        -------
        ndarray of shape (n_queries, n_components_)
            Vectors of unit length; zeros for a text without any known word.

        Raises
        ------
        DataError
            If `X` holds anything but text.
        """
        check_is_fitted(self)
        texts = self._texts(X)
        if not len(texts):  # which scikit-learn's transformers refuse
            return np.zeros((0, self.n_components_))
        weights = self.vectorizer_.transform(texts)
        return np.asarray(normalize(weights @ self.components_.T))

    def _fit_weights(self, texts: NDArray[np.object_]) -> Any:
        analyzer = self.analyzer
        if analyzer == "auto":
            analyzer = "char" if _is_without_spaces(texts) else "word"
        try:
            return self._weights(texts, analyzer)
        except ValueError as error:
            if "vocabulary" not in str(error) and "no terms remain" not in str(error):
                raise
            has_letters = any(map(str.isalnum, "".join(texts)))
            if self.analyzer == "auto" and analyzer == "word" and has_letters:
                return self._weights(texts, "char")
            raise DataError(
                f"None of the {texts.size} texts holds a term that can be counted: check the "
                "column, lower min_df, or count characters with analyzer='char'."
            ) from error

    def _weights(self, texts: NDArray[np.object_], analyzer: str) -> Any:
        self.vectorizer_: Any = TfidfVectorizer(
            analyzer=analyzer,
            ngram_range=self.ngram_range,
            min_df=self.min_df,
            sublinear_tf=True,
        )
        return self.vectorizer_.fit_transform(texts)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_


def _is_without_spaces(texts: NDArray[np.object_]) -> bool:
    """Tell whether most letters are of a script that sets no spaces between words."""
    joined = "".join(texts[:1000])
    letters = sum(map(str.isalpha, joined))
    return 2 * len(_WITHOUT_SPACES.findall(joined)) > letters > 0
