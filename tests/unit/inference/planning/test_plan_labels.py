from __future__ import annotations

import numpy as np
import pytest
from oracles.planning import best_numbers, cost_optimal_share
from scipy import stats
from sklearn.linear_model import LinearRegression

from metarouter.datasets import LabelledQueries
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import (
    doubly_robust_gains,
    mean_shift_test,
    plan_labels,
    rank_weighted_effects,
)
from metarouter.inference.planning._pilot import (
    NOTHING,
    LabelVariance,
    Part,
    part_of,
    unlearned_square,
)
from metarouter.inference.planning._plan import Prices, best_share, labels_for
from metarouter.nuisance import Nuisances

RECIPE = Nuisances(outcome=LinearRegression(), propensity="constant", random_state=0)


def nested_pilot(n=1000, gold_share=0.2, seed=0, groups=None):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    psi = 0.5 + X[:, 0]
    vote = psi + rng.normal(size=n)
    gold = np.where(rng.random(n) < gold_share, psi + rng.normal(size=n), np.nan)
    return LabelledQueries(X, gold, vote, groups=groups)


def parts(a, b, c, *, nested):
    made = [Part(value, value / 10, 100) if value else NOTHING for value in (a, b, c)]
    return LabelVariance(*made, nested)


@pytest.mark.parametrize(
    ("a", "b", "c", "nested"),
    [(2, 1, 0, False), (2, 1, 0.5, False), (2, 0, 0.5, False), (1, 0, 1, True), (0.1, 0, 1, True)],
)
def test_the_split_is_the_best_of_all(a, b, c, nested):
    prices, money = Prices(1.0, 0.05), 2000.0
    share = best_share(parts(a, b, c, nested=nested), prices)
    ours = parts(a, b, c, nested=nested).at(*labels_for(money, share, prices))
    *_, best = best_numbers(a, b, c, prices, money, nested=nested)
    assert ours <= best * (1 + 1e-4)


def test_the_split_of_judge_and_gold_is_that_of_the_cost_optimal_policy():
    residual, total, prices = 0.6, 1.5, Prices(1.0, 0.02)
    variance = parts(residual, 0, total - residual, nested=True)
    labels = labels_for(1000.0, best_share(variance, prices), prices)
    share = cost_optimal_share(residual, total, prices.gold, prices.preference)
    assert labels.n_gold / labels.n_preference == pytest.approx(share)


def test_a_worthless_judge_is_asked_no_more_often_than_needed():
    variance = parts(1.0, 0, 1e-9, nested=True)
    labels = labels_for(1000.0, best_share(variance, Prices(1.0, 0.5)), Prices(1.0, 0.5))
    assert labels.n_gold == pytest.approx(labels.n_preference)


def test_the_parts_make_up_the_error_of_the_pilot_itself(make):
    data = make.labelled(2000)
    recipe = make.recipe()
    plan = plan_labels(data, money=500, nuisances=recipe, scaling=None, random_state=0)
    test = mean_shift_test(data, method="aipw", nuisances=recipe, scaling=None, random_state=0)
    own = plan.variance.at(test.n_gold, test.n_preference)
    assert own == pytest.approx(test.se**2, rel=0.02)
    from metarouter.inference.labels import doubly_robust_mean, fitted_nuisances, scaled_labels
    from metarouter.nuisance import ALL_NUISANCES

    labels = scaled_labels(data, None)
    fitted = fitted_nuisances(labels, recipe, ALL_NUISANCES, 0)
    # The plan's own estimate is of the same scores before the shrinkage is taken out.
    assert plan.pilot_value == pytest.approx(doubly_robust_mean(labels, fitted).value)


def test_an_estimated_factor_between_the_scales_is_part_of_the_plan(make):
    data = make.labelled(2000, unit=2.0)
    recipe = make.recipe()
    plan = plan_labels(data, money=500, nuisances=recipe, random_state=0)
    test = mean_shift_test(data, method="aipw", nuisances=recipe, random_state=0)
    own = plan.variance.at(test.n_gold, test.n_preference)
    assert own == pytest.approx(test.se**2, rel=0.1)


def test_pairs_are_planned_as_pairs(make):
    data = make.labelled(300, both=True)
    plan = plan_labels(data, half_width=0.1, scaling=None, preference_price=0.5)
    test = mean_shift_test(data, scaling=None)
    assert plan.design == "nested"
    assert plan.n_gold == plan.n_preference
    assert plan.n_gold == pytest.approx(300 * test.se**2 * (1.96 / 0.1) ** 2, rel=0.03)


@pytest.mark.parametrize("quantity", ["mean_gain", "area"])
def test_the_parts_of_a_gain_are_those_of_its_scores(quantity):
    data = nested_pilot(4000)
    X = np.column_stack([data.X, data.preference])
    gains = doubly_robust_gains(
        LabelledQueries(X, data.gold, data.preference), RECIPE, propensity=0.2, random_state=0
    )
    psi_hat = data.X[:, 0] if quantity == "area" else None
    given = {"quantity": quantity, "psi_hat": psi_hat, "money": 500}
    plan = plan_labels(gains, **given)
    se = gains.mean_se if quantity == "mean_gain" else rank_weighted_effects(gains, psi_hat).se[0]
    assert plan.variance.at(gains.n_gold, 4000) == pytest.approx(se**2, rel=0.05)
    again = plan_labels(data, nuisances=RECIPE, propensity=0.2, random_state=0, **given)
    assert again.variance.at(gains.n_gold, 4000) == pytest.approx(
        plan.variance.at(gains.n_gold, 4000)
    )


def test_a_pilot_with_gold_everywhere_knows_what_fewer_gold_labels_would_give():
    data = nested_pilot(3000, gold_share=1.0)
    plan = plan_labels(data, quantity="mean_gain", money=500, nuisances=RECIPE, random_state=0)
    # Given feature and vote a label keeps its own noise of variance 1; all of it has variance 2.
    assert plan.variance.gold.value == pytest.approx(1.0, abs=0.1)
    assert plan.variance.query.value == pytest.approx(1.0, abs=0.15)


def test_the_cheapest_plan_for_a_width_has_that_width():
    plan = plan_labels(
        nested_pilot(), quantity="mean_gain", half_width=0.08, nuisances=RECIPE, propensity=0.2
    )
    assert 0.0795 < plan.half_width <= 0.08
    fewer = plan.at(int(plan.n_gold * 0.95), plan.n_preference)
    assert fewer.half_width > 0.08
    richer = plan_labels(
        nested_pilot(), quantity="mean_gain", money=plan.cost, nuisances=RECIPE, propensity=0.2
    )
    assert richer.half_width == pytest.approx(plan.half_width, rel=0.01)


def test_the_cheapest_plan_for_a_difference_has_that_power():
    plan = plan_labels(
        nested_pilot(), quantity="mean_gain", difference=0.2, nuisances=RECIPE, propensity=0.2
    )
    assert 0.8 <= plan.options[0].power < 0.81
    se = plan.variance.at(plan.n_gold, plan.n_preference) ** 0.5
    normal = stats.norm.cdf(0.2 / se - 1.96)
    assert plan.options[0].power == pytest.approx(normal, abs=0.01)


def test_no_split_of_the_same_money_is_narrower():
    plan = plan_labels(
        nested_pilot(), quantity="mean_gain", money=300, nuisances=RECIPE, propensity=0.2
    )
    assert all(option.cost <= 300 for option in plan.options)
    assert all(option.half_width > plan.half_width for option in plan.options[1:])


def test_the_interval_of_the_width_narrows_with_the_pilot():
    given = {"quantity": "mean_gain", "money": 300, "nuisances": RECIPE, "propensity": 0.2}
    small, large = (plan_labels(nested_pilot(n), **given).options[0] for n in (500, 8000))
    # What is left is that of the planned labels, which are fewer than those of the large pilot.
    assert small.upper / small.lower > 1.05 * large.upper / large.lower
    assert small.lower < small.half_width < small.upper


def test_groups_widen_a_plan():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(200), 5)
    shared = rng.normal(size=200)[groups]
    data = LabelledQueries(
        rng.normal(size=(1000, 1)), shared + rng.normal(size=1000), np.zeros(1000), groups=groups
    )
    single = LabelledQueries(data.X, data.gold, data.preference)
    widths = [
        plan_labels(each, money=400, scaling=None, preference_price=0.1).half_width
        for each in (data, single)
    ]
    # Five labels that share half of their variance: 1 + 4 / 2 times the variance.
    assert (widths[0] / widths[1]) ** 2 == pytest.approx(3.0, rel=0.2)


def test_too_small_a_pilot_is_inconclusive(make):
    few = plan_labels(nested_pilot(60), quantity="mean_gain", money=300)
    assert str(few.verdict) == "INCONCLUSIVE"
    assert few.needed == 30
    assert np.isnan(few.half_width)
    assert "30 would do" in few.summary()
    assert str(plan_labels(make.labelled(60), half_width=0.1).verdict) == "INCONCLUSIVE"


@pytest.mark.parametrize("quantity", ["mean_shift", "mean_gain", "area"])
def test_a_pilot_whose_labels_do_not_vary_is_inconclusive(quantity):
    X = np.random.default_rng(0).normal(size=(60, 2))
    pilot = LabelledQueries(X, np.ones(60), np.zeros(60))
    more = {"psi_hat": X[:, 0]} if quantity == "area" else {}
    plan = plan_labels(
        pilot, quantity=quantity, half_width=0.1, nuisances=RECIPE, scaling=None, **more
    )
    assert (str(plan.verdict), plan.n_gold) == ("INCONCLUSIVE", 0)
    assert "do not vary" in plan.reason
    assert plan.summary()


def test_too_little_money_is_inconclusive_and_enough_is_named():
    plan = plan_labels(
        nested_pilot(), quantity="mean_gain", money=10, nuisances=RECIPE, propensity=0.2
    )
    assert str(plan.verdict) == "INCONCLUSIVE"
    assert "30.3 would do" in plan.reason


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "0 aims"),
        ({"money": 1, "half_width": 1}, "2 aims"),
        ({"money": -1}, "money is -1"),
        ({"money": 100, "gold_price": 0}, "gold_price is 0"),
        ({"money": 100, "power": 1.0}, "power is 1.0"),
        ({"money": 100, "quantity": "luck"}, "quantity is 'luck'; give 'area'"),
        ({"money": 100, "quantity": "area"}, "psi_hat belongs"),
        ({"money": 100, "design": "both"}, "design is 'both'; give 'auto'"),
        ({"money": 100, "level": 1.0}, "level"),
    ],
)
def test_what_means_nothing_is_refused(given, words):
    with pytest.raises(MetaRouterError, match=words):
        plan_labels(nested_pilot(), **given)


def test_a_nested_plan_needs_votes_everywhere(make):
    with pytest.raises(DataError, match="have none"):
        plan_labels(make.labelled(300), quantity="mean_gain", money=100, design="nested")


def test_it_prints_and_plots():
    plan = plan_labels(
        nested_pilot(), quantity="mean_gain", money=300, nuisances=RECIPE, propensity=0.2
    )
    assert "cost-optimal" in plan.to_markdown()
    assert plan.plot().get_xlabel().startswith("money")
    assert len(plan.to_frame()) == 3


def test_what_is_not_learned_yet_is_what_more_labels_would_take_off_the_residual():
    rng, found, true = np.random.default_rng(0), [], []
    for seed in range(40):
        X, noise = rng.normal(size=(500, 5)), rng.normal(size=500)
        is_gold = np.arange(500) < 100
        y = X[:, 0] + noise
        found.append(unlearned_square(RECIPE, X, y, is_gold, np.ones(500), None, seed))
        line = LinearRegression().fit(X[:80], y[:80])  # as in five folds
        true.append(np.mean((line.predict(X[is_gold < 1]) - X[is_gold < 1, 0]) ** 2))
    assert np.mean(found) == pytest.approx(np.mean(true), rel=0.25)


def test_nothing_is_said_to_be_unlearned_where_that_cannot_be_told():
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.ones(60)
    everywhere, half = np.ones(60, bool), np.arange(60) < 30
    pooled = Nuisances(outcome=LinearRegression(), pooled_outcome=True)
    assert unlearned_square(RECIPE, X, y, everywhere, np.ones(60), None, 0) == 0.0
    assert unlearned_square(pooled, X, y, half, np.ones(60), None, 0) == 0.0
    twice = np.arange(60) % 30  # a query's two labels are no two queries
    assert unlearned_square(RECIPE, X, y, half, np.ones(60), twice, 0) == 0.0


def test_the_interval_of_the_width_reaches_to_what_better_predictions_would_give():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(600, 8))
    gold = np.where(np.arange(600) < 40, X[:, 0] + rng.normal(size=600), np.nan)
    pilot = LabelledQueries(X, gold, np.where(np.isnan(gold), X[:, 1], np.nan))
    plan = plan_labels(pilot, quantity="mean_gain", half_width=0.1, nuisances=RECIPE)
    best = plan.options[0]
    assert best.half_width / best.lower > 1.1 * best.upper / best.half_width


def test_tails_are_not_taken_to_be_lighter_than_normal_where_slopes_differ():
    signs = np.tile([1.0, -1.0], 50)
    assert part_of(signs / 100, None, 100).se == pytest.approx(2**0.5 / 10, rel=0.02)
    slope = np.repeat([0.5, 1.5], 50)
    fourth, second = (0.5**4 + 1.5**4) / 2, (0.5**2 + 1.5**2) / 2
    expected = np.sqrt(3 * fourth - second**2) / 10
    assert part_of(slope * signs / 100, None, 100, slope).se == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("quantity", ["mean_gain", "area"])
def test_no_plan_asks_for_fewer_preference_labels_than_its_analysis_needs(quantity):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 2))
    gold = np.where(np.arange(300) < 60, 0.01 * X[:, 0] + rng.normal(size=300), np.nan)
    pilot = LabelledQueries(X, gold, np.where(np.isnan(gold), 1.0 + X[:, 1], np.nan))
    psi_hat = X[:, 0] if quantity == "area" else None
    plan = plan_labels(
        pilot, quantity=quantity, psi_hat=psi_hat, money=200, preference_price=0.5, nuisances=RECIPE
    )
    assert min(option.n_preference for option in plan.options) >= 30
    assert all(option.cost <= 200 for option in plan.options)
