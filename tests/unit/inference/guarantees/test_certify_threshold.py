from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from certified_queries import bounded, queries
from oracles.guarantees import budget_and_gain
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from metarouter.datasets import LabelledQueries
from metarouter.inference import certify_predictions, certify_threshold, doubly_robust_gains
from metarouter.routing import GivenCost, ThresholdRouter


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


def test_constraints_of_one_kind_share_a_sequence():
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


def test_it_prints_and_plots():
    psi_hat, gold = queries()
    found = certify_predictions(psi_hat, gold, max_share=0.4, min_gain=0.2)
    assert "at most 0.4" in found.to_markdown()
    assert r"\toprule" in found.to_latex()
    ax = found.plot()
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "certified" in words
    assert found.path.to_frame().shape == (len(found.path.w), 5)
