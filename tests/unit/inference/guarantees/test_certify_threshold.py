from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.guarantees import budget_and_gain
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from metarouter.datasets import LabelledQueries
from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference import certify_predictions, certify_threshold, doubly_robust_gains
from metarouter.routing import GivenCost, ThresholdRouter


def queries(n=1000, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    psi_hat = rng.normal(size=n)
    return psi_hat, psi_hat + noise * rng.normal(size=n)


def bounded(n=1000, seed=0):
    psi_hat, gold = queries(n, seed)
    return psi_hat, np.clip(gold, -1, 1)


def quality(found):
    return found.promise("min_gain")


@pytest.mark.parametrize("seed", range(4))
def test_it_equals_a_naive_walk_over_every_w(seed):
    psi_hat, gold = queries(300, seed)
    found = certify_predictions(psi_hat, gold, max_share=0.45, min_gain=0.15, delta=0.2)
    naive = budget_and_gain(psi_hat, gold, 0.45, 0.15, 0.2)
    if naive is None:
        assert not found.is_certified
    else:
        assert found.certified_low == pytest.approx(naive[0], abs=1e-12)
        assert found.certified_high == pytest.approx(naive[1], abs=1e-12)


def test_every_certified_w_keeps_the_demands_as_observed():
    psi_hat, gold = queries()
    found = certify_predictions(psi_hat, gold, max_share=0.4, min_gain=0.2)
    for w in found.path.w[found.path.certified]:
        assert np.mean(psi_hat > w) < 0.4
        assert np.mean(np.where(psi_hat > w, gold, 0)) > 0.2


def test_the_smallest_or_the_largest_certified_w_is_chosen():
    psi_hat, gold = queries()
    demands = {"max_share": 0.4, "min_gain": 0.2}
    most = certify_predictions(psi_hat, gold, **demands)
    least = certify_predictions(psi_hat, gold, prefer="cost", **demands)
    assert (most.w, least.w) == (most.certified_low, most.certified_high)
    assert certify_predictions(psi_hat, gold, min_gain=0.2).w > 0


def test_a_smaller_delta_certifies_less():
    psi_hat, gold = queries()
    wide, narrow = (
        certify_predictions(psi_hat, gold, max_share=0.4, min_gain=0.2, delta=delta)
        for delta in (0.2, 0.01)
    )
    assert wide.certified_low < narrow.certified_low < narrow.certified_high < wide.certified_high


def test_a_budget_by_itself_needs_no_gold_labels_and_all_of_delta():
    psi_hat, gold = queries()
    alone = certify_predictions(psi_hat, max_share=0.3)
    beside = certify_predictions(psi_hat, gold, max_share=0.3, min_gain=-5.0)
    assert alone.guarantee == "finite samples"
    assert alone.w < beside.w


def test_demands_of_one_kind_share_a_walk():
    psi_hat, gold = queries()
    one = certify_predictions(psi_hat, gold, min_gain=0.2)
    two = certify_predictions(psi_hat, gold, min_gain=0.2, max_loss=1.0)
    assert one.certified_high == two.certified_high


def test_a_router_is_set_to_the_certified_w_and_not_changed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 2))
    gold = X[:, 0] + rng.normal(size=2000)
    model = make_pipeline(StandardScaler(), ThresholdRouter(LinearRegression(), w=7.0))
    model.fit(X[:500], gold[:500])
    found = certify_threshold(model, X[500:], gold[500:], max_share=0.4)
    tuned = found.apply(model)
    assert model[-1].w == 7.0
    assert tuned[-1].w == found.w
    share = np.mean(tuned.predict(X[500:]) == "primary")
    assert found.promise("max_share").value == pytest.approx(share)


def test_money_is_limited_in_the_unit_of_the_cost_model():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 1))
    router = ThresholdRouter(LinearRegression().fit(X, X[:, 0]), GivenCost())
    costs = {"cost_primary": rng.uniform(1, 3, 2000), "cost_alternative": rng.uniform(0, 1, 2000)}
    found = certify_threshold(router, X, max_cost=1.0, max_cost_ratio=0.6, **costs)
    sent = found.apply(router).predict(X, **costs) == "primary"
    paid = np.where(sent, costs["cost_primary"], costs["cost_alternative"])
    assert found.promise("max_cost").value == pytest.approx(paid.mean())
    ratio = paid.sum() / costs["cost_primary"].sum()
    assert found.promise("max_cost_ratio").value == pytest.approx(ratio)
    assert paid.mean() < 1.0
    assert ratio < 0.6
    exact = certify_threshold(router, X, max_cost=1.0, cost_bounds=(0, 3), **costs)
    assert exact.guarantee == "finite samples"
    assert exact.w > certify_threshold(router, X, max_cost=1.0, **costs).w


@pytest.mark.parametrize(
    ("demand", "limit"), [("min_gain", 0.1), ("max_loss", 0.1), ("min_gap_share", 0.8)]
)
def test_all_measures_of_quality_are_certified(demand, limit):
    psi_hat, gold = bounded(4000)
    gold = np.clip(gold + 0.4, -1, 1)
    for settings in ({}, {"gain_bounds": (-1, 1)}):
        found = certify_predictions(psi_hat, gold, **{demand: limit}, **settings)
        sent = psi_hat > found.w
        truth = {
            "min_gain": np.mean(sent * gold),
            "max_loss": np.mean(~sent * gold),
            "min_gap_share": np.sum(sent * gold) / gold.sum(),
        }[demand]
        promise = found.promise(demand)
        assert promise.value == pytest.approx(truth)
        assert promise.lower < truth < promise.upper
        assert found.guarantee == ("finite samples" if settings else "large samples")


def test_missed_gains_are_limited():
    psi_hat, gold = bounded(4000)
    found = certify_predictions(psi_hat, gold, max_missed_gain=0.2, gain_bounds=(-1, 1))
    missed = np.mean(np.where(psi_hat > found.w, 0, np.maximum(gold, 0)))
    assert found.promise("max_missed_gain").value == pytest.approx(missed)
    assert missed < 0.2


def test_queries_without_a_gold_label_count_for_the_budget_only():
    psi_hat, gold = queries(4000)
    scarce = np.where(np.arange(4000) < 400, gold, np.nan)
    found = certify_predictions(psi_hat, scarce, max_share=0.4, min_gain=0.15)
    assert found.promise("max_share").n == 4000
    assert quality(found).n == found.n_gold == 400
    sent = psi_hat[:400] > found.w
    assert quality(found).value == pytest.approx(np.mean(sent * gold[:400]))


def test_weights_count_as_repeated_queries_do_in_what_is_observed():
    psi_hat, gold = queries(500)
    weight = np.where(np.arange(500) % 2, 2.0, 1.0)
    found = certify_predictions(psi_hat, gold, min_gain=0.1, sample_weight=weight)
    sent = psi_hat > found.w
    assert quality(found).value == pytest.approx(np.average(sent * gold, weights=weight))
    assert quality(found).method == "clt"


def test_queries_of_weight_zero_do_not_matter():
    psi_hat, gold = queries(600)
    weight = np.r_[np.ones(500), np.zeros(100)]
    kept = certify_predictions(psi_hat[:500], gold[:500], max_share=0.5, min_gain=0.1)
    weighted = certify_predictions(psi_hat, gold, max_share=0.5, min_gain=0.1, sample_weight=weight)
    assert weighted.certified_high == pytest.approx(kept.certified_high)


def test_twins_in_groups_certify_what_one_of_each_does():
    psi_hat, gold = queries(500)
    single = certify_predictions(psi_hat, gold, min_gain=0.1)
    twins = certify_predictions(
        np.repeat(psi_hat, 2), np.repeat(gold, 2), min_gain=0.1, groups=np.repeat(np.arange(500), 2)
    )
    assert twins.n_units == 500
    assert twins.certified_high == pytest.approx(single.certified_high)
    assert quality(twins).se == pytest.approx(quality(single).se)


def test_doubly_robust_scores_stand_for_scarce_gold_labels():
    psi_hat, gold = queries(4000, noise=0.5)
    label = np.where(np.arange(4000) % 10 == 0, gold, np.nan)
    data = LabelledQueries(psi_hat[:, None], label, np.full(4000, np.nan))
    gains = doubly_robust_gains(data, gold_outcome=psi_hat, propensity=0.1)
    scored = certify_predictions(psi_hat, gains, min_gain=0.2)
    labelled = certify_predictions(psi_hat, label, min_gain=0.2)
    assert scored.n_gold == labelled.n_gold == 400
    assert scored.certified_high > labelled.certified_high
    assert quality(scored).se < quality(labelled).se


def test_weights_do_not_bring_back_queries_out_of_support():
    psi_hat, gold = queries()
    data = LabelledQueries(psi_hat[:, None], gold, np.full(1000, np.nan))
    gains = doubly_robust_gains(data, random_state=0)
    inside = np.arange(1000) < 600
    trimmed = replace(
        gains, score=np.where(inside, gains.score, 0.0), sample_weight=inside.astype(float)
    )
    own = certify_predictions(psi_hat, trimmed, min_gain=0.1)
    given = certify_predictions(psi_hat, trimmed, min_gain=0.1, sample_weight=np.ones(1000))
    assert given.promise("min_gain") == own.promise("min_gain")
    assert given.n == 600


def test_conformal_risk_control_says_that_it_holds_on_average_only():
    psi_hat, gold = bounded(500)
    found = certify_predictions(psi_hat, gold, max_share=0.3, method="conformal")
    assert found.guarantee == "in expectation only"
    assert str(found.verdict) == "CAUTION"
    sent = np.sum(psi_hat > found.w)
    assert (sent + 1) / 501 <= 0.3 < (sent + 2) / 501
    assert "on average" in found.summary()


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


def test_a_split_learns_where_quality_is_best():
    rng = np.random.default_rng(0)
    psi_hat = rng.uniform(0, 2, 3000)
    gold = np.where(psi_hat < 1, -0.5, 0.5) + rng.normal(size=3000)
    demands = {"max_share": 0.8, "min_gain": 0.1}
    ends = certify_predictions(psi_hat, gold, **demands)
    split = certify_predictions(psi_hat, gold, search="split", random_state=0, **demands)
    assert not ends.is_certified
    assert "search='split'" in ends.reason
    assert split.is_certified
    assert split.n == 2000
    assert split.w > 0.4


def test_a_split_is_seeded_and_keeps_groups_together():
    psi_hat, gold = queries(900)
    groups = np.repeat(np.arange(300), 3)
    given = {"min_gain": 0.1, "search": "split", "groups": groups}
    first, again, other = (
        certify_predictions(psi_hat, gold, random_state=seed, **given) for seed in (1, 1, 2)
    )
    assert first.w == again.w != other.w
    assert first.n_units == 200
    assert first.n == 600


def test_a_grid_is_kept_to():
    psi_hat, gold = queries()
    found = certify_predictions(psi_hat, gold, max_share=0.4, grid=[0.1, 0.2, 0.5, 1.0])
    assert found.w == 0.5
    assert found.path.w.tolist() == [0.1, 0.2, 0.5, 1.0]


def test_the_order_of_the_queries_does_not_matter():
    psi_hat, gold = queries()
    order = np.random.default_rng(1).permutation(1000)
    first = certify_predictions(psi_hat, gold, max_share=0.4, min_gain=0.2)
    second = certify_predictions(psi_hat[order], gold[order], max_share=0.4, min_gain=0.2)
    assert (first.certified_low, first.certified_high) == (
        second.certified_low,
        second.certified_high,
    )


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
        ({"max_share": 0.3, "search": "both"}, MetaRouterError, "search='both'"),
        ({"max_share": 0.3, "prefer": "luck"}, MetaRouterError, "prefer='luck'"),
        ({"max_share": 0.3, "method": "naive"}, MetaRouterError, "method='naive'"),
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


def test_it_prints_and_plots():
    psi_hat, gold = queries()
    found = certify_predictions(psi_hat, gold, max_share=0.4, min_gain=0.2)
    assert "at most 0.4" in found.to_markdown()
    assert r"\toprule" in found.to_latex()
    ax = found.plot()
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "certified" in words
    assert found.path.to_frame().shape == (len(found.path.w), 5)
