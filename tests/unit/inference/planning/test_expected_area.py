from __future__ import annotations

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from metarouter import ConstantShift, MetaRouter
from metarouter.datasets import LabelledQueries, make_judged_queries
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import expected_area
from metarouter.inference.planning._expected_area import fit_learning_curve
from metarouter.inference.planning._plan import Labels


def router():
    return MetaRouter(ConstantShift(), LinearRegression(), scaling=None)


def pilot(n=600, gold_share=0.25, **given):
    return make_judged_queries(n, 6, gold_share=gold_share, random_state=0, **given)


def cells():
    gold, preference = np.meshgrid([25.0, 50.0, 100.0, 200.0], [200.0, 800.0], indexing="ij")
    return Labels(gold.ravel(), preference.ravel())


def law(cells, exponent=0.5):
    return 0.3 - 0.5 * cells.n_gold**-exponent - 0.8 * cells.n_preference**-exponent


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_a_law_without_noise_is_found_and_continued(exponent):
    rng = np.random.default_rng(0)
    areas = law(cells(), exponent) + 1e-6 * rng.normal(size=(20, 8))
    curve = fit_learning_curve(areas, cells(), 0.3)
    assert curve.exponent[np.argmax(curve.weight)] == exponent
    beyond = Labels(np.array([1000.0]), np.array([5000.0]))
    assert curve.area(beyond).value == pytest.approx(law(beyond, exponent), abs=1e-4)


def test_noise_that_all_sizes_share_leaves_the_increase_certain():
    rng = np.random.default_rng(0)
    areas = law(cells()) + 0.1 * rng.normal(size=(20, 1)) + 1e-6 * rng.normal(size=(20, 8))
    curve = fit_learning_curve(areas, cells(), 0.3)
    beyond = Labels(np.array([1000.0]), np.array([5000.0]))
    assert curve.area(beyond).se > 0.03
    more = curve.increase(beyond)
    assert more.se < 0.001
    assert more.value == pytest.approx(law(beyond) - law(curve.largest), abs=1e-3)


def test_the_increase_is_known_about_as_well_as_it_is_said_to_be():
    """Areas lose the square of a mean of the training labels, and gain what tests make of it."""
    rng, sizes = np.random.default_rng(0), np.array([38.0, 60.0, 95.0, 150.0])
    of, beyond = Labels(sizes, np.zeros(4)), Labels(np.array([450.0]), np.zeros(1))

    def areas_of_one_round(labels):
        order = rng.permutation(200)
        test, train = labels[order[:50]], labels[order[50:]]
        fitted = np.array([train[: int(size)].mean(axis=0) for size in sizes])
        return 2 * test[:, 0].mean() + test.mean(axis=0) @ fitted.T - (fitted**2).sum(axis=1)

    increase, variance = [], []
    for _ in range(150):
        labels = rng.normal(size=(200, 10))
        curve = fit_learning_curve(
            np.array([areas_of_one_round(labels) for _ in range(10)]), of, 1 / 3
        )
        sharp = curve._replace(weight=(curve.exponent == 1.0).astype(float))
        more = sharp.increase(beyond)
        increase.append(more.value[0])
        variance.append(more.se[0] ** 2)
    said, true = np.sqrt(np.mean(variance)), np.std(increase)
    assert true < said < 1.75 * true


def test_more_labels_are_said_to_do_no_harm_and_fewer_no_good():
    found = expected_area(
        pilot(), router(), n_gold=[20, 300], n_preference=[100, 5000], rounds=3, random_state=0
    )
    fewer, more = found.points
    assert fewer.increase_lower < fewer.increase <= fewer.increase_upper <= 0.0
    assert 0.0 <= more.increase_lower <= more.increase < more.increase_upper


def test_labels_that_do_harm_are_taken_to_do_nothing():
    rng = np.random.default_rng(0)
    areas = 0.2 - 0.01 * np.log(cells().n_gold) + 1e-3 * rng.normal(size=(20, 8))
    curve = fit_learning_curve(areas, cells(), 0.3)
    beyond = Labels(np.array([200.0, 1000.0]), np.array([800.0, 800.0]))
    value = curve.area(beyond).value
    assert value[0] == pytest.approx(value[1], abs=2e-3)


def test_a_forecast_says_area_increase_cost_and_how_far_it_reaches():
    found = expected_area(
        pilot(), router(), n_gold=[100, 300], n_preference=1000, rounds=4, random_state=0
    )
    first, second = found.points
    assert (first.n_gold, first.n_preference, first.cost) == (100, 1000, 110.0)
    assert first.area <= second.area
    assert second.lower < second.area < second.upper
    assert second.increase_upper - second.increase_lower < second.upper - second.lower
    assert str(found.verdict) == "PASS"
    assert "times as far" in found.summary()
    assert found.areas.shape == (4, 8)
    assert found.plot().get_xlabel() == "gold labels"


def test_a_forecast_is_seeded_whatever_the_number_of_workers():
    given = {"n_gold": 200, "rounds": 3, "random_state": 1}
    with joblib.parallel_config("threading"):
        first, second = (expected_area(pilot(), router(), n_jobs=jobs, **given) for jobs in (1, 2))
    assert first.points == second.points


def test_the_best_split_of_money_spends_no_more():
    found = expected_area(pilot(), router(), n_gold=200, rounds=4, random_state=0)
    best = found.best(300)
    assert best.cost <= 300
    even = found.curve.area(Labels(np.array([150.0]), np.array([15000.0]))).value[0]
    assert best.area >= even
    with pytest.raises(MetaRouterError, match="fewer than 20"):
        found.best(5)


def test_too_far_a_forecast_is_inconclusive():
    found = expected_area(pilot(), router(), n_gold=5000, rounds=3, random_state=0)
    assert str(found.verdict) == "INCONCLUSIVE"
    assert "too far" in found.reason


def test_too_small_a_pilot_is_inconclusive_and_says_what_would_do():
    found = expected_area(pilot(200), router(), n_gold=500)
    assert str(found.verdict) == "INCONCLUSIVE"
    assert found.needed == 100
    assert np.isnan(found.points[0].area)
    with pytest.raises(MetaRouterError, match="no learning curve"):
        found.best(1000)


def test_a_pilot_of_gold_labels_alone_has_a_curve_of_one_number():
    data = pilot(400, gold_share=1.0)
    only = LabelledQueries(data.X, data.gold, np.full(400, np.nan))
    gold_only = MetaRouter(regressor=LinearRegression(), sources="gold")
    found = expected_area(only, gold_only, n_gold=600, rounds=3)
    assert not found.curve.has_preference
    assert found.points[0].n_preference == 0


def test_groups_stay_on_one_side():
    data = pilot(600)
    grouped = LabelledQueries(data.X, data.gold, data.preference, groups=np.arange(600) // 3)
    found = expected_area(grouped, router(), n_gold=200, rounds=3, random_state=0)
    assert found.cells.n_gold[-1] == data.n_gold - max(25, data.n_gold // 4) - 2


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"n_gold": 0}, MetaRouterError, "n_gold is 0; give"),
        ({"n_gold": []}, MetaRouterError, "n_gold must hold"),
        ({"n_gold": ["a"]}, MetaRouterError, "n_gold holds values"),
        ({"n_gold": [1, 2], "n_preference": [1, 2, 3]}, MetaRouterError, "as many"),
        ({"n_gold": 100, "n_preference": np.nan}, MetaRouterError, "n_preference"),
        ({"n_gold": 100, "n_test": 1}, MetaRouterError, "n_test is 1"),
        ({"n_gold": 100, "rounds": 1}, MetaRouterError, "rounds is 1"),
        ({"n_gold": 100, "n_test": 140}, DataError, "n_test=140"),
        ({"n_gold": 100, "preference_price": -1}, MetaRouterError, "preference_price"),
    ],
)
def test_what_means_nothing_is_refused(given, error, words):
    with pytest.raises(error, match=words):
        expected_area(pilot(), router(), **given)


def test_areas_that_are_all_alike_have_a_forecast():
    cells = Labels(np.array([25.0, 50.0, 100.0]), np.zeros(3))
    curve = fit_learning_curve(np.full((3, 3), 0.25), cells, 0.1)
    np.testing.assert_allclose(curve.area(cells).value, 0.25)


def test_a_forecast_without_preference_labels_is_refused_where_the_pilot_has_some():
    data = make_judged_queries(200, gold_share=0.5, random_state=0)
    with pytest.raises(MetaRouterError, match="n_preference holds 0"):
        expected_area(data, n_gold=[50], n_preference=[0])
