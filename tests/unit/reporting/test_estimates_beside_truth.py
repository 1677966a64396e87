"""Estimates are put beside the truth, and a mean shift never comes without its error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from two_sources import two_sources

from metarouter import (
    ConstantShift,
    DRLearner,
    MetaRouter,
    PropensityPolicy,
    RLearner,
    ZeroShift,
)
from metarouter.datasets import TrainingRows, make_judged_queries
from metarouter.exceptions import DataError
from metarouter.reporting import mean_shift, truth_frame
from metarouter.shift import ShiftLearner

LINE = LinearRegression()


def fitted(shift: ShiftLearner, seed: int = 0, **queries: float) -> tuple[MetaRouter, object]:
    data = make_judged_queries(600, 6, gold_share=0.3, random_state=seed, **queries)
    rows = data.training_rows()
    model = MetaRouter(shift=shift, regressor=LINE, scaling=None, random_state=seed)
    return model.fit(rows.X, rows.y, is_gold=rows.is_gold, groups=rows.groups), rows


def learners() -> list[ShiftLearner]:
    return [
        DRLearner(LINE, "constant", LINE),
        RLearner(LINE, "constant", LINE),
        ConstantShift(),
    ]


@pytest.mark.parametrize("shift", learners(), ids=lambda shift: type(shift).__name__)
def test_the_interval_of_the_mean_shift_covers_the_truth(shift: ShiftLearner) -> None:
    covered, z = 0, []
    for seed in range(40):
        model, rows = fitted(shift, seed)
        estimate = mean_shift(model, rows)
        low, high = estimate.interval()
        covered += low <= -0.5 <= high
        z.append((estimate.value + 0.5) / estimate.se)
    # 38 of 40 are expected; fewer than 33 happen with probability below 0.002.
    assert covered >= 33
    assert abs(np.mean(z)) < 3 / np.sqrt(40)


def test_the_constant_shift_is_the_difference_of_two_means_with_their_error() -> None:
    model, rows = fitted(ConstantShift())
    gold, preference = rows.y[rows.is_gold], rows.y[~rows.is_gold]
    estimate = mean_shift(model, rows)
    assert estimate.value == pytest.approx(gold.mean() - preference.mean())
    expected = np.hypot(
        gold.std() / np.sqrt(len(gold)), preference.std() / np.sqrt(len(preference))
    )
    assert estimate.se == pytest.approx(expected, rel=0.01)


def test_two_labels_of_one_query_count_as_one_unit() -> None:
    paired, rows = fitted(ConstantShift(), pairing=1.0)
    alone = mean_shift(paired, replace(rows, groups=None, query=np.arange(len(rows.y))))
    together = mean_shift(paired, replace(rows, groups=None))
    assert together == mean_shift(paired, rows)
    assert together.value == alone.value
    assert together.se < alone.se


def test_without_a_shift_there_is_no_mean_to_report() -> None:
    assert mean_shift(*fitted(ZeroShift())) is None


@pytest.mark.filterwarnings("ignore::metarouter.overlap.OverlapWarning")
@pytest.mark.parametrize("learner", [DRLearner, RLearner])
def test_the_mean_shift_leaves_out_the_rows_that_were_trimmed(learner: type[ShiftLearner]) -> None:
    data = two_sources(2000, confounding=2.0)
    policy = PropensityPolicy(clip=None, trim=0.1)
    shift = learner(LINE, LogisticRegression(), LINE, policy=policy)
    model = MetaRouter(shift, LINE, scaling=None, random_state=0)
    model.fit(data.X, data.y, data.is_gold)
    inside = model.shift_.in_overlap_
    rows = TrainingRows(data.X, data.y, data.is_gold, None, None, np.arange(2000))
    estimate = mean_shift(model, rows)
    assert f"over the {inside.sum()} of 2000 labels within the overlap" in estimate.how
    assert abs(estimate.value - data.delta[inside].mean()) < 3 * estimate.se
    # Labels of trimmed rows, however wild, do not reach the mean.
    wild = replace(rows, y=np.where(inside, rows.y, 1e6))
    assert mean_shift(model, wild) == estimate


def test_a_shift_that_is_zero_by_design_has_no_mean() -> None:
    data = two_sources(50)
    model = MetaRouter(DRLearner(), LINE).fit(data.X, data.y)
    rows = TrainingRows(data.X, data.y, np.ones(50, dtype=bool), None, None, np.arange(50))
    assert mean_shift(model, rows) is None


def test_truth_frame_gives_the_true_psi_the_largest_area() -> None:
    model, _ = fitted(DRLearner(LINE, "constant", LINE))
    new = make_judged_queries(2000, 6, random_state=1)
    frame = truth_frame({"dr_learner": model}, new)
    assert list(frame["router"]) == ["dr_learner", "true psi"]
    assert frame["area"].idxmax() == 1
    assert frame["below_truth"].iloc[0] == pytest.approx(np.ptp(frame["area"]))
    assert frame["gain_correlation"].iloc[1] == pytest.approx(1.0)


def test_truth_frame_asks_for_queries_that_know_the_truth() -> None:
    model, _ = fitted(ZeroShift())
    with pytest.raises(DataError, match="has no truth"):
        truth_frame({"pooled": model}, replace(make_judged_queries(50, 6), truth=None))
