from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles import inference_tests as naive
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from metarouter import AdaptiveMetaRouter, GainScaler, MetaRouter
from metarouter.datasets import LabelledQueries, make_healthbench_like, make_judged_queries
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import DECISION_THRESHOLDS, MINIMUM_SAMPLE_SIZES, Verdict
from metarouter.inference.bias._mean_shift import mean_shift, mean_shift_test
from metarouter.inference.labels import (
    doubly_robust_mean,
    fitted_nuisances,
    orthogonal_scores,
    paired_mean,
    scaled_labels,
)
from metarouter.inference.labels._shift_estimates import augmented, difference_of_means
from metarouter.nuisance import ALL_NUISANCES


def test_paired_test_with_a_given_factor_is_the_t_test_of_the_paper(make):
    data = make.labelled(both=True, unit=3.0)
    test = mean_shift_test(data, scaling=1 / 3)
    theirs = ttest_1samp(data.gold / 3 - data.preference, 0)
    assert test.statistic == pytest.approx(theirs.statistic)
    assert test.p_value == pytest.approx(theirs.pvalue)
    assert (test.method, test.covariance, test.df) == ("paired", "t", 599)


def test_the_published_facts_of_figure_s2_are_found():
    # Meta-Router, section 4.1: mean of r - y around -0.47, two-sided p below 2.2e-16.
    test = mean_shift_test(make_healthbench_like(n_features=64, random_state=0))
    assert test.value == pytest.approx(-0.47, abs=0.03)
    assert test.p_value < 2.2e-16
    assert str(test.verdict) == "FAIL"


@pytest.mark.parametrize("weighted", [False, True])
def test_influence_of_a_paired_mean_are_its_derivatives(make, weighted):
    weight = np.random.default_rng(1).uniform(0.5, 2, 40) if weighted else None
    data = make.labelled(40, both=True, unit=2.0, weight=weight)
    estimate = paired_mean(scaled_labels(data))

    def value(w):
        return naive.paired_shift(data.gold, data.preference, w)

    weight = np.ones(40) if weight is None else weight
    assert estimate.value == pytest.approx(value(weight))
    derivatives = naive.influence_by_moving_weights(value, weight)
    np.testing.assert_allclose(estimate.influence, derivatives, atol=1e-8)


def test_influence_of_a_difference_of_means_are_its_derivatives(make):
    data = make.labelled(60, unit=2.0)
    labels = scaled_labels(data)
    estimate = difference_of_means(labels)

    def value(w):
        return naive.difference_of_means(labels.rows.y, labels.is_gold, w)

    derivatives = naive.influence_by_moving_weights(value, np.ones(60))
    assert estimate.value == pytest.approx(value(np.ones(60)))
    np.testing.assert_allclose(estimate.influence, derivatives, atol=1e-8)


def test_influence_of_the_doubly_robust_mean_are_its_derivatives(make):
    data = make.labelled(80, unit=2.0)
    labels = scaled_labels(data)
    fitted = fitted_nuisances(labels, make.recipe(), ALL_NUISANCES, 0)
    estimate = doubly_robust_mean(labels, fitted)

    def value(w):
        return naive.doubly_robust_shift(
            labels.rows.y,
            labels.is_gold,
            w,
            fitted.propensity_,
            fitted.gold_outcome_ / labels.factor,
            fitted.preference_outcome_,
        )

    derivatives = naive.influence_by_moving_weights(value, np.ones(80))
    assert estimate.value == pytest.approx(value(np.ones(80)))
    np.testing.assert_allclose(estimate.influence, derivatives, atol=1e-8)


def test_a_given_factor_leaves_its_own_error_out(make):
    data = make.labelled(both=True, unit=2.0)
    estimated = mean_shift_test(data)
    given = mean_shift_test(data, scaling=estimated.factor)
    assert given.value == pytest.approx(estimated.value)
    assert given.se != pytest.approx(estimated.se, rel=1e-3)
    assert "held fixed" in given.factor_is
    assert "estimated" in estimated.factor_is


def test_a_fitted_scaler_of_these_labels_counts_as_estimated(make):
    data = make.labelled()
    rows = data.training_rows()
    scaler = GainScaler().fit(rows.y, rows.is_gold)
    own = mean_shift_test(data, method="difference")
    assert mean_shift_test(data, method="difference", scaling=scaler).se == pytest.approx(own.se)
    scaler.factor_ = 2.0
    assert "held fixed" in mean_shift_test(data, method="difference", scaling=scaler).factor_is


@pytest.mark.parametrize("learner", ["DRLearner", "RLearner", "ConstantShift"])
def test_values_are_those_that_the_report_prints_today(make, learner):
    import metarouter

    kind = getattr(metarouter, learner)
    settings = {} if learner == "ConstantShift" else {"nuisances": make.recipe()}
    rows = make.labelled().training_rows()
    line = make.router().regressor
    model = MetaRouter(kind(**settings), line, random_state=0)
    model.fit(rows.X, rows.y, is_gold=rows.is_gold)
    method = {"DRLearner": "aipw", "RLearner": "overlap", "ConstantShift": "difference"}[learner]
    test = mean_shift_test(
        rows,
        method=method,
        nuisances=getattr(model.shift_, "nuisances_", None),
        scaling=model.scaler_,
    )
    assert test.value == pytest.approx(mean_shift(model, rows).value, rel=1e-10)


def test_selection_is_corrected_by_the_doubly_robust_mean_and_not_by_the_difference(make):
    data = make.labelled(4000, tilt=1.0)
    test = mean_shift_test(data, nuisances=make.recipe(), scaling=None, random_state=0)
    assert test.method == "aipw"
    assert test.lower < -0.5 < test.upper
    naive_test = mean_shift_test(data, method="difference", scaling=None)
    assert not naive_test.lower < -0.5 < naive_test.upper


def test_labels_of_one_group_count_as_one_observation(make):
    base = make.labelled(200, both=True, slope=0)
    copies = np.repeat(np.arange(200), 5)
    repeated = LabelledQueries(
        X=base.X[copies], gold=base.gold[copies], preference=base.preference[copies], groups=copies
    )
    once, many = mean_shift_test(base), mean_shift_test(repeated)
    assert many.covariance == "cluster"
    assert many.n_units == 200
    assert many.se == pytest.approx(once.se, rel=0.01)
    assert mean_shift_test(repeated, covariance="t").se < 0.5 * once.se


def test_a_scarce_partner_leaves_the_doubly_robust_mean_as_default():
    few = make_judged_queries(400, 6, gold_share=0.5, pairing=0.2, random_state=0)
    many = make_judged_queries(400, 6, gold_share=0.5, pairing=0.9, random_state=0)
    assert mean_shift_test(many).method == "paired"
    chosen = mean_shift_test(few, nuisances=None, random_state=0)
    assert chosen.method == "aipw"
    assert chosen.covariance == "cluster"


def test_alternatives_add_up_but_for_what_skewness_lets_out(make):
    data = make.labelled(both=True)
    tests = {
        side: mean_shift_test(data, null=-0.45, alternative=side)
        for side in ("two-sided", "less", "greater")
    }
    assert 1 <= tests["less"].p_value + tests["greater"].p_value < 1.001
    smaller = min(tests["less"].p_value, tests["greater"].p_value)
    assert tests["two-sided"].p_value == pytest.approx(2 * smaller)


def rare_and_large(n, rare, seed=0):
    rng = np.random.default_rng(seed)
    gain = 0.5 * rng.standard_normal(n)
    gain[:rare] += 10.0
    preference = rng.standard_normal(n)
    return LabelledQueries(rng.standard_normal((n, 1)), gain + preference, preference)


def test_a_few_rare_and_large_labels_leave_the_verdict_open():
    test = mean_shift_test(rare_and_large(100, 2), method="paired", scaling=1.0)
    assert test.skewness > 0.4
    assert str(test.verdict) == "INCONCLUSIVE"
    assert test.needed > 100
    assert "rare and large" in test.reason
    assert np.isfinite([test.lower, test.upper]).all()


def test_the_interval_is_let_out_on_the_side_of_the_tail_alone():
    test = mean_shift_test(rare_and_large(300, 9), method="paired", scaling=1.0)
    margin = student.ppf(0.975, test.df) * test.se
    assert test.value - test.lower == pytest.approx(margin)
    assert test.upper - test.value > 1.2 * margin


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_the_p_value_is_that_of_the_interval(alternative):
    data = rare_and_large(300, 9)
    level = 0.95 if alternative == "two-sided" else 0.9
    first = mean_shift_test(data, method="paired", scaling=1.0, level=level)
    end = first.lower if alternative == "greater" else first.upper
    test = mean_shift_test(data, method="paired", scaling=1.0, null=end, alternative=alternative)
    assert test.p_value == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("mean", "n", "verdict"),
    [(-0.6, 600, "FAIL"), (0.0, 4000, "PASS"), (0.0, 60, "INCONCLUSIVE"), (-0.2, 800, "CAUTION")],
)
def test_verdicts_weigh_the_interval_against_the_limit(make, mean, n, verdict):
    test = mean_shift_test(make.labelled(n, both=True, mean=mean, slope=0), scaling=None)
    assert str(test.verdict) == verdict
    assert (test.needed is None) == (verdict != "INCONCLUSIVE")


def test_an_open_verdict_says_how_many_labels_would_do(make):
    test = mean_shift_test(make.labelled(60, both=True, mean=0.0, slope=0), scaling=None)
    half = (test.upper - test.lower) / 2
    # Settled as soon as the interval leaves zero, or stays within the limit.
    limit = DECISION_THRESHOLDS["mean_shift"].passes * test.unit
    wanted = max(abs(test.value), limit - abs(test.value))
    assert test.needed == pytest.approx(60 * (half / wanted) ** 2, abs=1)
    assert f"about {test.needed} queries" in test.reason
    assert str(test.needed) in test.summary()


def test_too_few_labels_give_no_number_but_the_number_that_would_do(make):
    few = make.labelled(40, tilt=0.0)
    test = mean_shift_test(few)
    assert few.n_gold < MINIMUM_SAMPLE_SIZES["gold_rows"].count
    assert str(test.verdict) == "INCONCLUSIVE"
    assert test.needed == MINIMUM_SAMPLE_SIZES["gold_rows"].count
    assert np.isnan([test.value, test.se, test.lower, test.upper, test.p_value]).all()
    assert f"{few.n_gold} gold labels are too few" in test.summary()


def test_one_gold_label_is_too_few_and_not_an_error():
    data = LabelledQueries(
        X=np.zeros((50, 1)),
        gold=np.where(np.arange(50) == 0, 1.0, np.nan),
        preference=np.random.default_rng(0).standard_normal(50),
    )
    assert str(mean_shift_test(data).verdict) == "INCONCLUSIVE"


def test_few_groups_are_too_few(make):
    data = make.labelled(300, both=True, groups=np.arange(300) % 6)
    test = mean_shift_test(data)
    assert str(test.verdict) == "INCONCLUSIVE"
    assert "6 independent groups" in test.reason


def test_trimmed_rows_are_left_out_of_the_mean(make):
    from metarouter import PropensityPolicy

    data = make.labelled(800, tilt=2.0)
    labels = scaled_labels(data, None)
    with pytest.warns(UserWarning, match="trimmed"):
        fitted = fitted_nuisances(
            labels, make.recipe(policy=PropensityPolicy(trim=0.2)), ALL_NUISANCES, 0
        )
    inside = fitted.overlap_.in_overlap
    test = mean_shift_test(data, nuisances=fitted, scaling=None)
    scores = orthogonal_scores(labels, augmented(labels, fitted))
    assert test.value == pytest.approx(scores.shift[inside].mean())
    assert test.values.size == inside.sum() < inside.size


def test_fitted_nuisances_of_other_labels_are_refused(make):
    fitted = fitted_nuisances(scaled_labels(make.labelled(seed=1)), make.recipe(), ALL_NUISANCES, 0)
    with pytest.raises(MetaRouterError, match="fitted on other data"):
        mean_shift_test(make.labelled(), nuisances=fitted)


def test_choices_that_mean_nothing_are_refused(make):
    data = make.labelled()
    with pytest.raises(MetaRouterError, match="method is 'ols'; give 'aipw'"):
        mean_shift_test(data, method="ols")
    with pytest.raises(MetaRouterError, match="give LabelledQueries"):
        mean_shift_test([[1.0]])
    with pytest.raises(MetaRouterError, match="is no factor"):
        mean_shift_test(data, method="difference", scaling=-1.0)
    with pytest.raises(MetaRouterError, match="level is 95"):
        mean_shift_test(data, level=95)


def test_two_labels_of_one_source_and_query_are_no_pair(make):
    from dataclasses import replace

    rows = make.labelled(both=True).training_rows()
    doubled = replace(rows, query=rows.query // 2)
    with pytest.raises(DataError, match="several labels of one source"):
        mean_shift_test(doubled, method="paired")


def test_the_histogram_shows_the_mean_and_its_interval(make):
    ax = mean_shift_test(make.labelled(both=True)).plot()
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words[0].startswith("mean -0.5")
    assert "95% interval" in words[0]
    assert sum(patch.get_height() for patch in ax.patches[:-1]) == 600


def test_a_slope_has_no_histogram(make):
    test = mean_shift_test(make.labelled(), method="difference")
    with pytest.raises(MetaRouterError, match="averages nothing that could be drawn"):
        test.plot()


def test_the_same_seed_gives_the_same_test(make):
    data = make.labelled(300)
    one, two = (mean_shift_test(data, nuisances=make.recipe(), random_state=3) for _ in range(2))
    assert one.value == two.value


def agreeing(rng, n, disagree):
    y = rng.integers(-1, 2, n).astype(float)
    gold = np.where(rng.random(n) < disagree, np.where(y > -1, y - 1, 1.0), y)
    return LabelledQueries(X=rng.standard_normal((n, 2)), gold=gold, preference=y)


def test_pairs_that_all_agree_prove_no_more_than_their_number_does():
    found = mean_shift_test(agreeing(np.random.default_rng(0), 30, 0.0))
    # Rule of three: up to 1 - 0.025^(1/30) of the queries may differ, by at most 2.
    assert found.upper == pytest.approx((1 - 0.025 ** (1 / 30)) * 2)
    assert found.lower == pytest.approx(-found.upper)
    assert found.p_value == 1.0
    assert str(found.verdict) == "INCONCLUSIVE"


def test_pairs_that_happen_to_agree_are_no_proof_of_a_small_shift():
    rng = np.random.default_rng(1)
    verdicts = [str(mean_shift_test(agreeing(rng, 30, 0.06)).verdict) for _ in range(100)]
    assert "PASS" not in verdicts


def test_many_pairs_that_agree_do_pass():
    assert str(mean_shift_test(agreeing(np.random.default_rng(0), 300, 0.0)).verdict) == "PASS"


def test_equal_preference_labels_have_no_spread_to_measure_a_shift_in() -> None:
    data = make_judged_queries(400, gold_share=0.3, random_state=0)
    preference = np.where(np.isnan(data.preference), np.nan, 1.0)
    test = mean_shift_test(replace(data, preference=preference), scaling=None)
    assert test.verdict is Verdict.INCONCLUSIVE
    assert "all equal" in test.reason


def test_a_router_that_weighs_the_judge_itself_has_no_mean_shift():
    queries = make_judged_queries(200, gold_share=0.5, random_state=0)
    rows = queries.training_rows()
    model = AdaptiveMetaRouter(random_state=0).fit(rows.X, rows.y, is_gold=rows.is_gold)
    assert mean_shift(model, rows) is None


def test_a_figure_of_too_few_labels_says_that_they_are_too_few(make):
    with pytest.raises(MetaRouterError, match=r"nothing to draw: .* too few to judge"):
        mean_shift_test(make.labelled(12), method="aipw").plot()
