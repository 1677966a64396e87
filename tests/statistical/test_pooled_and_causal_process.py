"""Lemma 1 of Meta-Router: the pooled and the causal process draw one distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PolynomialFeatures

from metarouter.nuisance import Nuisances
from metarouter.utils.validation import TrainingData

SHARE = 0.3  # kappa: how often a label is gold
GOLD, PREFERENCE = stats.norm(0.5, 0.8), stats.norm(-0.3, 1.2)  # the two kinds of queries


def psi(s):
    return np.sin(s)


def eta(s):
    return np.sin(s) + 0.5 - 0.3 * s


def outcome(s, t, rng):
    """Equation 8: the label of the source that was drawn."""
    return np.where(t, psi(s) + 0.5 * rng.normal(size=len(s)), eta(s) + rng.normal(size=len(s)))


def pooled_process(n, rng):
    """First the source, then a query of that source's kind, then its label."""
    t = rng.random(n) < SHARE
    s = np.where(t, GOLD.rvs(n, random_state=rng), PREFERENCE.rvs(n, random_state=rng))
    return s, t, outcome(s, t, rng)


def causal_process(n, rng):
    """First a query of the mixture, then its source by the propensity, then its label."""
    of_gold = rng.random(n) < SHARE
    s = np.where(of_gold, GOLD.rvs(n, random_state=rng), PREFERENCE.rvs(n, random_state=rng))
    t = rng.random(n) < propensity(s)
    return s, t, outcome(s, t, rng)


def propensity(s):
    gold, preference = SHARE * GOLD.pdf(s), (1 - SHARE) * PREFERENCE.pdf(s)
    return gold / (gold + preference)


def p_values(first, second):
    """Two-sample tests of t, and of s, o and two of their mixtures on each source."""
    (s, t, o), (s2, t2, o2) = first, second
    table = [[t.sum(), (~t).sum()], [t2.sum(), (~t2).sum()]]
    found = [stats.chi2_contingency(table).pvalue]
    for source in (True, False):
        a, b = t == source, t2 == source
        for of_s, of_o in ((1, 0), (0, 1), (1, 1), (1, -1)):
            mixed = (of_s * s + of_o * o)[a], (of_s * s2 + of_o * o2)[b]
            found.append(stats.ks_2samp(*mixed).pvalue)
    return np.array(found)


def test_both_processes_draw_the_same_distribution() -> None:
    rng = np.random.default_rng(0)
    found = p_values(pooled_process(20_000, rng), causal_process(20_000, rng))
    assert len(found) == 9
    assert found.min() > 0.01 / 9


@pytest.mark.parametrize("wrong", ["constant propensity", "other labels"])
def test_the_comparison_would_see_another_process(wrong: str) -> None:
    rng = np.random.default_rng(1)
    s, t, o = causal_process(20_000, rng)
    if wrong == "constant propensity":
        t = rng.random(20_000) < SHARE
        o = outcome(s, t, rng)
    else:
        o = o + 0.1 * s
    assert p_values(pooled_process(20_000, rng), (s, t, o)).min() < 1e-4


def test_propensity_of_pooled_data_is_the_ratio_of_the_lemma() -> None:
    # Both densities are normal, so that the log odds of the lemma are a parabola in s.
    rng = np.random.default_rng(2)
    s, t, o = pooled_process(20_000, rng)
    X = PolynomialFeatures(2, include_bias=False).fit_transform(s[:, None])
    learner = LogisticRegression(C=np.inf, max_iter=1000)
    nuisances = Nuisances(propensity=learner, random_state=0)
    found = nuisances.fit_validated(TrainingData(X, o, t, None, None), ("propensity",)).propensity_
    assert np.abs(found - np.clip(propensity(s), 0.01, 0.99)).max() < 0.05
    assert np.abs(found - propensity(s)).mean() < 0.01
