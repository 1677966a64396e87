"""What makes no sense is refused in one sentence, and changes nothing: every router and encoder."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bandits import FGTSRouter
from bandits.dueling import (
    VACDB,
    BestSoFar,
    BradleyTerryRouter,
    CategoryEncoder,
    CoLSTIM,
    DuelingLinUCB,
    MaxInP,
    ModelEmbeddings,
    RandomPairs,
    category_means,
)
from metarouter.exceptions import DataError

ARMS = ("small", "medium", "large", "huge")
RNG = np.random.default_rng(0)
EMBEDDINGS, X = RNG.standard_normal((4, 6)), RNG.standard_normal((40, 6))
PAIR = RNG.choice(ARMS, size=(40, 2))
OUTCOME = RNG.choice([-1, 0, 1], size=40)
LABELS = np.repeat(["law", "math"], 20)

every_router = pytest.mark.parametrize(
    "cls",
    [
        FGTSRouter, RandomPairs, BestSoFar, BradleyTerryRouter, DuelingLinUCB, MaxInP, VACDB,
        CoLSTIM,
    ],
)  # fmt: skip


def router(cls, **settings):
    return cls(**{"embeddings": EMBEDDINGS, "arms": ARMS, "random_state": 0, **settings})


def refused(call, message, thing):
    """Assert that a call raises one sentence with `message` in it, and that `thing` stays."""
    before = pickle.dumps(thing)
    with pytest.raises(DataError) as caught:
        call()
    told = str(caught.value)
    assert message in told
    assert told.endswith(".")
    assert "\n" not in told
    assert ". " not in told
    assert pickle.dumps(thing) == before


@every_router
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": ("a", "a", "b", "c")}, "arms names 'a' twice"),
        ({"arms": ("a", "b")}, "embeddings has 4 rows but there are 2 arms"),
        ({"arms": ("a", None, "b", "c")}, "arms holds None"),
        ({"embeddings": EMBEDDINGS[:1], "arms": None}, "There is one arm, 0"),
        ({"embeddings": None}, "does not know its arms: give embeddings="),
        ({"embeddings": [[1.0, 2.0], [1.0]]}, "rows of unequal width"),
        ({"embeddings": EMBEDDINGS[:, :3]}, "X has 6 columns but the embeddings of the arms have"),
        ({"embeddings": EMBEDDINGS * np.nan}, "embeddings is NaN, infinite"),
        ({"embeddings": np.ones((4, 6))}, "embeddings of all arms are the same"),
        ({"cost": [1.0, 2.0]}, "cost has shape"),
        ({"cost": [1.0, 2.0, 3.0, -1.0]}, "cost is negative"),
        ({"cost": [1.0] * 4, "cost_cap": 0}, "cost_cap is 0"),
        ({"random_state": "seven"}, "random_state is 'seven'"),
    ],
)
def test_arms_that_make_no_sense_are_refused(cls, change, message):
    wrong = router(cls, **change)
    for call in (
        lambda: wrong.sample_pair(X),
        lambda: wrong.predict(X),
        lambda: wrong.fit(X, *PAIR.T, OUTCOME),
        lambda: wrong.partial_fit(X, *PAIR.T, OUTCOME),
    ):
        refused(call, message, wrong)
    fitted = router(cls).fit(X, *PAIR.T, OUTCOME).set_params(**change)
    with pytest.raises(DataError):
        fitted.fit(X, *PAIR.T, OUTCOME)
    assert fitted.arms_ == list(ARMS)
    assert fitted.n_updates_ == 40


@every_router
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": [2, 1]}, "outcome is 2 in row 0"),
        ({"outcome": [1, 0.5]}, "outcome is 0.5 in row 1"),
        ({"outcome": [np.nan, 1]}, "outcome is NaN"),
        ({"outcome": ["won", "lost"]}, "outcome"),
        ({"outcome": [1, 1, 1]}, "outcome has shape"),
        ({"first": ["small", "giant"]}, "first holds 'giant' in row 1, which is no arm"),
        ({"second": ["giant", "small"]}, "second holds 'giant' in row 0, which is no arm"),
        ({"second": ["small"]}, "second has 1 rows but X has 2"),
        ({"X": X[:2, :5]}, "X has 5 features"),
        ({"X": [[1.0] * 6, [1.0]]}, ""),
        ({"X": X[:2] * np.nan}, "NaN"),
    ],
)
def test_a_duel_that_makes_no_sense_teaches_nothing(cls, change, message):
    fitted = router(cls).fit(X, *PAIR.T, OUTCOME)
    duel = {"X": X[:2], "first": ["small"] * 2, "second": ["large"] * 2, "outcome": [1, 1]}
    for learn in (fitted.partial_fit, router(cls).fit(X, *PAIR.T, OUTCOME).partial_fit):
        refused(lambda learn=learn: learn(**{**duel, **change}), message, learn.__self__)
    refused(lambda: fitted.partial_fit(**duel, propensity=[0.5, 0.0]), "propensity is 0", fitted)
    if "X" in change and np.shape(change["X"][0]) == (5,):
        message = "X has 5 columns but the embeddings of the arms have 6"  # fit learns the width
    refused(lambda: fitted.fit(**{**duel, **change}), message, fitted)


@every_router
def test_arms_that_cannot_come_or_go_are_refused(cls):
    fitted = router(cls).fit(X, *PAIR.T, OUTCOME)
    for call, message in (
        (lambda: fitted.add_arm("small", np.ones(6)), "'small' twice"),
        (lambda: fitted.add_arm("new", np.ones(5)), "give 6 numbers"),
        (lambda: fitted.add_arm("new", [np.nan] * 6), "NaN"),
        (lambda: fitted.add_arm("new", np.ones(6), cost=1.0), "costs of the other arms are unkn"),
        (lambda: fitted.remove_arm("giant"), "There is no arm 'giant'"),
    ):
        refused(call, message, fitted)
    fitted.remove_arm("small").remove_arm("medium")
    refused(lambda: fitted.remove_arm("huge"), "'huge' is one of two arms", fitted)
    assert fitted.arms_ == ["large", "huge"]


@pytest.mark.parametrize("is_fitted", [False, True])
@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        ({}, (X, LABELS[:3]), "y has shape"),
        ({}, (X, ["law"] * 40), "All queries are of one category, 'law'"),
        ({}, (X[:, :4], LABELS[:3]), "y has shape"),
        ({}, (X * np.nan, LABELS), "NaN"),
        ({}, (X, np.full(40, np.nan)), "y holds NaN"),
        ({"n_categories": 50}, (X,), "fewer than the 50 clusters"),
        ({"n_components": 7}, (X, LABELS), "n_components is 7 but X has 6 columns"),
        ({"temperature": 0}, (X, LABELS), "temperature is 0"),
        ({"epochs": -1}, (X, LABELS), "epochs is -1"),
        ({"learning_rate": 0}, (X, LABELS), "learning_rate is 0"),
    ],
)
def test_an_encoder_that_makes_no_sense_is_refused(is_fitted, settings, arguments, message):
    encoder = CategoryEncoder(epochs=0, random_state=0)
    if is_fitted:
        encoder.fit(X, LABELS)
    encoder.set_params(**settings)
    refused(lambda: encoder.fit(*arguments), message, encoder)


def test_queries_of_another_width_are_not_encoded():
    encoder = CategoryEncoder(epochs=0, random_state=0).fit(X, LABELS)
    refused(lambda: encoder.transform(X[:, :5]), "X has 5 features", encoder)
    refused(lambda: encoder.predict(X[:, :5]), "X has 5 features", encoder)


def test_a_category_without_queries_is_refused():
    encoder = CategoryEncoder(epochs=0, random_state=0).fit(X, LABELS)
    refused(lambda: category_means(X, LABELS, ["art", "law"]), "'art', which has no query", encoder)
    refused(
        lambda: category_means([[1.0, np.nan], [1.0, 2.0]], ["a", "b"], ["a", "b"]),
        "'a', which has no value in column 1",
        encoder,
    )
    refused(lambda: category_means(X, LABELS[:3], ["law"]), "values has shape", encoder)


@pytest.mark.parametrize("is_fitted", [False, True])
@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        ({"weighting": "best"}, (np.eye(2), np.ones((3, 2))), "weighting is 'best'"),
        ({"tau": 0}, (np.eye(2), np.ones((3, 2))), "tau is 0"),
        ({"temperature": 0}, (np.eye(2), np.ones((3, 2))), "temperature is 0"),
        ({"cost_weight": -1}, (np.eye(2), np.ones((3, 2))), "cost_weight is -1"),
        ({"cost_weight": 1}, (np.eye(2), np.ones((3, 2))), "cost is missing"),
        ({"cost_weight": 1}, (np.eye(2), np.ones((3, 2)), np.ones((2, 2))), "cost has shape"),
        ({}, (np.eye(2), np.ones((3, 4))), "performance has 4 columns but there are 2"),
        ({}, (np.eye(2), [[1.0, np.nan]]), "performance is NaN or infinite in row 0, column 1"),
        ({}, (np.eye(2), [["a", "b"]]), "performance holds text"),
        ({}, ([[1.0, 2.0], [1.0]], np.ones((3, 2))), "categories holds text, or rows of unequal"),
        ({}, (np.eye(2), np.ones(2)), "performance has shape"),
    ],
)
def test_embeddings_that_make_no_sense_are_refused(is_fitted, settings, arguments, message):
    model = ModelEmbeddings()
    if is_fitted:
        model.fit(np.eye(2, 5), [[0.9, 0.1], [0.5, 0.5]])
    model.set_params(**settings)
    refused(lambda: model.fit(*arguments), message, model)


@pytest.mark.parametrize(
    ("performance", "message"),
    [
        ([0.5], "performance has shape (1,); give 2 numbers"),
        ([0.5, np.nan], "performance is NaN or infinite"),
        (["good", "bad"], "performance holds text"),
        ([[0.5, 0.1], [0.5, 0.1]], "performance has shape"),
    ],
)
def test_a_newcomer_that_makes_no_sense_is_refused(performance, message):
    model = ModelEmbeddings().fit(np.eye(2), [[0.9, 0.1], [0.5, 0.5]])
    refused(lambda: model.embed(performance), message, model)
