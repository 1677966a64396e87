"""What the checks of the data say in worlds with known truth; see `_inference_worlds`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LinearRegression, LogisticRegression

from benchmarks._labelled_worlds import (
    GOLD_SHARE,
    MEAN,
    SLOPE,
    D,
    Hits,
    all_fitted,
    covers,
    draw,
    propensity,
    recipe,
    seed_from,
)
from metarouter import Nuisances
from metarouter.datasets import LabelledQueries
from metarouter.inference import (
    DECISION_THRESHOLDS,
    nuisance_quality,
    overlap_report,
    sensitivity_analysis,
)
from metarouter.inference.labels import fitted_nuisances, scaled_labels


def quality(rng: np.random.Generator, n: int) -> Hits:
    """R2 and log loss of the very models that were fitted, whose truth is known in closed form."""
    table = draw(rng, n, mean=MEAN, slope=SLOPE, tilt=0.0)
    fitted = all_fitted(table, recipe)
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
    odds = kappa / (1 - kappa) / DECISION_THRESHOLDS["density_ratio"].passes
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
        random_state=seed_from(rng),
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
