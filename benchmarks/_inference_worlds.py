"""Worlds with known truth, and what every test and interval of the package says about one draw.

Every function draws one table and returns what happened: for each quantity, whether a test
rejected or an interval covered. Names begin with the measure: ``size`` (a true null was rejected),
``power`` (a false one was), ``coverage``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LinearRegression, LogisticRegression

from metarouter import MetaRouter, Nuisances, RLearner
from metarouter.datasets import LabelledQueries, make_healthbench_like
from metarouter.inference import (
    LIMITS,
    HeldOutPredictions,
    best_linear_projection,
    calibration_test,
    held_out_predictions,
    mean_shift_test,
    nuisance_quality,
    overlap_report,
    sensitivity_analysis,
    sorted_group_effects,
)
from metarouter.inference._labels import fitted_nuisances, scaled_labels
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


def no_shift(rng: np.random.Generator, n: int, nuisances: Callable[[], Any] = recipe) -> Hits:
    """No shift anywhere, gold queries not drawn at random: every null about the shift is true."""
    table = draw(rng, n)
    fitted = _fitted(table, nuisances)
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
            table.data, quick_router(), scaling=None, random_state=_seed(rng)
        )
        hits |= held_out_hits(table, held_out, known, "size")
    return hits


def some_shift(rng: np.random.Generator, n: int, *, with_models: bool) -> Hits:
    """Shift -0.3 + 0.3 x_2: power of every test, coverage of intervals away from zero."""
    table = draw(rng, n, mean=MEAN, slope=SLOPE)
    fitted = _fitted(table, recipe)
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
            table.data, quick_router(), scaling=None, random_state=_seed(rng)
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
    test = mean_shift_test(table.data, nuisances=recipe(), random_state=_seed(rng))
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
    test = mean_shift_test(data, scaling=None, nuisances=recipe(), random_state=_seed(rng))
    hits["coverage", "mean shift, aipw, 30 gold labels"] = covers(test.lower, test.upper, MEAN)
    return hits


@lru_cache(maxsize=1)
def _votes() -> tuple[LabelledQueries, float]:
    """Rubric gains and votes to draw from, and the mean shift with the factor of all of them."""
    data = make_healthbench_like(20_000, 64, random_state=1)
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


def quality(rng: np.random.Generator, n: int) -> Hits:
    """R2 and log loss of the very models that were fitted, whose truth is known in closed form."""
    table = draw(rng, n, mean=MEAN, slope=SLOPE, tilt=0.0)
    fitted = _fitted(table, recipe)
    found = nuisance_quality(table.data, nuisances=fitted, scaling=None)
    rows = table.data.training_rows()
    p, psi = GOLD_SHARE, np.array([0.5, 1.0, 0.5, 0.0, 0.0])
    delta = np.array([MEAN, 0.0, SLOPE, 0.0, 0.0])
    between = p * (1 - p) * (delta @ delta)  # variance of the label around gamma, from the source
    models = {
        "gold_outcome": (rows.is_gold, psi, 1.0),
        "preference_outcome": (~rows.is_gold, psi - delta, 1.0),
        "marginal_outcome": (np.ones(len(rows.y), bool), psi - (1 - p) * delta, 1.0 + between),
    }
    hits: Hits = {}
    for name, (of, truth, noise) in models.items():
        error = []
        for train, test in fitted.folds_:
            kept = train[of[train]]
            line = LinearRegression().fit(rows.X[kept], rows.y[kept])
            gap = np.append(line.intercept_, line.coef_) - truth
            error.append((of[test].sum(), noise + gap @ gap))
        mean = np.average([e for _, e in error], weights=[w for w, _ in error])
        r2 = 1 - mean / (noise + truth[1:] @ truth[1:])
        measured = found.r2[name]
        hits["coverage", f"R2 of {name}"] = covers(measured.lower, measured.upper, r2)
    loss = np.mean([_true_log_loss(rows, train) for train, _ in fitted.folds_])
    hits["coverage", "log loss of the propensity"] = covers(
        found.log_loss.lower, found.log_loss.upper, loss
    )
    kappa = rows.is_gold.mean()  # the constant that the model is compared with
    base = -p * np.log(kappa) - (1 - p) * np.log(1 - kappa)
    ratio = found.log_loss_ratio
    hits["coverage", "log loss over that of a constant"] = covers(
        ratio.lower, ratio.upper, loss / base
    )
    return hits


def _true_log_loss(rows: Any, train: np.ndarray) -> float:
    model = LogisticRegression(C=np.inf).fit(rows.X[train], rows.is_gold[train])
    node, weight = np.polynomial.hermite_e.hermegauss(30)
    score = model.intercept_[0] + np.linalg.norm(model.coef_) * node
    loss = GOLD_SHARE * np.log1p(np.exp(-score)) + (1 - GOLD_SHARE) * np.log1p(np.exp(score))
    return float(weight @ loss / weight.sum())


def support(rng: np.random.Generator, n: int, *, tilt: float) -> Hits:
    """Share out of support and effective share of gold labels, under the fitted propensity."""
    table = draw(rng, n, tilt=tilt)
    labels = scaled_labels(table.data, None)
    fitted = fitted_nuisances(labels, recipe(), ("propensity",), 0)
    report = overlap_report(table.data, nuisances=fitted, scaling=None)
    rows = table.data.training_rows()
    kappa = rows.is_gold.mean()
    odds = kappa / (1 - kappa) / LIMITS["density_ratio"].passes
    curve = np.polyfit(logit(fitted.propensity_), logit(report.propensity), 1)
    node = np.linspace(-8.5, 8.5, 4001)  # of the fitted index, which is normal
    weight = np.exp(-(node**2) / 2) / np.exp(-(node**2) / 2).sum()
    shares, mean, inverse = [], [], []
    for train, _ in fitted.folds_:
        model = LogisticRegression(C=np.inf).fit(rows.X[train], rows.is_gold[train])
        length = np.linalg.norm(model.coef_)
        raw = np.clip(expit(model.intercept_[0] + length * node), *_clip(fitted))
        p = expit(np.polyval(curve, logit(raw)))
        preference = weight * _preference_given(node, model.coef_[0, 0] / length, tilt)
        shares.append(preference[p < odds / (1 + odds)].sum() / preference.sum())
        mean.append(weight @ p)
        inverse.append(weight @ (1 / p))
    out, gold = report.out_of_support, report.effective_gold
    effective = 1 / (np.mean(mean) * np.mean(inverse))
    words = f"selection {tilt:g}"
    return {
        ("coverage", f"share out of support, {words}"): covers(
            out.lower, out.upper, np.mean(shares)
        ),
        ("coverage", f"effective share of gold, {words}"): covers(
            gold.lower, gold.upper, effective
        ),
    }


def _clip(fitted: Nuisances) -> tuple[float, float]:
    return fitted.overlap_.lower, fitted.overlap_.upper


def _preference_given(index: np.ndarray, correlation: float, tilt: float) -> np.ndarray:
    """P(preference | index), when the first feature has this correlation with the index."""
    node, weight = np.polynomial.hermite_e.hermegauss(20)
    first = correlation * index[:, None] + np.sqrt(1 - correlation**2) * node
    return (1 - propensity(first, tilt)) @ (weight / weight.sum())


def hidden_difference(rng: np.random.Generator, n: int) -> Hits:
    """Let an unmeasured sign u of known strength move both the odds of gold and the labels."""
    strength = _hidden_strength()
    X, u = rng.standard_normal((n, D)), rng.choice([-1.0, 1.0], n)
    is_gold = rng.random(n) < expit(logit(GOLD_SHARE) + 0.5 * X[:, 0] + 0.5 * u)
    psi = X[:, 0] + X[:, 1] / 2 + 0.4 * u
    label = psi - np.where(is_gold, 0.0, MEAN) + rng.standard_normal(n)
    data = LabelledQueries(
        X=X, gold=np.where(is_gold, label, np.nan), preference=np.where(is_gold, np.nan, label)
    )
    found = sensitivity_analysis(
        data,
        outcome_strength=strength[0],
        source_strength=strength[1],
        benchmark=None,
        nuisances=recipe(),
        scaling=None,
        random_state=_seed(rng),
    )
    bound = found.scenarios[0].bound
    return {
        ("coverage", "mean shift, unmeasured difference ignored"): covers(
            found.lower, found.upper, MEAN
        ),
        ("coverage", "mean shift, unmeasured difference of known strength"): covers(
            bound.interval_lower, bound.interval_upper, MEAN
        ),
    }


@lru_cache(maxsize=1)
def _hidden_strength() -> tuple[float, float]:
    """c_y and c_d of the sign in `hidden_difference`, by quadrature over the first feature."""
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    long = expit(logit(GOLD_SHARE) + 0.5 * node[:, None] + 0.5 * np.array([-1.0, 1.0]))
    short = long.mean(axis=1)
    nu2_long = float(weight @ (1 / (long * (1 - long))).mean(axis=1))
    nu2_short = float(weight @ (1 / (short * (1 - short))))
    given_gold = (long[:, 1] - long[:, 0]) / (2 * short)  # E(u | x, gold)
    given_preference = (long[:, 0] - long[:, 1]) / (2 * (1 - short))
    explained = float(weight @ (short * given_gold**2 + (1 - short) * given_preference**2))
    left = 0.4**2 * (1 - explained)  # variance of 0.4 u given x and the source
    return left / (1 + left), 1 - nu2_short / nu2_long


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


def _fitted(table: Table, nuisances: Callable[[], Any]) -> Nuisances:
    return fitted_nuisances(scaled_labels(table.data, None), nuisances(), ALL_NUISANCES, 0)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


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
