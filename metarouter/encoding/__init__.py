"""Text to vectors, as scikit-learn transformers."""

from __future__ import annotations

from metarouter.encoding._minilm_encoder import MiniLMEncoder
from metarouter.encoding._tfidf_encoder import TfidfEncoder

__all__ = ["MiniLMEncoder", "TfidfEncoder"]
