"""Monitoring written naively: one row at a time, from the formulas, with none of our code."""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import quad


def mean_half_width(values, alpha, horizon):
    """Waudby-Smith et al. (2024), theorem 2.2, with the sample standard deviation."""
    n = len(values)
    log = -2 * math.log(alpha)
    rho2 = (log + math.log(log + 1)) / horizon
    inside = 2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha)
    return np.std(values, ddof=1) * math.sqrt(inside)


def share_evidence(total, n, share, spread):
    """Log of the mixture over bets b ~ Normal(0, spread^2), by quadrature."""

    def integrand(bet):
        log_won = bet * total - n * math.log(1 - share + share * math.exp(bet))
        return math.exp(log_won - bet**2 / (2 * spread**2)) / (spread * math.sqrt(2 * math.pi))

    peak = math.log(total / (n - total)) - math.log(share / (1 - share))
    return math.log(quad(integrand, -12 * spread, 12 * spread, points=[0, peak], limit=500)[0])


def gain_scores(primary, prediction, gold, probability, needed=20, shrinkage=5):
    """Debiased scores: every row is predicted by weighted least squares on the rows before it."""
    scores = []
    for i in range(len(primary)):
        before = [j for j in range(i) if primary[j] == primary[i]]
        usual = [prediction[j] for j in before if not np.isnan(prediction[j])]
        filled = {
            j: (np.mean([prediction[k] for k in before if k < j and not np.isnan(prediction[k])])
                if np.isnan(prediction[j]) else prediction[j])
            for j in before
        }  # fmt: skip
        own = np.mean(usual) if np.isnan(prediction[i]) else prediction[i]
        labelled = [j for j in before if not np.isnan(gold[j])]
        guess = 0.0
        if labelled:
            f = np.array([filled[j] for j in labelled])
            r, p = gold[labelled], probability[labelled]
            weight = (1 - p) / p**2
            mean_f, mean_r = np.average(f, weights=weight), np.average(r, weights=weight)
            slope = 0.0
            if len(labelled) >= needed:
                slope = np.sum(weight * (f - mean_f) * (r - mean_r))
                slope /= np.sum(weight * (f - mean_f) ** 2)
            slope *= len(labelled) / (len(labelled) + shrinkage)
            guess = np.clip(mean_r + slope * (own - mean_f), r.min(), r.max())
        correction = 0.0 if np.isnan(gold[i]) else (gold[i] - guess) / probability[i]
        scores.append(guess + correction)
    return np.array(scores)


def p_values(scores, ties):
    """Share of the scores so far that are larger, ties split by given uniform numbers."""
    return np.array(
        [
            (sum(s > scores[i] for s in scores[: i + 1])
             + ties[i] * sum(s == scores[i] for s in scores[: i + 1])) / (i + 1)
            for i in range(len(scores))
        ]
    )  # fmt: skip


def jumper(p, jump, slopes):
    """Capital of the simple jumper after every p-value."""
    capital, course = np.full(len(slopes), 1 / len(slopes)), []
    for value in p:
        capital = (1 - jump) * capital + jump * capital.sum() / len(slopes)
        capital = capital * (1 + np.array(slopes) * (value - 0.5))
        course.append(capital.sum())
    return np.array(course)
