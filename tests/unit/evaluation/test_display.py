from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from metarouter.evaluation import EfficiencyGainDisplay, efficiency_gain_curve
from metarouter.evaluation._curve_display import MeanCurve
from metarouter.evaluation._panels import plot_panels
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.style import ROUTER_ORDER, router_styles

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

GAIN = np.array([2.0, 1.0, 0.5, -1.0, -2.0])
SCORES = {"r_learner": [5, 4, 3, 2, 1], "pooled": [1, 5, 2, 4, 3]}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_lines_carry_the_curves():
    display = EfficiencyGainDisplay.from_predictions(SCORES, GAIN).plot()
    for name, score in SCORES.items():
        drawn = display.lines_[name].get_ydata()
        assert drawn == pytest.approx(efficiency_gain_curve(GAIN, score).efficiency_gain)
    assert set(display.lines_["random"].get_ydata()) == {0.0}
    assert display.figure_ is display.ax_.figure


def test_estimators_are_scored_by_their_decisions():
    class PricedRouter(LinearRegression):
        def decision_function(self, X):
            return -self.predict(X)

    X = np.arange(5.0).reshape(-1, 1)
    models = {"plain": LinearRegression().fit(X, GAIN), "priced": PricedRouter().fit(X, GAIN)}
    curves = EfficiencyGainDisplay.from_estimators(models, X, GAIN).curves
    assert curves["plain"].area == pytest.approx(efficiency_gain_curve(GAIN, -X).area)
    assert curves["priced"].area == pytest.approx(-curves["plain"].area)


def test_nothing_global_changes():
    before = dict(mpl.rcParams)
    EfficiencyGainDisplay.from_predictions(SCORES, GAIN).plot()
    assert dict(mpl.rcParams) == before


def test_given_axes_and_line_settings_are_used():
    figure, ax = plt.subplots()
    display = EfficiencyGainDisplay.from_predictions(SCORES, GAIN).plot(
        ax=ax, linewidth=3, title="t"
    )
    assert display.figure_ is figure
    assert display.lines_["pooled"].get_linewidth() == 3
    assert ax.get_title() == "t"


def test_a_single_curve_draws_itself():
    display = efficiency_gain_curve(GAIN, SCORES["pooled"]).plot(name="pooled")
    assert set(display.lines_) == {"pooled", "random"}


@pytest.mark.parametrize(("bands", "drawn"), [(True, {"pooled"}), (False, set())])
def test_bands_surround_the_curves_that_have_errors(bands, drawn):
    usage = np.linspace(0, 1, 11)
    curves = {
        "pooled": MeanCurve(usage, np.zeros(11), np.full(11, 0.1)),
        "one_round": MeanCurve(usage, np.zeros(11), np.full(11, np.nan)),
        "r_learner": efficiency_gain_curve(GAIN, SCORES["r_learner"]),
    }
    assert set(EfficiencyGainDisplay.from_curves(curves).plot(bands=bands).bands_) == drawn


def test_routers_of_the_house_look_the_same_in_every_figure():
    alone = router_styles(["dr_learner"])["dr_learner"]
    assert router_styles(["mine", "pooled", "dr_learner"])["dr_learner"] == alone


def test_routers_are_told_apart_without_colour():
    names = [*ROUTER_ORDER[:-1], "mine", "yours", "theirs"]
    styles = router_styles(names).values()
    assert len({(style.linestyle, style.marker) for style in styles}) == len(names)
    assert len({style.marker for style in styles}) == len(names)


def test_panels_share_one_legend_and_one_scale():
    curves = EfficiencyGainDisplay.from_predictions(SCORES, GAIN).curves
    displays = plot_panels({"a": curves, "b": curves}, bands=True, level=0.95)
    figure = displays[0].figure_
    assert len(figure.legends) == 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "R-learner",
        "pooled",
        "random",
    ]
    assert displays[0].ax_.get_ylim() == displays[1].ax_.get_ylim()


def test_axes_must_match_the_panels():
    curves = EfficiencyGainDisplay.from_predictions(SCORES, GAIN).curves
    with pytest.raises(MetaRouterError, match="1 axes were given for 2 panels"):
        plot_panels({"a": curves, "b": curves}, plt.subplots()[1], bands=True, level=0.95)


def test_no_curve_is_refused():
    with pytest.raises(MetaRouterError, match="at least one router"):
        EfficiencyGainDisplay.from_predictions({}, GAIN)


def test_missing_gold_labels_are_counted():
    with pytest.raises(DataError, match="gold_gain is NaN for 1 of 5"):
        EfficiencyGainDisplay.from_predictions(SCORES, [np.nan, 1, 1, 1, 1])


def test_evaluation_loads_no_heavy_library():
    heavy = ("torch", "econml", "matplotlib", "statsmodels", "xgboost", "typer", "skops")
    code = (
        "import sys, metarouter.evaluation;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
