from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from metarouter.encoding import TfidfEncoder
from metarouter.exceptions import DataError

TEXTS = [
    "how to treat a cold",
    "how to sue a landlord",
    "what helps against a cold",
    "when does a landlord pay",
    "is a cold dangerous",
    "may a landlord enter",
]


@pytest.mark.parametrize(
    "X",
    [
        TEXTS,
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS, index=range(3, 9)),
        pd.DataFrame({"prompt": TEXTS}),
        np.array(TEXTS)[:, None],
    ],
)
def test_every_form_of_one_column_of_text_is_taken(X: object) -> None:
    expected = TfidfEncoder(3, random_state=0).fit_transform(TEXTS)
    np.testing.assert_array_equal(TfidfEncoder(3, random_state=0).fit_transform(X), expected)


def test_components_are_reduced_to_what_the_data_bear() -> None:
    assert TfidfEncoder(100).fit_transform(TEXTS).shape == (6, 6)
    assert TfidfEncoder(100).fit_transform(["one word"]).shape == (1, 1)
    assert TfidfEncoder(100, ngram_range=(1, 1)).fit_transform(["ab", "ab ab"]).shape == (2, 1)


def test_texts_on_one_topic_lie_closer() -> None:
    Z = TfidfEncoder(2, random_state=0).fit_transform(
        ["cold fever cough", "landlord rent court", "cough fever doctor", "rent landlord lease"]
    )
    similarity = Z @ Z.T
    assert min(similarity[0, 2], similarity[1, 3]) > 0.9 > similarity[0, 1]
    np.testing.assert_allclose(np.linalg.norm(Z, axis=1), 1)


def test_unknown_words_give_zeros() -> None:
    encoder = TfidfEncoder(2).fit(TEXTS)
    np.testing.assert_array_equal(encoder.transform(["zzz yyy", ""]), 0)


def test_fit_transform_is_fit_then_transform_and_the_seed_decides() -> None:
    encoder = TfidfEncoder(3, random_state=0)
    first = encoder.fit_transform(TEXTS)
    np.testing.assert_allclose(clone(encoder).fit(TEXTS).transform(TEXTS), first)


def test_names_are_known() -> None:
    encoder = TfidfEncoder(2).fit(pd.DataFrame({"prompt": TEXTS}))
    assert encoder.get_feature_names_out().tolist() == ["tfidfencoder0", "tfidfencoder1"]
    assert encoder.feature_names_in_.tolist() == ["prompt"]
    assert encoder.n_features_in_ == 1


def test_it_works_in_a_cross_validated_pipeline() -> None:
    pipeline = make_pipeline(TfidfEncoder(2, random_state=0), Ridge())
    y = np.array([1.0, 0, 1, 0, 1, 0])
    assert np.isfinite(cross_val_score(pipeline, pd.DataFrame({"t": TEXTS}), y, cv=2)).all()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("one text", "was given one text"),
        ([], "was given 0 texts"),
        (np.array([["a", "b"]]), r"shape \(1, 2\)"),
        (
            ["a b", None, 3],
            r"in 2 of 3 rows \(first: None in row 1",
        ),
        (["", "?"], "None of the 2 texts holds a term"),
    ],
)
def test_what_is_not_text_is_refused(X: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TfidfEncoder().fit(X)


def test_a_foolish_number_of_components_is_refused() -> None:
    with pytest.raises(DataError, match="n_components is 0"):
        TfidfEncoder(0).fit(TEXTS)


@pytest.mark.parametrize(
    ("texts", "shared"),
    [
        (["如何治疗感冒", "如何起诉房东", "感冒怎么办"], "char"),
        (["猫が好きです", "犬が好きです", "鳥の歌"], "char"),
        (["1", "2", "1"], "char"),
        (["how to treat a cold", "how to sue", "a cold"], "word"),
        (["Was hilft bei Erkältung?", "Was hilft sonst?", "Miete"], "word"),
    ],
)
def test_text_without_spaces_is_counted_by_characters(texts: list[str], shared: str) -> None:
    encoder = TfidfEncoder(n_components=2, random_state=0)
    vectors = encoder.fit_transform(texts)
    assert encoder.vectorizer_.analyzer == shared
    # The first two texts have something in common, which whole sentences as words would not show.
    assert vectors.any(axis=1).all()
    same = TfidfEncoder(n_components=2, random_state=0, analyzer=shared).fit_transform(texts)
    np.testing.assert_array_equal(vectors, same)
