"""Where no threshold is certified, what is said instead, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from certified_queries import bounded, queries
from sklearn.linear_model import LinearRegression

from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference import certify_predictions
from metarouter.routing import ThresholdRouter


@pytest.mark.parametrize(
    "given",
    [
        {"min_gain": 0.1, "gain_bounds": (-1, 1)},
        {"max_missed_gain": 0.1},
        {"max_cost": 0.3},
        {"max_share": 0.3, "groups": np.arange(500) // 2},
        {"max_share": 0.3, "costs": np.tile([1.0, 0.5], (500, 1))},
    ],
)
def test_conformal_risk_control_is_refused_where_it_does_not_hold(given):
    with pytest.raises(MetaRouterError, match="can only fall"):
        certify_predictions(*bounded(500), method="conformal", **given)


def test_too_few_gold_labels_are_inconclusive_and_the_number_that_would_do_is_said():
    psi_hat, gold = queries(20)
    found = certify_predictions(psi_hat, gold, min_gain=0.01)
    assert str(found.verdict) == "INCONCLUSIVE"
    assert found.needed_gold == 30
    assert "30 would do" in found.reason


def test_few_gold_labels_give_no_number_without_an_interval():
    psi_hat, gold = queries()
    few = certify_predictions(psi_hat, np.where(np.arange(1000) < 29, gold, np.nan), min_gain=0.0)
    seen = few.promise("min_gain")
    assert np.isnan([seen.value, seen.se, seen.lower, seen.upper]).all()


def test_as_many_labels_as_were_said_to_be_needed_do():
    psi_hat, gold = queries(100)
    demands = {"max_share": 0.5, "min_gain": 0.3}
    found = certify_predictions(psi_hat, gold, **demands)
    assert not found.is_certified
    more = found.needed_gold // 100 + 2
    assert 1 < more < 20
    grown = certify_predictions(np.tile(psi_hat, more), np.tile(gold, more), **demands)
    assert grown.is_certified


def test_bounded_gains_say_how_many_labels_are_needed():
    psi_hat, gold = bounded(200)
    found = certify_predictions(psi_hat, gold, min_gain=0.15, gain_bounds=(-1, 1))
    assert not found.is_certified
    more = -(-found.needed_gold // 200)
    grown = certify_predictions(
        np.tile(psi_hat, more), np.tile(gold, more), min_gain=0.15, gain_bounds=(-1, 1)
    )
    assert grown.is_certified


def test_what_is_out_of_reach_is_not_promised_by_more_labels():
    psi_hat, gold = queries()
    found = certify_predictions(psi_hat, gold, max_share=0.1, min_gain=0.9)
    assert not found.is_certified
    assert found.needed_gold is None
    assert "min_gain is missed" in found.reason
    assert "–" in found.summary()
    with pytest.raises(MetaRouterError, match="none is set"):
        found.apply(ThresholdRouter(LinearRegression()))


def test_a_share_of_a_gap_that_is_not_there_is_not_certified():
    psi_hat, gold = queries()
    found = certify_predictions(psi_hat, gold - 1, min_gap_share=0.0)
    assert not found.is_certified
    assert "no gap" in found.reason


@pytest.mark.parametrize(
    ("demand", "label"), [("min_gain", 0.0), ("max_loss", 0.0), ("max_missed_gain", -1.0)]
)
def test_gold_labels_that_are_all_nothing_are_not_taken_for_certain(demand, label):
    psi_hat, gold = queries()[0], np.full(1000, label)
    found = certify_predictions(psi_hat, gold, **{demand: 0.0 if demand == "min_gain" else 0.01})
    assert not found.is_certified
    assert f"say about {demand} is 0" in found.reason
    assert np.isnan(found.promise(demand).lower)
    assert found.plot().get_legend() is not None
    bounded = certify_predictions(psi_hat, gold, max_missed_gain=0.05, gain_bounds=(-1, 1))
    assert bounded.is_certified  # a bound says how far a label that was not seen may be off


def test_a_routing_that_hardly_changes_anything_is_not_taken_for_certain():
    # One query in 400 goes to the alternative, and gains a little there: no proof for the rest.
    psi_hat = np.r_[-1.0, np.ones(399)]
    gold = np.r_[-0.1, np.random.default_rng(0).normal(0.5, 1, 399)]
    found = certify_predictions(psi_hat, gold, max_loss=0.0, grid=[0.0])
    assert not found.is_certified


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({}, BudgetError, "Nothing is demanded"),
        ({"max_share": 1.5}, BudgetError, "from 0 to 1"),
        ({"max_cost": -1.0}, BudgetError, "at least 0"),
        ({"min_gain": np.nan}, BudgetError, "finite"),
        ({"min_gain": 0.1, "gain_bounds": (-0.5, 0.5)}, DataError, "lie outside gain_bounds"),
        ({"max_share": 0.3, "cost_bounds": (2, 1)}, MetaRouterError, "lowest, highest"),
        ({"max_share": 0.3, "delta": 0.0}, MetaRouterError, "delta"),
        ({"max_share": 0.3, "search": "both"}, MetaRouterError, "search is 'both'; give 'ends'"),
        ({"max_share": 0.3, "prefer": "luck"}, MetaRouterError, "prefer is 'luck'; give 'auto'"),
        ({"max_share": 0.3, "method": "naive"}, MetaRouterError, "method is 'naive'; give 'auto'"),
        ({"max_share": 0.3, "grid": [-1.0]}, MetaRouterError, "grid"),
        ({"max_share": 0.3, "grid": ["a"]}, MetaRouterError, "grid"),
        ({"max_share": 0.3, "delta": None}, MetaRouterError, "delta is None"),
        ({"min_gain": 0.1, "gain_bounds": (0, 1, 2)}, MetaRouterError, "two finite numbers"),
        ({"max_share": 0.3, "costs": np.ones(1000)}, DataError, "costs has shape"),
        ({"max_share": 0.3, "costs": [["a", "b"]] * 1000}, DataError, "costs holds values"),
        ({"max_share": 0.3, "groups": np.arange(3)}, DataError, "groups has 3 entries"),
        ({"min_gain": 0.1, "method": "hoeffding_bentkus"}, MetaRouterError, "gain_bounds="),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(given, error, words):
    with pytest.raises(error, match=words):
        certify_predictions(*queries(), **given)


@pytest.mark.parametrize(
    ("gold", "words"),
    [
        (None, "gold_gain is missing"),
        (np.full(1000, np.nan), "none of 1000 queries"),
        (np.ones(3), "shape \\(3,\\)"),
        (["a"] * 1000, "not numbers"),
    ],
)
def test_gold_labels_that_are_no_labels_are_refused(gold, words):
    with pytest.raises(DataError, match=words):
        certify_predictions(queries()[0], gold, min_gain=0.1)


def test_weights_are_refused_by_finite_sample_bounds():
    psi_hat, gold = bounded()
    weight = np.linspace(1, 2, 1000)
    for given in ({"sample_weight": weight}, {"groups": np.arange(1000) // 2}):
        with pytest.raises(MetaRouterError, match="equal weight"):
            certify_predictions(
                psi_hat,
                gold,
                min_gain=0.1,
                gain_bounds=(-1, 1),
                method="hoeffding_bentkus",
                **given,
            )


def test_a_limit_that_is_just_met_has_no_number_of_rows_that_would_do():
    psi_hat, _ = queries(500)
    found = certify_predictions(psi_hat, max_share=0, groups=np.arange(500) // 4)
    assert "lies at the limit of max_share" in found.reason
    assert found.needed_queries is None


def test_a_gap_of_nothing_is_named_before_what_labels_say_of_it():
    psi_hat, _ = queries(200)
    found = certify_predictions(psi_hat, np.zeros(200), min_gap_share=0.5)
    assert "no gap to recover" in found.reason
