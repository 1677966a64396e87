from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from scipy import stats

from metarouter.evaluation import StudyResult
from metarouter.exceptions import MetaRouterError

mpl.use("Agg")


def result_of(rounds=40, seed=0):
    rng = np.random.default_rng(seed)
    usage = np.linspace(0, 1, 11)
    luck = rng.normal(size=(rounds, 1, 1))
    area = np.array([[3.0, 3.0], [1.0, 2.0], [1.5, 2.5]]) + luck
    area[:, 1:] += 0.1 * rng.normal(size=(rounds, 2, 2))
    ones = np.ones(rounds, dtype=int)
    return StudyResult(
        routers=("oracle", "pooled", "r_learner"),
        n_gold=(50, 100),
        usage=usage,
        area=area,
        efficiency_gain=area[..., None] * (6 * usage * (1 - usage)),
        n_test=100 * ones,
        n_train=400 * ones,
        fits=7 * ones,
        reused=2 * ones,
        rows=900 * ones,
        seconds_inside=0.99 * ones,
        seconds=1.0 * ones,
        data_name="made up",
        n_queries=500,
    )


def test_monte_carlo_error_is_that_of_a_mean_over_rounds():
    result = result_of()
    row = result.areas().query("router == 'pooled' and n_gold == 100").iloc[0]
    values = result.area[:, 1, 1]
    assert row.area == pytest.approx(values.mean())
    assert row.se == pytest.approx(stats.sem(values))
    assert row.rounds == 40


def test_corrected_error_follows_nadeau_and_bengio():
    result = result_of()
    row = result.areas().query("router == 'pooled' and n_gold == 100").iloc[0]
    variance = (1 / 40 + 100 / 400) * np.var(result.area[:, 1, 1], ddof=1)
    assert row.se_corrected == pytest.approx(np.sqrt(variance))


@pytest.mark.parametrize("interval", ["corrected", "monte_carlo"])
def test_intervals_are_student_s_with_one_degree_less_than_rounds(interval):
    frame = result_of().areas(level=0.9, interval=interval)
    se = frame.se_corrected if interval == "corrected" else frame.se
    margin = list(stats.t.ppf(0.95, 39) * se)
    assert list(frame.hi - frame.area) == pytest.approx(margin)
    assert list(frame.area - frame.lo) == pytest.approx(margin)


def test_monte_carlo_intervals_cover_the_mean_over_splits():
    covered = [
        frame.lo[2] < 1.0 < frame.hi[2]
        for frame in (
            result_of(rounds=20, seed=seed).areas(interval="monte_carlo") for seed in range(400)
        )
    ]
    assert abs(np.mean(covered) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 400)


def test_differences_are_paired_by_round():
    result = result_of()
    frame = result.paired_differences("pooled")
    row = frame.query("router == 'r_learner' and n_gold == 50").iloc[0]
    difference = result.area[:, 2, 0] - result.area[:, 1, 0]
    assert row.difference == pytest.approx(difference.mean())
    assert row.se == pytest.approx(stats.sem(difference))
    assert row.se < 0.2 * result.areas().se.max()
    assert row.ci_low < row.difference < row.ci_high


def test_the_paper_s_baseline_is_the_default_reference():
    frame = result_of().paired_differences()
    assert set(frame.reference) == {"pooled"}
    assert list(frame.router.unique()) == ["oracle", "r_learner"]


def test_all_pairs_appear_once():
    frame = result_of().paired_differences("all pairs")
    pairs = list(zip(frame.router, frame.reference, strict=True))
    assert pairs[::2] == [("oracle", "pooled"), ("oracle", "r_learner"), ("pooled", "r_learner")]
    assert list(frame.n_gold) == [50, 100] * 3


def test_frames_hold_what_the_arrays_hold():
    result = result_of()
    frame = result.to_frame()
    one = frame.query("round == 3 and router == 'r_learner' and n_gold == 100").area.item()
    assert one == result.area[3, 2, 1]
    curves = result.curves()
    assert list(curves.columns) == ["router", "n_gold", "usage", "efficiency_gain", "se"]
    assert len(curves) == 3 * 2 * 11
    some = curves.query("router == 'pooled' and n_gold == 50")
    assert np.array_equal(some.efficiency_gain, result.mean_curves(50)["pooled"].efficiency_gain)


def test_one_round_has_means_and_no_errors():
    frame = result_of(rounds=1).areas()
    assert np.isfinite(frame.area).all()
    assert frame[["se", "se_corrected", "lo", "hi"]].isna().all(axis=None)


def test_summary_holds_both_errors_and_the_cost():
    text = result_of().summary()
    for part in ("made up", "rounds: 40", "n_gold = 50", "Nadeau", "99.0% in base learners"):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100


def test_one_panel_per_number_of_gold_labels():
    displays = result_of().plot()
    assert [display.ax_.get_title() for display in displays] == [
        "50 gold labels",
        "100 gold labels",
    ]
    assert set(displays[0].bands_) == {"oracle", "pooled", "r_learner"}


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda result: result.paired_differences("ghost"), "'ghost' is not among the routers"),
        (lambda result: result.areas(interval="bayes"), "choose 'corrected' or 'monte_carlo'"),
        (lambda result: result.mean_curves(7), "No round had n_gold=7: choose one of 50, 100"),
        (lambda result: result.areas(level=2), "level is 2"),
    ],
)
def test_unknown_choices_are_refused(ask, sentence):
    with pytest.raises(MetaRouterError, match=sentence):
        ask(result_of())
