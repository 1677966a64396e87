"""Pilots drawn from worlds with known truth, plans made of them, and what came of the plans."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression

from metarouter import Nuisances
from metarouter.datasets import LabelledQueries, make_judged_queries
from metarouter.evaluation._efficiency_gain import rank_gains
from metarouter.inference import (
    doubly_robust_gains,
    expected_area,
    mean_shift_test,
    plan_labels,
    rank_weighted_effects,
)

Hits = dict[tuple[str, str], float]
GOLD_PRICE, PREFERENCE_PRICE, MONEY, POWER = 1.0, 0.02, 400.0, 0.8
MEAN_SHIFT, MEAN_GAIN = -0.3, 0.5
AREA = 1 / (2 * np.sqrt(np.pi))  # E[x Phi(x)], the gain's slope in the feature that ranks being 1
DIFFERENCES = {"mean_shift": 0.25, "mean_gain": 0.2, "area": 0.06}


class Realised(NamedTuple):
    """An interval from the planned labels."""

    lower: float
    upper: float

    @property
    def half_width(self) -> float:
        return (self.upper - self.lower) / 2


def recipe() -> Nuisances:
    return Nuisances(outcome=LinearRegression(), propensity="constant")


def draw(rng: np.random.Generator, n_gold: int, n_preference: int, nested: bool) -> LabelledQueries:
    """Draw labels; the noise of both labels of one query is correlated by a half."""
    n = n_preference if nested else n_gold + n_preference
    X = rng.standard_normal((n, 4))
    psi = MEAN_GAIN + X[:, 0] + X[:, 1] / 2
    shared, own = rng.standard_normal((2, n)), rng.standard_normal(n)
    is_gold = np.zeros(n, bool)
    is_gold[rng.choice(n, n_gold, replace=False)] = True
    preference = psi - MEAN_SHIFT - 0.3 * X[:, 1] + np.sqrt(0.5) * (shared[0] + shared[1])
    gold = psi + np.sqrt(0.5) * (shared[0] + own)
    return LabelledQueries(
        X=X,
        gold=np.where(is_gold, gold, np.nan),
        preference=np.where(nested | ~is_gold, preference, np.nan),
    )


def realise(rng: np.random.Generator, quantity: str, labels: LabelledQueries, nested: bool) -> Any:
    """Estimate from the planned labels as a user would."""
    if quantity == "mean_shift":
        test = mean_shift_test(
            labels,
            method="paired" if nested else "aipw",
            nuisances=recipe(),
            scaling=None,
            random_state=0,
        )
        return Realised(test.lower, test.upper)
    X = np.column_stack([labels.X, labels.preference]) if nested else labels.X
    gains = doubly_robust_gains(
        LabelledQueries(X, labels.gold, labels.preference),
        recipe(),
        propensity=labels.n_gold / labels.n_queries,
        random_state=0,
    )
    if quantity == "mean_gain":
        row = gains.to_frame().iloc[0]
        return Realised(row["ci_low"], row["ci_high"])
    effects = rank_weighted_effects(gains, labels.X[:, 0])
    return Realised(float(effects.lower[0]), float(effects.upper[0]))


def plan_and_realise(rng: np.random.Generator, n: int, *, quantity: str, nested: bool) -> Hits:
    """Plan on a pilot of n queries, a tenth of which have gold labels, and carry the plans out."""
    pilot = draw(rng, max(30, n // 10), n - (0 if nested else max(30, n // 10)), nested)
    given: dict[str, Any] = {
        "quantity": quantity,
        "gold_price": GOLD_PRICE,
        "preference_price": PREFERENCE_PRICE,
        "design": "nested" if nested else "separate",
        "nuisances": recipe(),
        "scaling": None,
        "random_state": 0,
    }
    if quantity != "mean_shift":
        given["propensity"] = pilot.n_gold / pilot.n_queries
    if quantity == "area":
        given["psi_hat"] = pilot.X[:, 0]
    difference = DIFFERENCES[quantity]
    plan = plan_labels(pilot, difference=difference, power=POWER, **given)
    found = realise(rng, quantity, draw(rng, plan.n_gold, plan.n_preference, nested), nested)
    truth = {"mean_shift": MEAN_SHIFT, "mean_gain": MEAN_GAIN, "area": AREA}[quantity]
    best = plan.options[0]
    hits: Hits = {
        ("ratio", "realised to planned half width"): found.half_width / best.half_width,
        ("inside", "realised half width in the plan's interval"): (
            best.lower <= found.half_width <= best.upper
        ),
        ("power", "planned"): best.power,
        ("power", "achieved"): not found.lower <= truth + difference <= found.upper,
        ("coverage", "interval from the planned labels"): found.lower <= truth <= found.upper,
        ("labels", "gold"): plan.n_gold,
        ("labels", "preference"): plan.n_preference,
    }
    split = plan_labels(pilot, money=MONEY, **given)
    widths = [
        realise(rng, quantity, draw(rng, way.n_gold, way.n_preference, nested), nested).half_width
        for way in split.options
    ]
    for way, width in zip(split.options[1:], widths[1:], strict=True):
        hits["ratio", f"half width of {way.name} to cost-optimal, same money"] = width / widths[0]
    return hits


# --- learning curves ----------------------------------------------------------------------------


class LineWithShift(BaseEstimator):
    """Least squares on labels of which preferences are moved by a shift: quick, and a router.

    The shift is the difference of the means ("constant"), or that of two lines ("linear").
    """

    def __init__(self, shift: str = "constant") -> None:
        self.shift = shift

    def fit(
        self, X: Any, y: Any, is_gold: Any, sample_weight: Any = None, groups: Any = None
    ) -> LineWithShift:
        """Fit without weights."""
        x = np.column_stack([np.ones(len(X)), X])
        if self.shift == "constant":
            moved = y + ~is_gold * (y[is_gold].mean() - y[~is_gold].mean())
        else:
            lines = [np.linalg.lstsq(x[rows], y[rows])[0] for rows in (is_gold, ~is_gold)]
            moved = y + ~is_gold * (x @ (lines[0] - lines[1]))
        self.coef_ = np.linalg.lstsq(x, moved)[0]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict gains."""
        return self.coef_[0] + X @ self.coef_[1:]


def judged(rng: np.random.Generator, n_gold: int, n_preference: int) -> LabelledQueries:
    """Draw queries with twenty features, six of which matter, with exact numbers of labels."""
    data = make_judged_queries(
        n_gold + n_preference, 20, pairing=1.0, gold_share=1.0, random_state=rng
    )
    is_gold = np.arange(data.n_queries) < n_gold
    return LabelledQueries(
        X=data.X,
        gold=np.where(is_gold, data.gold, np.nan),
        preference=np.where(is_gold, np.nan, data.preference),
    )


@lru_cache(maxsize=8)
def true_area(learner: str, n_gold: int, n_preference: int, rounds: int = 200) -> float:
    """Average the true area of routers trained on so many labels."""
    rng = np.random.default_rng(2026)
    test = make_judged_queries(20_000, 20, random_state=1)
    assert test.truth is not None
    gain = test.truth.psi - test.truth.psi.mean()
    share = np.full(gain.size, 1 / gain.size)
    areas = []
    for _ in range(rounds):
        rows = judged(rng, n_gold, n_preference).training_rows()
        router = LineWithShift(learner).fit(rows.X, rows.y, rows.is_gold)
        ranked = rank_gains(gain, router.predict(test.X), share)
        areas.append(float(share @ (gain * ranked.distribution)))
    return float(np.mean(areas))


def forecast(rng: np.random.Generator, n: int, *, learner: str, times: int) -> Hits:
    """Forecast the area of `times` the labels of a pilot with n gold and 5 n preference labels."""
    pilot = judged(rng, n, 5 * n)
    wanted = (times * n, times * 5 * n)
    found = expected_area(
        pilot,
        LineWithShift(learner),
        n_gold=wanted[0],
        n_preference=wanted[1],
        rounds=10,
        random_state=int(rng.integers(2**31)),
    )
    trained = (int(found.cells.n_gold[-1]), int(found.cells.n_preference[-1]))
    truth, before = true_area(learner, *wanted), true_area(learner, *trained)
    point = found.points[0]
    return {
        ("coverage", "expected area"): point.lower <= truth <= point.upper,
        ("coverage", "increase"): (point.increase_lower <= truth - before <= point.increase_upper),
        ("error", "area, forecast minus truth"): point.area - truth,
        ("error", "increase, forecast minus truth"): point.increase - (truth - before),
        ("size", "absolute error of the increase"): abs(point.increase - (truth - before)),
        ("size", "half width, area"): (point.upper - point.lower) / 2,
        ("size", "half width, increase"): (point.increase_upper - point.increase_lower) / 2,
        ("truth", "area"): truth,
        ("truth", "increase"): truth - before,
    }


PLANS: dict[str, Callable[..., Hits]] = {
    "mean shift, separate": partial(plan_and_realise, quantity="mean_shift", nested=False),
    "mean shift, pairs": partial(plan_and_realise, quantity="mean_shift", nested=True),
    "mean gain, separate": partial(plan_and_realise, quantity="mean_gain", nested=False),
    "mean gain, nested": partial(plan_and_realise, quantity="mean_gain", nested=True),
    "area, separate": partial(plan_and_realise, quantity="area", nested=False),
    "area, nested": partial(plan_and_realise, quantity="area", nested=True),
}
FORECASTS: dict[str, Callable[..., Hits]] = {
    f"{learner} shift, {times} times the labels": partial(forecast, learner=learner, times=times)
    for learner in ("constant", "linear")
    for times in (3, 6)
}
