"""With a linear final stage and equal folds our learners are econml's, to the last digits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from two_sources import two_sources

from metarouter import DRLearner, EconMLShift, PropensityPolicy, RLearner

pytest.importorskip("econml", reason="parity needs econml: install metarouter[econml]")
pytestmark = pytest.mark.filterwarnings("ignore")

LINE, LOGIT = LinearRegression(), LogisticRegression(max_iter=1000)
DATA = two_sources(800, 5, confounding=0.5)
FOLDS = list(StratifiedKFold(5, shuffle=True, random_state=0).split(DATA.X, DATA.is_gold))
# econml clips there unless it is told otherwise.
POLICY = PropensityPolicy(clip=1e-6)


def econml_r_learner():
    from econml.dml import NonParamDML

    return NonParamDML(
        model_y=LINE, model_t=LOGIT, model_final=LINE, discrete_treatment=True, cv=FOLDS
    )


def econml_dr_learner():
    from econml.dr import DRLearner

    return DRLearner(model_propensity=LOGIT, model_regression=LINE, model_final=LINE, cv=FOLDS)


OURS = {
    "r_learner": RLearner(LINE, LOGIT, LINE, cv=FOLDS, policy=POLICY),
    "dr_learner": DRLearner(LINE, LOGIT, LINE, cv=FOLDS, pooled_outcome=True, policy=POLICY),
}
THEIRS = {"r_learner": econml_r_learner, "dr_learner": econml_dr_learner}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("learner", OURS)
def test_learner_equals_econml(learner: str, weighted: bool) -> None:
    weight = np.random.default_rng(1).exponential(size=800) if weighted else None
    ours = OURS[learner].fit(DATA.X, DATA.y, DATA.is_gold, sample_weight=weight)
    theirs = THEIRS[learner]()
    theirs.fit(DATA.y, DATA.is_gold.astype(int), X=DATA.X, sample_weight=weight)
    difference = np.abs(ours.predict(DATA.X) - theirs.effect(DATA.X)).max()
    assert difference < 1e-8


@pytest.mark.parametrize("learner", OURS)
def test_econml_estimators_serve_as_the_shift(learner: str) -> None:
    given = THEIRS[learner]()
    adapter = EconMLShift(given).fit(DATA.X, DATA.y, DATA.is_gold)
    ours = OURS[learner].fit(DATA.X, DATA.y, DATA.is_gold)
    np.testing.assert_allclose(adapter.predict(DATA.X), ours.predict(DATA.X), rtol=0, atol=1e-8)
    with pytest.raises(AttributeError):  # the given one was copied, never fitted
        given.effect(DATA.X)
