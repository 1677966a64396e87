"""Constraints as objects: those of the package, of a user's own, and several kinds together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from certified_queries import bounded, queries
from scipy.stats import binom
from sklearn.linear_model import LinearRegression, Ridge

from metarouter.datasets._home import data_home
from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference import (
    Constraint,
    Outcome,
    Promise,
    certify_predictions,
    certify_threshold,
    max_cost,
    max_cost_ratio,
    max_loss,
    max_missed_gain,
    max_share,
    max_slow_share,
    min_gain,
    min_gap_share,
    min_saving,
)
from metarouter.inference.guarantees._constraints import certifying_queries, constrained_mean
from metarouter.routing import GivenCost, ThresholdRouter

LIMITS = {
    max_share: 0.4,
    max_cost: 0.4,
    max_cost_ratio: 0.4,
    min_gain: 0.1,
    max_loss: 0.1,
    min_gap_share: 0.6,
    max_missed_gain: 0.3,
}


def latencies(n, seed=0):
    """Seconds of the alternative and of the slower primary model."""
    return np.random.default_rng(seed).exponential([0.3, 1.0], (n, 2))


@pytest.mark.parametrize("kind", LIMITS)
def test_an_object_and_its_keyword_are_one_constraint(kind):
    psi_hat, gold = bounded(600)
    limit = LIMITS[kind]
    by_object = certify_predictions(psi_hat, gold + 0.2, [kind(limit)])
    by_keyword = certify_predictions(psi_hat, gold + 0.2, **{kind.name: limit})
    pd.testing.assert_frame_equal(by_object.to_frame(), by_keyword.to_frame())
    pd.testing.assert_frame_equal(by_object.path.to_frame(), by_keyword.path.to_frame())


def test_objects_and_keywords_may_be_mixed_but_not_doubled():
    psi_hat, gold = queries()
    mixed = certify_predictions(psi_hat, gold, max_share(0.4), min_gain=0.2)
    keywords = certify_predictions(psi_hat, gold, max_share=0.4, min_gain=0.2)
    assert mixed.w == keywords.w
    with pytest.raises(BudgetError, match="max_share is given twice"):
        certify_predictions(psi_hat, gold, [max_share(0.4)], max_share=0.3)
    with pytest.raises(MetaRouterError, match="constraints holds a float"):
        certify_predictions(psi_hat, gold, [0.4])


def test_a_saving_is_one_minus_a_cost_ratio():
    psi_hat, _ = queries()
    costs = np.random.default_rng(1).uniform([0.1, 1.0], [0.5, 3.0], (1000, 2))
    saved = certify_predictions(psi_hat, None, min_saving(0.4), costs=costs)
    ratio = certify_predictions(psi_hat, None, max_cost_ratio(0.6), costs=costs)
    assert saved.w == pytest.approx(ratio.w)
    seen = saved.estimate("min_saving")
    assert seen.value == pytest.approx(1 - ratio.estimate("max_cost_ratio").value)
    assert seen.lower == pytest.approx(1 - ratio.estimate("max_cost_ratio").upper)


def test_the_share_of_slow_answers_is_tested_exactly():
    psi_hat, _ = queries(800)
    seconds = latencies(800)
    found = certify_predictions(
        psi_hat, None, max_slow_share(0.05, seconds=2.0), latencies=seconds, delta=0.05
    )
    assert found.guarantee == "finite samples"
    slow = np.where(psi_hat > found.w, seconds[:, 1], seconds[:, 0]) > 2.0
    seen = found.estimate("max_slow_share")
    assert seen.value == pytest.approx(slow.mean())
    # The smallest certified w is the last that the exact binomial test passes from the safe end.
    position = int(np.flatnonzero(found.path.w == found.w)[0])
    before = np.where(psi_hat > found.path.w[position - 1], seconds[:, 1], seconds[:, 0]) > 2.0
    assert binom.cdf(slow.sum(), 800, 0.05) <= 0.05 < binom.cdf(before.sum(), 800, 0.05)
    assert "more than 2 s" in found.summary()


def test_quality_cost_and_latency_are_certified_together():
    psi_hat, gold = queries(4000)
    costs = np.tile([0.1, 1.0], (4000, 1))
    together = [max_cost(0.5), min_gain(0.2), max_slow_share(0.12, seconds=2.0)]
    found = certify_predictions(
        psi_hat, gold, together, costs=costs, latencies=latencies(4000), delta=0.05
    )
    assert str(found.verdict) == "PASS"
    assert [one.name for one in found.estimates if one.is_demanded] == [c.name for c in together]
    for one in found.estimates[:3]:
        assert one.value < one.limit if not one.at_least else one.value > one.limit


@dataclass(frozen=True)
class MaxComplaints(Constraint):
    """Complaints per query, measured for the answers of both models."""

    rate: tuple[float, float]

    name, description = "max_complaints", "complaints per query"
    is_budget = False

    def outcome(self, queries):
        complaints = np.random.default_rng(2).poisson(self.rate, (1000, 2))[queries.index]
        return Outcome(*complaints.T)


def test_a_constraint_of_ones_own_is_certified_like_any_other():
    psi_hat, gold = queries()
    own = MaxComplaints(0.4, (0.5, 0.1))
    complaints = np.random.default_rng(2).poisson((0.5, 0.1), (1000, 2))
    found = certify_predictions(psi_hat, gold, [own, max_share(0.8)])
    sent = psi_hat > found.w
    seen = found.estimate("max_complaints")
    assert seen.value == pytest.approx(np.where(sent, complaints[:, 1], complaints[:, 0]).mean())
    assert seen.lower < seen.value < 0.4
    split = certify_predictions(psi_hat, gold, [own, max_share(0.8)], search="split")
    assert split.n == 667


def test_an_outcome_of_the_wrong_shape_is_refused():
    @dataclass(frozen=True)
    class Broken(Constraint):
        name, description = "broken", "nothing"

        def outcome(self, queries):
            return Outcome(np.zeros(3), np.ones(3))

    with pytest.raises(DataError, match="outcome of broken has shape"):
        certify_predictions(*queries(), Broken(0.5))
    with pytest.raises(NotImplementedError, match="has no outcome"):
        certify_predictions(*queries(), Constraint(0.5))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: max_share(1.5), "from 0 to 1"),
        (lambda: max_slow_share(0.1, seconds=0.0), "above 0"),
        (lambda: max_slow_share(-0.1, seconds=1.0), "from 0 to 1"),
        (lambda: min_saving(1.5), "at most 1"),
        (lambda: max_cost(-1.0), "at least 0"),
        (lambda: min_gain("much"), "finite number"),
    ],
)
def test_limits_out_of_range_are_refused_when_they_are_written(made, words):
    with pytest.raises(BudgetError, match=words):
        made()


def test_latencies_that_are_not_there_are_asked_for():
    with pytest.raises(DataError, match="latencies is missing"):
        certify_predictions(*queries(), max_slow_share(0.1, seconds=1.0))
    with pytest.raises(DataError, match="latencies has shape"):
        certify_predictions(*queries(), max_share(0.3), latencies=np.ones(1000))


def test_former_names_are_taken_for_one_release():
    found = certify_predictions(*queries(), max_share=0.4)
    assert isinstance(found.promise("max_share"), Promise)
    assert found.promises == found.estimates
    kept = found.estimate("max_share")
    assert (kept.words, kept.demand) == (kept.description, kept.limit_text)
    assert max_share(0.4).words == max_share.description


def test_a_constraint_that_was_described_by_its_former_name_is_still_described():
    class Former(MaxComplaints):
        words = "complaints, as they were called"

    found = certify_predictions(*queries(), Former(0.4, (0.5, 0.1)))
    assert found.to_frame()["quantity"][0] == "complaints, as they were called"
    assert MaxComplaints.description == "complaints per query"


def test_counts_have_an_exact_test_without_bounds_of_their_own():
    @dataclass(frozen=True)
    class MaxErrors(Constraint):
        name, description, is_count = "max_errors", "share of errors", True

        def outcome(self, queries):
            return Outcome(np.zeros(1000), np.ones(1000))

    psi_hat, _ = queries()
    own, share = (certify_predictions(psi_hat, None, kind(0.3)) for kind in (MaxErrors, max_share))
    assert (own.guarantee, own.w) == ("finite samples", share.w)


@pytest.mark.parametrize("kind", LIMITS)
def test_bounds_are_the_least_and_the_largest_that_a_query_can_add(kind):
    gains, costs = np.linspace(-0.5, 2.0, 144), np.linspace(0.25, 3.0, 12)
    pairs = np.stack(np.meshgrid(costs, costs), axis=-1).reshape(-1, 2)
    bounds = {"gain_bounds": (-0.5, 2.0), "cost_bounds": (0.25, 3.0)}
    given = certifying_queries(gains, gains, costs=pairs, **bounds)
    constraint = constrained_mean(kind(LIMITS[kind]), given)
    excess = [constraint.sign * constraint.excess(sent) for sent in (0.0, 1.0)]
    assert constraint.bounds == pytest.approx((np.min(excess), np.max(excess)))


def test_measured_latencies_of_a_published_table_are_kept_on_the_other_half():
    folder = data_home() / "cascades_9model"
    if not (folder / "data.parquet").exists():
        pytest.skip("the cascades_9model table is not in the data home")
    table = pd.read_parquet(folder / "data.parquet")
    X = pd.read_parquet(folder / "embeddings.parquet").drop(columns="id").to_numpy(np.float64)
    cheap, dear = "llama3.2-3b", "llama3.1-405b"
    gain = (table[f"score__{dear}"] - table[f"score__{cheap}"]).to_numpy(float)
    costs = 1000 * table[[f"cost__{cheap}", f"cost__{dear}"]].to_numpy(float)
    seconds = table[[f"latency__{cheap}", f"latency__{dear}"]].to_numpy(float)
    part = np.random.default_rng(0).integers(3, size=len(table))
    train, tune, new = part == 0, part == 1, part == 2
    router = ThresholdRouter(Ridge(1.0).fit(X[train], gain[train]), GivenCost())

    def given(rows):
        return {"cost_alternative": costs[rows, 0], "cost_primary": costs[rows, 1]}

    constraints = [max_cost(0.35), min_gain(0.12), max_slow_share(0.12, seconds=1.0)]
    found = certify_threshold(
        router, X[tune], gain[tune], constraints, latencies=seconds[tune], **given(tune)
    )
    assert str(found.verdict) == "PASS"
    sent = found.apply(router).predict(X[new], **given(new)) == "primary"
    paid, took = (np.where(sent, pair[new, 1], pair[new, 0]) for pair in (costs, seconds))
    assert paid.mean() <= 0.35
    assert np.mean(sent * gain[new]) >= 0.12
    assert np.mean(took > 1.0) <= 0.12


def test_a_router_takes_objects_and_settings_beside_cost_inputs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 1))
    router = ThresholdRouter(LinearRegression().fit(X, X[:, 0]), GivenCost())
    inputs = {"cost_primary": rng.uniform(1, 3, 2000), "cost_alternative": np.zeros(2000)}
    found = certify_threshold(router, X, None, max_cost(1.0), delta=0.05, prefer="cost", **inputs)
    assert found.delta == 0.05
    assert found.w == found.certified_high
