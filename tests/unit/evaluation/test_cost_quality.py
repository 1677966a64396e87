from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from oracles.cost_quality import aiq_on_a_grid, best_mixture, jackknife_error, routerbench_aiq

from metarouter.evaluation import CostQualityDisplay, cost_quality_curve
from metarouter.exceptions import DataError, MetaRouterError

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def points(seed, m=9):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 4, size=m), rng.uniform(0.2, 0.9, size=m)


def outcomes(seed, n=60, m=4):
    """Queries answered at m settings of a dial that buys quality at falling returns."""
    rng = np.random.default_rng(seed)
    dial = np.linspace(0.2, 1, m)
    cost = dial**2 * rng.lognormal(0, 0.4, size=(n, m)) + 0.1
    return cost, dial**0.5 * 0.8 + 0.1 * rng.normal(size=(n, m))


@pytest.mark.parametrize("seed", range(5))
def test_hull_is_the_best_mixture_of_two_points_within_the_budget(seed):
    cost, quality = points(seed)
    curve = cost_quality_curve(cost, quality)
    for budget in np.linspace(cost.min(), 5, 23):
        assert curve.quality_at(budget) == pytest.approx(best_mixture(cost, quality, budget))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cost_range", [(0.2, 5.0), (1.0, 2.0), (3.5, 6.0)])
def test_aiq_is_the_mean_height_over_the_range(seed, cost_range):
    cost, quality = points(seed, m=5)
    curve = cost_quality_curve(cost, quality, cost_range=cost_range)
    assert curve.aiq.value[0] == pytest.approx(
        aiq_on_a_grid(cost, quality, *cost_range, n_steps=4000), abs=1e-6
    )


def test_routerbench_counts_costs_below_the_cheapest_point_as_quality_nought():
    cost, quality = points(1, m=5)
    low, high = cost.min(), cost.max()
    own = cost_quality_curve(cost, quality).aiq.value[0]
    assert own * (high - low) / high == pytest.approx(routerbench_aiq(cost, quality), abs=1e-6)


def test_a_model_is_one_point_and_its_own_aiq():
    assert cost_quality_curve([2.0], [0.7]).aiq.value[0] == 0.7
    extended = cost_quality_curve([2.0], [0.7], cost_range=(1.0, 4.0))
    assert extended.aiq.value[0] == pytest.approx((0.7 * 2 + 0.7 * 0.75) / 3)


def test_points_that_cost_more_for_less_change_nothing():
    cost, quality = np.array([1.0, 2.0, 3.0]), np.array([0.4, 0.8, 0.9])
    with_waste = cost_quality_curve(
        np.append(cost, [2.5, 2.9, 1.0]), np.append(quality, [0.7, 0.1, 0.2]), cost_range=(1, 3)
    )
    assert with_waste.hull.tolist() == [1, 2]  # (1, 0.4) lies on the way from nothing to (2, 0.8)
    assert with_waste.aiq.value == cost_quality_curve(cost, quality, cost_range=(1, 3)).aiq.value


@pytest.mark.parametrize("seed", range(20))
def test_one_more_point_never_lowers_the_area(seed):
    cost, quality = points(seed, m=4)
    fewer = cost_quality_curve(cost[1:], quality[1:], cost_range=(0.2, 5.0)).aiq.value
    assert cost_quality_curve(cost, quality, cost_range=(0.2, 5.0)).aiq.value >= fewer - 1e-12


def test_a_cheap_and_poor_point_changes_nothing():
    curve = cost_quality_curve([1.0, 2.0], [0.7, 0.9], cost_range=(0.0, 2.0))
    more = cost_quality_curve([0.5, 1.0, 2.0], [0.1, 0.7, 0.9], cost_range=(0.0, 2.0))
    assert more.aiq.value == curve.aiq.value


def test_points_below_nothing_leave_an_area_of_nought():
    assert cost_quality_curve([1.0, 2.0], [-0.5, -0.1]).aiq.value == 0.0


def test_order_of_the_settings_does_not_matter():
    cost, quality = outcomes(0)
    turned = cost_quality_curve(cost[:, ::-1], quality[:, ::-1], cost_range=(0.2, 1))
    straight = cost_quality_curve(cost, quality, cost_range=(0.2, 1))
    assert turned.aiq.value == pytest.approx(straight.aiq.value, abs=1e-15)
    assert turned.aiq.se == pytest.approx(straight.aiq.se)


@pytest.mark.parametrize("cost_range", [(0.05, 1.4), (0.3, 0.6), None])
def test_error_of_the_aiq_agrees_with_the_jackknife(cost_range):
    cost, quality = outcomes(3, n=150)

    def aiq(rows):
        return cost_quality_curve(cost[rows], quality[rows], cost_range=cost_range).aiq.value[0]

    curve = cost_quality_curve(cost, quality, cost_range=cost_range)
    assert curve.aiq.se[0] == pytest.approx(jackknife_error(aiq, 150), rel=0.03)


def test_errors_count_groups_where_there_are_any():
    cost, quality = outcomes(4)
    twice = np.tile(np.arange(60), 2)
    curve = cost_quality_curve(np.tile(cost, (2, 1)), np.tile(quality, (2, 1)), groups=twice)
    once = cost_quality_curve(cost, quality)
    assert curve.aiq.se == pytest.approx(once.aiq.se)
    assert curve.quality_se == pytest.approx(once.quality_se)


def test_what_queries_do_to_both_routers_cancels_in_the_difference():
    cost, quality = outcomes(5, n=300)
    common = np.random.default_rng(6).normal(size=(300, 1))
    one = cost_quality_curve(cost, quality + common, cost_range=(0.2, 1))
    two = cost_quality_curve(cost, quality + common + 0.1, cost_range=(0.2, 1))
    difference = two.aiq_minus(one)
    assert difference.value[0] == pytest.approx(0.1)
    assert difference.se[0] < 1e-12 < one.aiq.se[0]


def test_averaged_points_have_no_error_and_say_so():
    curve = cost_quality_curve(*points(0))
    assert np.isnan(curve.aiq.se).all()
    assert np.isnan(curve.quality_se).all()
    assert "9 points" in curve.summary()
    assert np.isnan(curve.aiq_minus(curve).se).all()


def test_frame_and_summary_tell_the_points_and_the_area():
    curve = cost_quality_curve(*outcomes(7))
    assert curve.to_frame().columns.tolist() == [
        "cost", "quality", "cost_se", "quality_se", "on_hull",
    ]  # fmt: skip
    assert "on 60 queries" in curve.summary()


@pytest.mark.parametrize(
    ("cost", "quality", "options", "complaint"),
    [
        ([1.0, 2.0], [0.5], {}, r"cost has shape \(2,\) but quality has \(1,\)"),
        ([-1.0], [0.5], {}, "cost is negative in 1 of 1"),
        ([1.0], [np.nan], {}, "quality is NaN or infinite in 1 of 1"),
        (["a"], [0.5], {}, "cost holds values that are not numbers"),
        ([], [], {}, r"cost has shape \(0,\)"),
        ([1.0], [0.5], {"cost_range": (2.0, 2.0)}, r"cost_range is \(2, 2\)"),
    ],
)
def test_mistakes_are_said_in_one_sentence(cost, quality, options, complaint):
    with pytest.raises(DataError, match=complaint):
        cost_quality_curve(cost, quality, **options)


def test_curves_of_other_queries_are_not_compared():
    one = cost_quality_curve(*outcomes(0), cost_range=(0.2, 1))
    with pytest.raises(DataError, match="60 and 50 queries"):
        one.aiq_minus(cost_quality_curve(*outcomes(0, n=50), cost_range=(0.2, 1)))


def test_picture_shows_hulls_points_and_models():
    curve = cost_quality_curve(*outcomes(8))
    display = CostQualityDisplay({"mine": curve}, models={"large": (2.0, 0.9)}).plot(
        cost_scale=1000, unit="mUSD", log=True, title="t"
    )
    cost, quality = display.lines_["mine"].get_data()
    assert quality == pytest.approx(curve.quality_at(np.asarray(cost) / 1000))
    assert display.points_["mine"].get_ydata() == pytest.approx(curve.quality)
    assert display.labels_["large"].get_text() == "large"
    assert list(display.lines_) == ["mine", "mixture of models"]
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "cost (mUSD)"


def test_mixtures_of_models_are_drawn_as_their_hull():
    models = {"large": (4.0, 0.9), "small": (1.0, 0.6), "wasteful": (3.0, 0.5)}
    display = CostQualityDisplay({"mine": cost_quality_curve([2.0], [0.7])}, models=models).plot()
    cost, quality = display.lines_["mixture of models"].get_data()
    assert quality == pytest.approx(0.6 + 0.1 * (np.asarray(cost) - 1))


def test_names_of_models_cover_neither_each_other_nor_points():
    rng = np.random.default_rng(0)
    cost, quality = np.linspace(1, 4, 9), 0.5 + 0.1 * np.linspace(0, 1, 9) + 0.02 * rng.random(9)
    models = {f"model number {k}": point for k, point in enumerate(zip(cost, quality, strict=True))}
    display = CostQualityDisplay({"mine": cost_quality_curve([2.0], [0.9])}, models=models).plot()
    boxes = [label.get_window_extent() for label in display.labels_.values()]
    points = display.ax_.transData.transform(np.c_[cost, quality])
    inside = display.ax_.get_window_extent()
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])
        assert not any(box.contains(*point) for point in points)
        assert inside.x0 <= box.x0
        assert box.x1 <= inside.x1


def test_a_single_curve_draws_itself():
    assert set(cost_quality_curve(*points(0)).plot(name="mine").lines_) == {"mine"}


def test_no_curve_is_refused():
    with pytest.raises(MetaRouterError, match="at least one router"):
        CostQualityDisplay({})
