"""Tables of labelled queries whose shift, gain and propensity are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LinearRegression, LogisticRegression

from metarouter import MetaRouter, Nuisances, RLearner
from metarouter.datasets import LabelledQueries
from metarouter.inference.labels import fitted_nuisances, scaled_labels
from metarouter.nuisance import ALL_NUISANCES

D = 4
GOLD_SHARE = 0.3
MEAN, SLOPE = -0.3, 0.3  # of the shift, in the alternative: 0.2 standard deviations of a label
TILT = 0.7  # of the log odds of gold, along the first feature
Hits = dict[tuple[str, str], bool]


class Table(NamedTuple):
    """Labelled queries, and the truth by training row."""

    data: LabelledQueries
    psi: np.ndarray
    delta: np.ndarray


def recipe() -> Nuisances:
    """Nuisances that are quick: least squares and logistic regression."""
    return Nuisances(outcome=LinearRegression(), propensity=LogisticRegression(C=np.inf))


def quick_router() -> MetaRouter:
    """Make a router whose predictions are noisy, as those of flexible learners are."""
    line = LinearRegression()
    return MetaRouter(RLearner(line, LogisticRegression(C=np.inf), line, cv=2), line)


def propensity(x: np.ndarray, tilt: float) -> np.ndarray:
    return expit(logit(GOLD_SHARE) + tilt * x)


def draw(
    rng: np.random.Generator,
    n: int,
    *,
    mean: float = 0.0,
    slope: float = 0.0,
    gain: float = 1.0,
    tilt: float = TILT,
    gold_unit: float = 1.0,
    both: bool = False,
    n_groups: int | None = None,
) -> Table:
    """Draw queries; with `n_groups`, rows of a group share half of their noise and one feature."""
    X = rng.standard_normal((n, D))
    noise = rng.standard_normal((2, n))
    groups = None
    if n_groups is not None:
        groups = rng.permutation(np.arange(n) % n_groups)
        shared = rng.standard_normal((2, n_groups))
        noise = np.sqrt(0.5) * (noise + shared[:, groups])
    psi = 0.5 + gain * (X[:, 0] + X[:, 1] / 2)
    delta = mean + slope * X[:, 1]
    is_gold = rng.random(n) < propensity(X[:, 0], tilt)
    if both:
        is_gold[:] = True
    gold = np.where(is_gold, gold_unit * (psi + noise[0]), np.nan)
    preference = np.where(is_gold & (not both), np.nan, psi - delta + noise[1])
    data = LabelledQueries(X=X, gold=gold, preference=preference, groups=groups)
    query = data.training_rows().query
    return Table(data, psi[query], delta[query])


def covers(lower: Any, upper: Any, truth: Any) -> bool:
    """Say whether all intervals hold their truths at once."""
    return bool(np.all((lower <= truth) & (truth <= upper)))


def all_fitted(table: Table, nuisances: Callable[[], Any]) -> Nuisances:
    return fitted_nuisances(scaled_labels(table.data, None), nuisances(), ALL_NUISANCES, 0)


def seed_from(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
