from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from metarouter import (
    DRLearner,
    MultiModelMetaRouter,
    RLearner,
    ZeroShift,
    load_router,
    save_router,
)
from metarouter.datasets import PairedComparisons, make_model_comparisons
from metarouter.exceptions import DataError, MetaRouterError, RouterFileError
from metarouter.routing import ComparisonWarning

STRUCTURES = ("scores", "bradley_terry", "low_rank", "pairs")


def fitted(data: PairedComparisons, *arguments: Any, **parameters: Any) -> MultiModelMetaRouter:
    rows = data.training_rows()
    many = MultiModelMetaRouter(*arguments, random_state=0, **parameters)
    return many.fit(rows.X, rows.pairs, rows.y, is_gold=rows.is_gold, groups=rows.groups)


def fitted_on_gold(data: PairedComparisons) -> MultiModelMetaRouter:
    rows, gold = data.training_rows(), data.is_gold
    return MultiModelMetaRouter().fit(rows.X[gold], rows.pairs[gold], rows.y[gold])


def error_of(many: MultiModelMetaRouter, data: PairedComparisons) -> float:
    truth = data.scores - data.scores.mean(axis=1, keepdims=True)
    return float(np.mean((many.scores(data.X) - truth) ** 2) / np.mean(truth**2))


@pytest.fixture(scope="module")
def data() -> PairedComparisons:
    return make_model_comparisons(200, 1200, n_models=4, n_features=4, votes=True, random_state=0)


def with_structure(structure: str, data: PairedComparisons) -> MultiModelMetaRouter:
    if structure == "pairs":
        line = LinearRegression()
        shift = DRLearner(line, "constant", line)
        return fitted(data, "pairs", shift=shift, regressor=line)
    return fitted(data, structure)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_swapping_two_models_swaps_the_sign(structure: str, data: PairedComparisons) -> None:
    many = with_structure(structure, data)
    gain = many.predict_gain(data.X, "model 1", "model 3")
    np.testing.assert_array_equal(gain, -many.predict_gain(data.X, "model 3", "model 1"))
    np.testing.assert_array_equal(many.predict_gain(data.X, "model 2", "model 2"), 0)
    shift = many.predict_shift(data.X, "model 1", "model 3")
    np.testing.assert_array_equal(shift, -many.predict_shift(data.X, "model 3", "model 1"))


@pytest.mark.parametrize("structure", ["scores", "bradley_terry", "low_rank", "pairs"])
def test_the_order_in_which_models_are_named_does_not_matter(
    structure: str, data: PairedComparisons
) -> None:
    many, rows = with_structure(structure, data), data.training_rows()
    turned = np.random.default_rng(0).random(data.n) < 0.5
    pairs = np.where(turned[:, None], rows.pairs[:, ::-1], rows.pairs)
    other = clone(many).fit(
        rows.X,
        pairs,
        np.where(turned, -rows.y, rows.y),
        is_gold=rows.is_gold,
        groups=rows.groups,
    )
    np.testing.assert_array_equal(many.scores(data.X), other.scores(data.X))


@pytest.mark.parametrize("structure", ["scores", "bradley_terry", "low_rank"])
def test_gains_are_differences_of_scores(structure: str, data: PairedComparisons) -> None:
    many = fitted(data, structure)
    scores = many.scores(data.X)
    assert scores.shape == (data.n_queries, 4)
    gain = many.predict_gain(data.X, "model 2", "model 4")
    np.testing.assert_allclose(gain, scores[:, 1] - scores[:, 3])


def test_scores_of_free_pairs_are_nearest_to_the_gains_in_least_squares(
    data: PairedComparisons,
) -> None:
    many, X = with_structure("pairs", data), data.X[:3]
    names = many.models_
    rows, gains = [], []
    for k in range(4):
        for other in range(k + 1, 4):
            rows.append(np.eye(4)[k] - np.eye(4)[other])
            gains.append(many.predict_gain(X, names[k], names[other]))
    nearest = np.linalg.pinv(np.array(rows)) @ np.array(gains)
    np.testing.assert_allclose(many.scores(X), nearest.T, atol=1e-12)


@pytest.mark.parametrize("structure", ["scores", "bradley_terry"])
def test_the_judge_helps_although_it_is_biased(structure: str) -> None:
    votes = structure == "bradley_terry"
    data = make_model_comparisons(200, 6000, bias=0.3, votes=votes, random_state=1)
    alone = fitted_on_gold(data)
    pooled = fitted(data, shift=ZeroShift())
    corrected = fitted(data, structure)
    assert error_of(corrected, data) < 0.9 * error_of(alone, data)
    assert error_of(corrected, data) < 0.5 * error_of(pooled, data)


@pytest.mark.parametrize("learner", [RLearner, DRLearner])
def test_meta_learners_take_the_models_as_covariates(learner: Any) -> None:
    data = make_model_comparisons(300, 2000, random_state=1)
    many = fitted(data, shift=learner(propensity="constant", cv=3))
    assert error_of(many, data) < 0.5 * error_of(fitted(data, shift=ZeroShift()), data)


def test_an_unbiased_judge_is_believed() -> None:
    honest = make_model_comparisons(
        200, 2000, bias=0, heterogeneity=0, sensitivity=1, random_state=2
    )
    believed, alone = fitted(honest), fitted_on_gold(honest)
    assert error_of(believed, honest) < 0.3 * error_of(alone, honest)
    assert believed.components_.bias_slope < 0.5 * believed.components_.score_slope


def test_the_part_of_the_bias_that_belongs_to_a_model_is_found() -> None:
    data = make_model_comparisons(400, 4000, bias=1.0, heterogeneity=0.1, random_state=3)
    many = fitted(data)
    truth = data.bias - data.bias.mean(axis=1, keepdims=True)
    guess = np.column_stack([many.predict_shift(data.X, name, "model 1") for name in many.models_])
    guess -= guess.mean(axis=1, keepdims=True)
    assert np.corrcoef(guess.ravel(), -truth.ravel())[0, 1] > 0.9


def test_expected_votes_are_those_of_the_judge() -> None:
    data = make_model_comparisons(200, 4000, votes=True, random_state=4)
    many = fitted(data, "bradley_terry")
    eta = many.predict_preference(data.X, "model 1", "model 2")
    assert np.abs(eta).max() < 1
    rows = ~data.is_gold & (data.first == "model 1") & (data.second == "model 2")
    assert np.corrcoef(eta[data.query[rows]], data.y[rows])[0, 1] > 0.3
    assert 0.2 < many.tie_ < 1.0


def test_standard_deviations_cover_the_truth() -> None:
    inside = []
    for seed in range(20):
        data = make_model_comparisons(150, 600, n_models=4, n_features=3, random_state=seed)
        gain, std = fitted(data).predict_gain(data.X, "model 1", "model 2", return_std=True)
        inside.append(np.abs(gain - (data.scores[:, 0] - data.scores[:, 1])) < 1.96 * std)
    assert 0.90 < np.mean(inside) < 0.99


def test_pairs_that_were_never_compared_are_predicted_through_the_others() -> None:
    data = make_model_comparisons(300, 3000, random_state=5)
    ends = set(zip(data.first, data.second, strict=True))
    assert ("model 1", "model 2") in ends
    missing = np.isin(data.first, ["model 1", "model 2"]) & np.isin(
        data.second, ["model 1", "model 2"]
    )
    rows = data.training_rows()
    kept = ~missing
    many = MultiModelMetaRouter().fit(
        rows.X[kept], rows.pairs[kept], rows.y[kept], is_gold=rows.is_gold[kept]
    )
    assert many.counts_[0, 1] == 0
    truth = data.scores[:, 0] - data.scores[:, 1]
    assert np.corrcoef(many.predict_gain(data.X, "model 1", "model 2"), truth)[0, 1] > 0.85


def test_low_rank_beats_free_scores_where_models_lie_in_a_plane() -> None:
    data = make_model_comparisons(300, 3000, n_models=9, n_features=20, rank=2, random_state=6)
    low = fitted(data, "low_rank", rank=2)
    assert low.embeddings_.shape == (9, 2)
    assert error_of(low, data) < 0.8 * error_of(fitted(data), data)


@pytest.mark.parametrize("structure", ["scores", "low_rank", "bradley_terry"])
def test_a_model_can_be_added_with_thirty_comparisons(structure: str) -> None:
    data = make_model_comparisons(
        600, 6000, n_models=8, rank=2, votes=structure == "bradley_terry", random_state=7
    )
    rows, new = data.training_rows(), "model 8"
    of_new = (rows.pairs == new).any(axis=1)
    many = MultiModelMetaRouter(structure, random_state=0).fit(
        rows.X[~of_new], rows.pairs[~of_new], rows.y[~of_new], is_gold=rows.is_gold[~of_new]
    )
    before = many.scores(data.X)
    handful = np.flatnonzero(of_new & rows.is_gold)[:30]
    many.add_model(new, rows.X[handful], rows.pairs[handful], rows.y[handful])
    assert many.models_[-1] == new
    after = many.scores(data.X)
    np.testing.assert_allclose(after[:, 0] - after[:, 1], before[:, 0] - before[:, 1])
    gain = many.predict_gain(data.X, new, "model 1")
    truth = data.scores[:, 7] - data.scores[:, 0]
    average = before.mean(axis=1) - before[:, 0]
    assert np.mean((gain - truth) ** 2) < 0.6 * np.mean((average - truth) ** 2)
    std = many.predict_gain(data.X, new, "model 1", return_std=True)[1]
    known = many.predict_gain(data.X, "model 2", "model 1", return_std=True)[1]
    assert std.mean() > known.mean()


def test_a_saved_router_predicts_the_same(path: Path, data: PairedComparisons) -> None:
    for structure in STRUCTURES:
        many = with_structure(structure, data)
        save_router(many, path)
        loaded = load_router(path)
        np.testing.assert_array_equal(loaded.scores(data.X), many.scores(data.X))
        assert loaded.models_ == many.models_


def test_an_unfitted_router_is_not_saved(path: Path) -> None:
    with pytest.raises(RouterFileError, match="not fitted"):
        save_router(MultiModelMetaRouter(), path)


# The dial ------------------------------------------------------------------------------------


def test_without_costs_the_best_model_answers(data: PairedComparisons) -> None:
    many = fitted(data)
    names = np.asarray(many.models_)
    np.testing.assert_array_equal(many.predict(data.X), names[many.scores(data.X).argmax(axis=1)])


def test_the_dial_weighs_quality_against_cost_and_latency(data: PairedComparisons) -> None:
    many = fitted(data)
    cost = np.array([4.0, 3.0, 2.0, 1.0])
    value = 0.7 * many.scores(data.X) - 0.3 * cost / 4
    names = np.asarray(many.models_)
    expected = names[value.argmax(axis=1)]
    np.testing.assert_array_equal(many.predict(data.X, cost=cost, preference=(0.7, 0.3)), expected)
    by_query = np.tile(cost, (data.n_queries, 1))
    np.testing.assert_array_equal(
        many.predict(data.X, cost=by_query, preference=(0.7, 0.3)), expected
    )
    named = dict(zip(many.models_, cost, strict=True))
    np.testing.assert_array_equal(many.predict(data.X, cost=named, preference=(0.7, 0.3)), expected)
    frame = pd.DataFrame(by_query, columns=many.models_)[many.models_[::-1]]
    np.testing.assert_array_equal(many.predict(data.X, cost=frame, preference=(0.7, 0.3)), expected)
    slow = many.predict(data.X, cost=cost, latency=cost[::-1], preference=(0.0, 0.0, 1.0))
    assert set(slow) == {"model 1"}
    assert set(many.predict(data.X, cost=cost, preference=(0.0, 1.0))) == {"model 4"}


def test_among_equals_the_cheapest_answers(data: PairedComparisons) -> None:
    many = fitted(data)
    chosen = many.predict(data.X, cost=[9, 5, 9, 9], preference=(0.0, 1.0), cost_cap=4)
    assert set(chosen) == {"model 2"}


@given(st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_more_weight_on_cost_never_spends_more(first: float, second: float) -> None:
    low, high = sorted((first, second))
    data = make_model_comparisons(40, 100, n_models=3, n_features=2, random_state=0)
    many, cost = _SMALL.setdefault("many", None) or fitted(data), np.array([1.0, 3.0, 2.0])
    _SMALL["many"] = many
    spent = [
        cost[[many.models_.index(name) for name in many.predict(data.X, cost=cost, preference=w)]]
        for w in ((1 - low, low), (1 - high, high))
    ]
    assert (spent[1] <= spent[0] + 1e-12).all()


_SMALL: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"cost": [1, 2]}, r"cost has shape \(2,\)"),
        ({"cost": [1, 2, 3, -1]}, "negative"),
        ({"cost": {"model 1": 1}}, "no entry for 'model 2'"),
        ({"cost": ["a", "b", "c", "d"]}, "not a number"),
        ({"preference": (0.5, 0.5)}, "weighs cost, but no cost"),
        ({"cost": [1, 2, 3, 4], "preference": (0.5, 0.6)}, "sum to 1"),
        ({"cost": [1, 2, 3, 4], "preference": (1.0,)}, "shape"),
        ({"cost": [1, 2, 3, 4], "preference": "cheap"}, "give"),
        ({"cost": [1, 2, 3, 4], "cost_cap": 0}, "cost_cap"),
    ],
)
def test_a_dial_that_cannot_be_read_is_refused(
    options: dict[str, Any], match: str, data: PairedComparisons
) -> None:
    with pytest.raises(DataError, match=match):
        fitted(data).predict(data.X[:2], **options)


# Bad comparisons -----------------------------------------------------------------------------


def small(pairs: list[tuple[Any, Any]], y: list[float] | None = None, **options: Any) -> Any:
    X = np.arange(2.0 * len(pairs)).reshape(-1, 2)
    labels = np.arange(len(pairs), dtype=float) if y is None else y
    return MultiModelMetaRouter().fit(options.pop("X", X), pairs, labels, **options)


def test_a_model_compared_with_itself_is_refused() -> None:
    with pytest.raises(DataError, match=r"'a' is compared with itself in 1 of 2 .*row 1"):
        small([("a", "b"), ("a", "a")])


def test_one_model_alone_is_refused() -> None:
    with pytest.raises(DataError, match="compared with itself"):
        small([("a", "a"), ("a", "a")])


def test_names_that_differ_by_case_are_refused() -> None:
    with pytest.raises(DataError, match="'GPT-4' and 'gpt-4' differ by case"):
        small([("GPT-4", "b"), ("gpt-4", "b")])


def test_names_that_are_missing_are_refused() -> None:
    with pytest.raises(DataError, match=r"no name in 1 of 2 comparisons \(first: row 1\)"):
        small([("a", "b"), ("a", None)])


def test_comparisons_that_fall_apart_are_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"2 groups .*'a', 'b', 'e'; 'c', 'd'"):
        small([("a", "b"), ("c", "d"), ("b", "e")])


def test_gold_labels_that_fall_apart_are_named_in_a_warning() -> None:
    with pytest.warns(ComparisonWarning, match=r"'a', 'b'; 'c'"):
        small([("a", "b"), ("b", "c"), ("a", "c")], is_gold=[True, False, False])


def test_labels_that_do_not_turn_with_their_models_are_refused() -> None:
    X = np.array([[0.0, 1.0], [0.0, 1.0], [2.0, 3.0]])
    pairs = [("a", "b"), ("b", "a"), ("a", "c")]
    with pytest.raises(DataError, match="rows 0 and 1 compare 'a' and 'b' on one query"):
        small(pairs, [0.5, 0.5, 1.0], X=X)
    small(pairs, [0.5, -0.5, 1.0], X=X)


def test_a_pair_that_is_no_pair_is_refused() -> None:
    with pytest.raises(DataError, match="two columns"):
        MultiModelMetaRouter().fit([[0.0], [1.0]], ["a", "b"], [0.0, 1.0])
    with pytest.raises(DataError, match="X has 2 rows but pairs has 1"):
        MultiModelMetaRouter().fit([[0.0], [1.0]], [("a", "b")], [0.0, 1.0])


def test_one_source_alone_is_refused() -> None:
    with pytest.raises(DataError, match="none is gold"):
        small([("a", "b"), ("b", "a")], is_gold=[False, False])


def test_labels_that_are_no_votes_are_refused_by_bradley_terry() -> None:
    data = make_model_comparisons(20, 50, random_state=0)
    with pytest.raises(DataError, match="none of -1, 0 and 1"):
        fitted(data, "bradley_terry")


def test_an_unknown_model_is_refused_with_a_near_one(data: PairedComparisons) -> None:
    with pytest.raises(DataError, match="did you mean 'model 1'"):
        fitted(data).predict_gain(data.X, "Model 1", "model 2")


@pytest.mark.parametrize(
    "parameters",
    [
        {"structure": "tree"},
        {"shift": "magic"},
        {"structure": "low_rank", "shift": DRLearner()},
        {"structure": "pairs", "shift": "adaptive"},
        {"regressor": LinearRegression()},
        {"rank": 0},
        {"n_components": 0.5},
        {"n_jobs": 0},
    ],
)
def test_a_parameter_out_of_range_is_refused(
    parameters: dict[str, Any], data: PairedComparisons
) -> None:
    with pytest.raises(MetaRouterError):
        fitted(data, **parameters)


def test_a_failed_fit_leaves_the_router_as_it_was(data: PairedComparisons) -> None:
    many = fitted(data)
    before = many.scores(data.X)
    with pytest.raises(DataError):
        many.fit(data.X[:2], [("a", "a"), ("a", "b")], [0.0, 1.0])
    np.testing.assert_array_equal(many.scores(data.X), before)


@pytest.mark.parametrize(
    ("name", "pair", "match"),
    [
        ("model 1", ("model 1", "model 2"), "a model 'model 1' already"),
        ("Model 1", ("Model 1", "model 2"), "'Model 1' differs by case or blanks only"),
        ("new", ("model 1", "model 2"), "are not of 'new'"),
        ("new", ("new", "model 9"), "no model 'model 9'"),
    ],
)
def test_a_new_model_must_be_compared_with_a_known_one(
    name: str, pair: tuple[str, str], match: str, data: PairedComparisons
) -> None:
    with pytest.raises(DataError, match=match):
        fitted(data).add_model(name, data.X[:1], [pair], [1.0])
