"""Worlds with known truth, and what every test and interval of the package says about one draw.

Every function draws one table and returns what happened: for each quantity, whether a test
rejected or an interval covered. Names begin with the measure: ``size`` (a true null was rejected),
``power`` (a false one was), ``coverage``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression

from benchmarks._data_worlds import hidden_difference, quality, support
from benchmarks._labelled_worlds import (
    GOLD_SHARE,
    MEAN,
    SLOPE,
    D,
    Hits,
    Table,
    all_fitted,
    covers,
    draw,
    quick_router,
    recipe,
    seed_from,
)
from metarouter import MetaRouter, Nuisances, RLearner
from metarouter.datasets import LabelledQueries, make_healthbench_like
from metarouter.inference import (
    HeldOutPredictions,
    best_linear_projection,
    calibration_test,
    held_out_predictions,
    mean_shift_test,
    sorted_group_effects,
)
from metarouter.inference.labels import scaled_labels


def no_shift(rng: np.random.Generator, n: int, nuisances: Callable[[], Any] = recipe) -> Hits:
    """No shift anywhere, gold queries not drawn at random: every null about the shift is true."""
    table = draw(rng, n)
    fitted = all_fitted(table, nuisances)
    known: dict[str, Any] = {"scaling": None, "nuisances": fitted}
    hits: Hits = {}
    for method in ("aipw", "overlap"):
        test = mean_shift_test(table.data, method=method, **known)
        hits["size", f"mean shift, {method}"] = test.p_value < 0.05
        hits["coverage", f"mean shift, {method}"] = covers(test.lower, test.upper, 0.0)
    for side in ("less", "greater"):
        test = mean_shift_test(table.data, method="aipw", alternative=side, **known)
        hits["size", f"mean shift, aipw, one-sided: {side}"] = test.p_value < 0.05
    hits |= _projection_hits(table, known, np.zeros(1 + D), "size")
    if nuisances is recipe:
        held_out = held_out_predictions(
            table.data, quick_router(), scaling=None, random_state=seed_from(rng)
        )
        hits |= held_out_hits(table, held_out, known, "size")
    return hits


def some_shift(rng: np.random.Generator, n: int, *, with_models: bool) -> Hits:
    """Shift -0.3 + 0.3 x_2: power of every test, coverage of intervals away from zero."""
    table = draw(rng, n, mean=MEAN, slope=SLOPE)
    fitted = all_fitted(table, recipe)
    known: dict[str, Any] = {"scaling": None, "nuisances": fitted}
    hits: Hits = {}
    for method in ("aipw", "overlap"):
        test = mean_shift_test(table.data, method=method, **known)
        hits["power", f"mean shift, {method}"] = test.p_value < 0.05
        hits["coverage", f"mean shift away from 0, {method}"] = covers(test.lower, test.upper, MEAN)
    hits |= _projection_hits(table, known, np.array([MEAN, 0, SLOPE, 0, 0]), "power")
    rows = table.data.training_rows()
    for effect, truth in (("shift", table.delta), ("gain", table.psi)):
        test = calibration_test(rows, truth, effect=effect, **known)
        hits["size", f"calibration of the true {effect}: mean is 1"] = test.p_calibrated[0] < 0.05
        hits["size", f"calibration of the true {effect}: slope is 1"] = test.p_calibrated[1] < 0.05
        hits["coverage", f"calibration of the true {effect}, both"] = _bonferroni(test)
    if with_models:
        held_out = held_out_predictions(
            table.data, quick_router(), scaling=None, random_state=seed_from(rng)
        )
        hits |= held_out_hits(table, held_out, known, "power")
    return hits


def no_gain(rng: np.random.Generator, n: int) -> Hits:
    """Gain of 0.5 for every query: predicted differences of the gain are noise."""
    table = draw(rng, n, gain=0.0)
    line = LinearRegression()
    held_out = held_out_predictions(
        table.data, MetaRouter(RLearner(line, "constant", line, cv=2), line), scaling=None
    )
    test = calibration_test(table.data, held_out, effect="gain", scaling=None)
    return {
        ("size", "calibration of the gain, forward: slope above 0"): test.p_value[1] < 0.05,
        ("coverage", "calibration of the gain, forward: slope"): covers(
            test.lower[1], test.upper[1], 0.0
        ),
    }


def two_units(rng: np.random.Generator, n: int, *, shift: float = 0.0) -> Hits:
    """Gold labels in another unit, the factor estimated; all means are far from zero."""
    measure = "size" if shift == 0 else "power"
    hits: Hits = {}
    table = draw(rng, n, mean=shift, tilt=0.0, gold_unit=2.0, both=True)
    test = mean_shift_test(table.data)
    hits[measure, "mean shift, paired, factor estimated"] = test.p_value < 0.05
    hits["coverage", f"mean shift of {shift:g}, paired, factor estimated"] = covers(
        test.lower, test.upper, shift
    )
    table = draw(rng, n, mean=shift, tilt=0.0, gold_unit=2.0)
    test = mean_shift_test(table.data, nuisances=recipe(), random_state=seed_from(rng))
    hits[measure, "mean shift, aipw, factor estimated"] = test.p_value < 0.05
    hits["coverage", f"mean shift of {shift:g}, aipw, factor estimated"] = covers(
        test.lower, test.upper, shift
    )
    test = mean_shift_test(table.data, method="difference")
    hits[measure, "mean shift, difference, factor estimated"] = test.p_value < 0.05
    return hits


def few_groups(rng: np.random.Generator, n: int, *, n_groups: int = 10) -> Hits:
    """Labels that depend on each other within ten groups."""
    hits: Hits = {}
    table = draw(rng, n, tilt=0.0, both=True, n_groups=n_groups)
    test = mean_shift_test(table.data, scaling=None)
    hits["size", f"mean shift, paired, {n_groups} groups"] = test.p_value < 0.05
    table = draw(rng, n, tilt=0.0, n_groups=n_groups)
    test = mean_shift_test(table.data, method="difference", scaling=None)
    hits["size", f"mean shift, difference, {n_groups} groups"] = test.p_value < 0.05
    return hits


def scarce(rng: np.random.Generator, n: int) -> Hits:
    """Draw the fewest labels that are judged at all: 30 pairs; 30 gold labels among n."""
    hits: Hits = {}
    table = draw(rng, 30, mean=MEAN, both=True)
    test = mean_shift_test(table.data, scaling=None)
    hits["coverage", "mean shift, 30 pairs"] = covers(test.lower, test.upper, MEAN)
    votes, truth = _votes()
    test = mean_shift_test(votes.subset(rng.choice(votes.n_queries, 30, replace=False)))
    hits["coverage", "mean shift, 30 pairs of rubric gains and votes, factor estimated"] = covers(
        test.lower, test.upper, truth
    )
    table = draw(rng, n, tilt=0.0, mean=MEAN)
    gold = table.data.gold.copy()
    gold[np.flatnonzero(~np.isnan(gold))[30:]] = np.nan
    kept = ~(np.isnan(gold) & np.isnan(table.data.preference))
    data = LabelledQueries(table.data.X[kept], gold[kept], table.data.preference[kept])
    test = mean_shift_test(data, scaling=None, nuisances=recipe(), random_state=seed_from(rng))
    hits["coverage", "mean shift, aipw, 30 gold labels"] = covers(test.lower, test.upper, MEAN)
    return hits


@lru_cache(maxsize=1)
def _votes() -> tuple[LabelledQueries, float]:
    """Rubric gains and votes to draw from, and the mean shift with the factor of all of them."""
    data = make_healthbench_like(20_000, 64, judge="assumed", random_state=1)
    factor = data.preference.std() / data.gold.std()
    return data, float(np.mean(factor * data.gold - data.preference))


def held_out_hits(table: Table, held_out: HeldOutPredictions, known: Any, measure: str) -> Hits:
    """Calibration tests and sorted groups of held-out predictions, no shift being the null."""
    scheme = held_out.scheme
    test = calibration_test(table.data, held_out, **known)
    hits: Hits = {
        (measure, f"calibration of the shift, {scheme}: mean above 0"): test.p_value[0] < 0.05,
        (measure, f"calibration of the shift, {scheme}: slope above 0"): test.p_value[1] < 0.05,
    }
    n_groups = 5 if len(table.psi) >= 1000 else 3
    groups = sorted_group_effects(table.data, held_out, n_groups=n_groups, **known)
    if np.isfinite(groups.contrast):
        hits[measure, f"sorted groups, {scheme}: highest above lowest"] = (
            groups.contrast_p_value < 0.05
        )
        if measure == "size":
            ends = (groups.simultaneous_lower, groups.simultaneous_upper)
            hits["coverage", f"sorted groups, {scheme}: simultaneous"] = covers(*ends, 0.0)
            hits["coverage", f"sorted groups, {scheme}: one group"] = covers(
                groups.lower[0], groups.upper[0], 0.0
            )
            hits["coverage", f"sorted groups, {scheme}: contrast"] = covers(
                groups.contrast_lower, groups.contrast_upper, 0.0
            )
    if measure == "size":
        hits["coverage", f"calibration of the shift, {scheme}: slope"] = covers(
            test.lower[1], test.upper[1], 0.0
        )
    return hits


def schemes(rng: np.random.Generator, n: int) -> Hits:
    """Predict no shift forward and cross-fitted, with true nuisances, so that it is quick."""
    table = draw(rng, n, tilt=0.0)
    labels = scaled_labels(table.data, None)
    rows = labels.training_data()
    source_residual = rows.is_gold - GOLD_SHARE
    outcome_residual = labels.y - table.psi
    score = outcome_residual * source_residual / (GOLD_SHARE * (1 - GOLD_SHARE))
    squares = np.column_stack([rows.X, *(rows.X[:, [k]] * rows.X[:, k:] for k in range(D))])
    fold = rng.permutation(n) % 5
    fitted = _TrueNuisances(table.psi, np.full(n, GOLD_SHARE))
    hits: Hits = {}
    for scheme, first in (("forward", 2), ("cross_fit", 0)):
        prediction = np.full(n, np.nan)
        for number in range(first, 5):
            train = fold < number if scheme == "forward" else fold != number
            model = LinearRegression().fit(squares[train], score[train])
            prediction[fold == number] = model.predict(squares[fold == number])
        held_out = HeldOutPredictions(
            prediction, prediction, np.where(fold < first, -1, fold), scheme
        )
        test = calibration_test(
            table.data,
            held_out,
            scaling=None,
            nuisances=fitted,  # type: ignore[arg-type]
        )
        hits["size", f"14 coefficients, {scheme}: slope above 0"] = test.p_value[1] < 0.05
        hits["size", f"14 coefficients, {scheme}: mean above 0"] = test.p_value[0] < 0.05
    return hits


class _TrueNuisances(Nuisances):
    """Nuisances that are known."""

    def __init__(self, marginal_outcome: np.ndarray, p: np.ndarray) -> None:
        super().__init__()
        self.marginal_outcome_, self.propensity_ = marginal_outcome, p
        self.overlap_ = type("All", (), {"in_overlap": np.ones(len(p), dtype=bool)})()

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def require(self, data: Any, names: Any) -> None:
        """Take any data."""


def _projection_hits(table: Table, known: Any, truth: np.ndarray, measure: str) -> Hits:
    found = best_linear_projection(table.data, **known)
    if not np.isfinite(found.joint.p_value):
        return {}
    ends = (found.simultaneous_lower[1:], found.simultaneous_upper[1:])
    world = "no shift" if measure == "size" else "some shift"
    return {
        (measure, "projection: all slopes zero"): found.joint.p_value < 0.05,
        ("coverage", f"projection, {world}: all slopes"): covers(*ends, truth[1:]),
        ("coverage", f"projection, {world}: second slope"): covers(
            found.lower[2], found.upper[2], truth[2]
        ),
        ("coverage", f"projection, {world}: mean"): covers(
            found.lower[0], found.upper[0], truth[0]
        ),
    }


def _bonferroni(test: Any) -> bool:
    """Cover both coefficients at once: each at 97.5%."""
    return bool((test.p_calibrated > 0.025).all())


STUDIES: dict[str, Callable[..., Hits]] = {
    "no_shift": no_shift,
    "some_shift": partial(some_shift, with_models=False),
    "some_shift_models": partial(some_shift, with_models=True),
    "no_gain": no_gain,
    "two_units": two_units,
    "two_units_shifted": partial(two_units, shift=MEAN),
    "few_groups": few_groups,
    "scarce": scarce,
    "quality": quality,
    "support": partial(support, tilt=1.0),
    "hidden_difference": hidden_difference,
    "schemes": schemes,
    "support_strong": partial(support, tilt=1.5),
    "default_forests": partial(no_shift, nuisances=Nuisances),
}
