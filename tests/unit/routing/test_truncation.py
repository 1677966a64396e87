"""Where the two sources do not overlap (Meta-Router, section 5)."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from two_sources import two_sources

from metarouter import DRLearner, FitLedger, GainScaler, MetaRouter, PropensityPolicy, RLearner
from metarouter.nuisance import Nuisances
from metarouter.overlap import OverlapWarning

LINE, LOGIT = LinearRegression(), LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)


def fitted(shift, data) -> MetaRouter:
    return MetaRouter(shift, LINE, random_state=0).fit(data.X, data.y, data.is_gold)


def test_preference_labels_outside_the_overlap_are_left_out_and_counted() -> None:
    data = two_sources(2000, confounding=2.0)
    shift = DRLearner(LINE, LOGIT, LINE, policy=PropensityPolicy(trim=0.1))
    with pytest.warns(OverlapWarning, match="were trimmed"):
        model = fitted(shift, data)
    outside = ~model.shift_.in_overlap_
    assert model.n_outside_overlap_ == (outside & ~data.is_gold).sum() > 0
    assert (model.n_gold_, model.n_preference_) == (data.is_gold.sum(), (~data.is_gold).sum())


@pytest.mark.parametrize("policy", [PropensityPolicy(trim=0.1), PropensityPolicy(density_ratio=4)])
@pytest.mark.parametrize("learner", [RLearner, DRLearner])
def test_the_scale_is_set_within_the_overlap(learner, policy) -> None:
    data = two_sources(2000, confounding=2.0)
    with pytest.warns(OverlapWarning, match="were trimmed") as warned:
        model = fitted(learner(LINE, LOGIT, LINE, policy=policy), data)
    assert len(warned) == 1
    inside = model.shift_.in_overlap_
    expected = GainScaler().fit(data.y[inside], data.is_gold[inside]).factor_
    assert model.scaler_.factor_ == expected != GainScaler().fit(data.y, data.is_gold).factor_


@pytest.mark.filterwarnings("ignore::metarouter.overlap.OverlapWarning")
def test_the_scale_is_set_within_the_overlap_of_shared_nuisances() -> None:
    data = two_sources(2000, confounding=2.0)
    policy = PropensityPolicy(trim=0.1)
    unfitted = Nuisances(outcome=LINE, propensity=LOGIT, policy=policy)
    own = DRLearner(LINE, LOGIT, LINE, policy=policy)
    shared = fitted(DRLearner(final=LINE, nuisances=unfitted), data)
    model = fitted(own, data)
    np.testing.assert_array_equal(shared.predict(data.X), model.predict(data.X))


def test_without_trimming_the_overlap_costs_no_fit() -> None:
    with FitLedger() as ledger:
        fitted(DRLearner(LINE, LOGIT, LINE, policy=PropensityPolicy(clip=0.05)), two_sources(300))
    # 15 nuisances and two final regressions, and these two for each of five folds of calibration.
    assert ledger.fits == 17 + 10


@pytest.mark.filterwarnings("ignore::metarouter.overlap.OverlapWarning")
def test_labels_outside_the_overlap_do_not_set_the_scale() -> None:
    data = two_sources(2000, confounding=2.0)
    shift = DRLearner(LINE, LOGIT, LINE, policy=PropensityPolicy(trim=0.1))
    before = fitted(shift, data)
    outside = ~before.shift_.in_overlap_ & ~data.is_gold
    data.y = np.where(outside, 100 * data.y, data.y)
    after = fitted(shift, data)
    assert after.scaler_.factor_ == before.scaler_.factor_
