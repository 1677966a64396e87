"""Simulated queries with the published facts of the HealthBench study of Meta-Router.

The published facts (Meta-Router, section 4.1, figure S2, appendix A.7) are these: 5000 queries;
768-dimensional embeddings; gold labels that are differences of two rubric scores; votes of a
judge in {-1, 0, 1}; after the variances are aligned (Remark 1 (2)) the mean of r - y is about
-0.47, and a two-sided t-test of it has p < 2.2e-16. Every constant below was set from these facts
and from what is plausible beforehand, as said beside it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import betaincinv, expit, ndtr
from threadpoolctl import threadpool_limits

from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._truth import Truth
from metarouter.datasets._votes import cast_votes, normalising_scale
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

__all__ = ["make_healthbench_like"]

# The world behind the queries is one and the same for every random_state: directions of the
# embedding, weights of the factors, and the sample that fixes the variance normalisation.
_WORLD_SEED = 768

# Embeddings of one domain's texts point the same way: cosine about 0.6 between two queries.
_COMMON_SHARE = 0.6
_N_FACTORS = 256  # low rank: a third of 768
_N_SIGNAL_FACTORS = 32  # nothing that matters hides behind the first 32 factors

# Two models and about ten criteria a query; answers meet about half of them. Criteria of one
# answer are met or missed together (correlation 0.15). The primary meets eight criteria in a
# hundred more. This leaves a fifth of the variance of the gains to the query: rubric gains are
# only moderately predictable from the text of a query (R2 between 0.15 and 0.3).
_FEWEST_CRITERIA = 3
_MEAN_FURTHER_CRITERIA = 7.0
_CRITERION_CORRELATION = 0.15
_LEVEL_SD = 0.6
_GAP_MEAN = 0.36
_GAP_SD = 0.75


class _Judge(NamedTuple):
    """How a judge departs from psi, in units of its votes; ties follow `tie_probability`."""

    bias: float  # over-preference of the primary
    insensitivity: float  # share of a standard deviation of the gold gap that it does not feel
    taste: float  # of its own: it follows the broadest factors, as tastes for length or tone do


_JUDGES = {
    # Solved for three published moments before any router was scored on these queries: the mean
    # -0.47 of figure S2, and, from the shares of criteria that physicians and two judges hold met
    # in 34 categories of HealthBench, the standard deviation of Delta (0.489 of that of a label,
    # root mean square of 0.337 and 0.604) and its correlation with psi (0.22, from 0.21 and 0.23).
    # The sensitivity is above that of psi to make up for votes that cannot leave [-1, 1].
    "by_category": _Judge(bias=0.60, insensitivity=-0.10, taste=0.46),
    # Set by plausibility before there were published facts on the spread: votes about as
    # predictable from the query as gains are. Delta spreads less (0.40), follows psi more (0.61).
    "assumed": _Judge(bias=0.48, insensitivity=0.12, taste=0.24),
}
# Vote and rubrics look at the same two answers, so what they add to psi and eta is correlated.
_AGREEMENT = 0.4


class _Signals(NamedTuple):
    """What the factors of a query decide, each (n,) with mean 0 and variance 1 but `level`."""

    gap: NDArray[np.float64]
    level: NDArray[np.float64]
    taste: NDArray[np.float64]


class _Rubric(NamedTuple):
    """Expected score of each model, each (n,)."""

    primary: NDArray[np.float64]
    alternative: NDArray[np.float64]


@validated()
def make_healthbench_like(
    n_queries: int = 5000,
    n_features: int = 768,
    *,
    bias: float = 1.0,
    heterogeneity: float = 1.0,
    judge: Literal["by_category", "assumed"] = "by_category",
    random_state: int | Generator | None = None,
) -> LabelledQueries:
    """Make queries with rubric gains and biased votes, as in the HealthBench study.

    Every query carries both labels. `gold` is the difference of two rubric scores, each a share
    of criteria met, so it lies in [-1, 1] and steps by one over the number of criteria.
    `preference` is the vote of a judge, 1 for the primary, -1 for the alternative, 0 for a tie.

    Parameters
    ----------
    n_queries : int, default=5000
        Number of queries.
    n_features : int, default=768
        Length of the embeddings, at least 64. Below 257 the factors of the embedding are fewer
        than 256, which leaves psi, eta and Delta as they are.
    bias : float, default=1.0
        Multiplies the constant part of the judge's bias. At 1 the mean of c r - y is about
        -0.47, where c r has the variance of y.
    heterogeneity : float, default=1.0
        Multiplies the part of the judge's bias that depends on the query. At 1 its standard
        deviation is about 0.35 (0.28 for the assumed judge), where a vote has one of 0.7.
    judge : {"by_category", "assumed"}, default="by_category"
        "by_category" has the spread of bias that two judges show against physicians over the
        categories of HealthBench. "assumed" is the judge of earlier versions, whose spread no
        published fact had fixed.
    random_state : int, Generator or None, default=None
        Seed of the queries and labels. The functions psi, eta and Delta do not depend on it.

    Returns
    -------
    LabelledQueries
        With `truth`, and the seven themes of the queries as `domain`. All of `psi`, `eta` and
        `delta` are in variance-normalised units, those of the votes: `truth.gold_scale` is
        c = sd(y) / sd(r) in the population, ``truth.psi = c E(r | s)`` and
        ``truth.gold_psi = E(r | s)``.

    Raises
    ------
    DataError
        If a count is too small, or a multiplier is not a finite number.

    Notes
    -----
    Factors ``g`` of a query are independent standard normals; factor k has variance ∝ 1/k in the
    embedding, which has rank 256 beside a common direction and unit length, so that the first 50
    principal components keep about three quarters of the variance.

    Primary and alternative meet a criterion with probability ``expit(level(g) + gap(g) / 2)`` and
    ``expit(level(g) - gap(g) / 2)``; the number of criteria met is beta-binomial. The gap is
    linear in the factors up to a bend, two interactions and a wave.

    The vote has mean ``eta = clip(psi - Delta*, -1, 1)``, where
    ``Delta* = -0.60 bias + heterogeneity (0.46 taste - 0.10 gap)``, with gap and taste in
    standard deviations (``-0.48 bias + heterogeneity (0.24 taste + 0.12 gap)`` for the assumed
    judge); it is a tie with probability ``0.25 (1 - eta^2)``. So ``Delta = Delta*``
    wherever a vote in [-1, 1] can have that mean, and the judge is more predictable only where
    it is always of one opinion. ``bias=0, heterogeneity=0`` is the judge with ``eta = psi``
    (``Delta = 0``) up to that limit. `c` solves ``c = sd(y) / sd(r)`` with ``eta`` depending on
    it, once for each pair of multipliers. `notes` says how many queries stand at the limit.

    The constants were set from the published facts and plausibility before any router was
    fitted to these data, and are not to be tuned by a router's score.

    References
    ----------
    Meta-Router: Bridging Gold-standard and Preference-based Evaluations in LLM Routing,
    section 4.1 and figure S2. Shares of criteria met by category, of 29,511 that physicians have
    judged in HealthBench's meta-evaluation, for gpt-4o-mini and claude-haiku-4-5:
    cimo-labs/healthbench-judge-audit.

    Examples
    --------
    >>> data = make_healthbench_like(n_queries=500, random_state=0)
    >>> data.X.shape, data.n_paired
    ((500, 768), 500)
    >>> sorted(set(data.preference.tolist()))
    [-1.0, 0.0, 1.0]
    """
    _check_arguments(n_queries, n_features, bias, heterogeneity)
    rng = np.random.default_rng(random_state)
    # The last bits of a matrix product depend on the number of threads; a seed must not.
    with threadpool_limits(limits=1):
        factors = rng.standard_normal((n_queries, min(_N_FACTORS, n_features - 1)))
        signals = _signals(factors)
        rubric = _rubric(signals)
        gold_scale = _gold_scale(bias, heterogeneity, judge)
        psi = gold_scale * (rubric.primary - rubric.alternative)
        eta = _vote_mean(psi, signals, _scaled(judge, bias, heterogeneity))
        gold, preference = _draw_labels(rubric, eta, rng)
        X = _embed(factors, n_features)
    saturated = int((np.abs(eta) >= 1).sum())
    return LabelledQueries(
        X=X,
        gold=gold,
        preference=preference,
        domain=np.array([f"theme {k + 1}" for k in factors[:, :7].argmax(axis=1)], dtype=object),
        truth=Truth(psi, eta, psi - eta, np.full(n_queries, 0.5), gold_scale),
        name="healthbench_like",
        notes=(
            "simulated with the published facts of HealthBench as studied by Meta-Router"
            + ("" if judge == "by_category" else ", the judge's spread of bias assumed"),
            f"on {saturated} of {n_queries} queries the judge always gives the same vote",
        ),
    )


def _check_arguments(n_queries: int, n_features: int, bias: float, heterogeneity: float) -> None:
    if n_queries < 1:
        raise DataError(f"n_queries is {n_queries}: ask for at least 1 query.")
    if n_features < 64:
        raise DataError(f"n_features is {n_features}: ask for at least 64 features.")
    for name, value in (("bias", bias), ("heterogeneity", heterogeneity)):
        if not np.isfinite(value):
            raise DataError(f"{name} is {value}: give a finite number, 1.0 for the default.")


def _signals(factors: NDArray[np.float64]) -> _Signals:
    """Functions of the first 32 factors; independence gives each part its variance exactly."""
    g = factors[:, :_N_SIGNAL_FACTORS]
    rng = np.random.default_rng(_WORLD_SEED)
    slopes = rng.choice([-1.0, 1.0], size=24) / np.sqrt(np.arange(1, 25))
    tastes = rng.choice([-1.0, 1.0], size=6) / np.sqrt(np.arange(1, 7))
    line = g[:, :24] @ (slopes / np.linalg.norm(slopes))
    interaction = (g[:, 0] * g[:, 2] + g[:, 1] * g[:, 4]) / np.sqrt(2)
    wave = np.sin(1.5 * g[:, 24]) / np.sqrt((1 - np.exp(-2 * 1.5**2)) / 2)
    return _Signals(
        gap=np.sqrt(0.6) * _uniform_scores(line)
        + np.sqrt(0.25) * interaction
        + np.sqrt(0.15) * wave,
        level=_LEVEL_SD * (g[:, 5] + g[:, 25]) / np.sqrt(2),
        taste=_uniform_scores(g[:, :6] @ (tastes / np.linalg.norm(tastes))),
    )


def _uniform_scores(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bend standard normals to uniforms of mean 0 and variance 1: an effect that levels off."""
    return np.asarray(np.sqrt(12) * (ndtr(normal) - 0.5))


def _rubric(signals: _Signals) -> _Rubric:
    gap = _GAP_MEAN + _GAP_SD * signals.gap
    return _Rubric(expit(signals.level + gap / 2), expit(signals.level - gap / 2))


def _scaled(judge: str, bias: float, heterogeneity: float) -> _Judge:
    whole = _JUDGES[judge]
    return _Judge(
        bias * whole.bias, heterogeneity * whole.insensitivity, heterogeneity * whole.taste
    )


def _vote_mean(psi: NDArray[np.float64], signals: _Signals, judge: _Judge) -> NDArray[np.float64]:
    of_query = judge.insensitivity * signals.gap + judge.taste * signals.taste
    return np.clip(psi + judge.bias - of_query, -1.0, 1.0)


@lru_cache(maxsize=128)
def _gold_scale(bias: float, heterogeneity: float, judge: str) -> float:
    """Bring gold labels to the variance of the votes, over a large sample of queries."""
    rng = np.random.default_rng(_WORLD_SEED)
    signals = _signals(rng.standard_normal((100_000, _N_SIGNAL_FACTORS)))
    rubric = _rubric(signals)
    gain = rubric.primary - rubric.alternative
    criteria = _FEWEST_CRITERIA + rng.poisson(_MEAN_FURTHER_CRITERIA, size=gain.size)
    # Variance of a beta-binomial share (1 + (m - 1) rho) / m times that of one criterion.
    inflation = (1 + (criteria - 1) * _CRITERION_CORRELATION) / criteria
    noise = inflation * sum(share * (1 - share) for share in rubric)
    gold_sd = np.sqrt(gain.var() + noise.mean())

    def vote_mean(scale: float) -> NDArray[np.float64]:
        return _vote_mean(scale * gain, signals, _scaled(judge, bias, heterogeneity))

    return normalising_scale(vote_mean, float(gold_sd))


def _draw_labels(
    rubric: _Rubric, eta: NDArray[np.float64], rng: Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n_queries = eta.size
    answers = rng.standard_normal((2, n_queries))  # how well each model's answer turned out
    criteria = _FEWEST_CRITERIA + rng.poisson(_MEAN_FURTHER_CRITERIA, size=n_queries)
    concentration = 1 / _CRITERION_CORRELATION - 1
    scores = []
    for answer, share in zip(answers, rubric, strict=True):
        met = betaincinv(concentration * share, concentration * (1 - share), ndtr(answer))
        scores.append(rng.binomial(criteria, met) / criteria)
    impression = _AGREEMENT * (answers[0] - answers[1]) / np.sqrt(2)
    impression += np.sqrt(1 - _AGREEMENT**2) * rng.standard_normal(n_queries)
    return scores[0] - scores[1], cast_votes(eta, impression)


def _embed(factors: NDArray[np.float64], n_features: int) -> NDArray[np.float64]:
    """Lay the factors, with variances falling like 1/k, beside a common direction; unit length."""
    n_factors = factors.shape[1]
    spread = 1 / np.sqrt(np.arange(1, n_factors + 1))
    spread *= np.sqrt((1 - _COMMON_SHARE) / np.sum(spread**2))
    directions = _directions(n_factors + 1, n_features)
    X = np.sqrt(_COMMON_SHARE) * directions[0] + (factors * spread) @ directions[1:]
    return np.asarray(X / np.linalg.norm(X, axis=1, keepdims=True))


@lru_cache(maxsize=4)
def _directions(n_directions: int, n_features: int) -> NDArray[np.float64]:
    normal = np.random.default_rng(_WORLD_SEED).standard_normal((n_features, n_directions))
    return np.ascontiguousarray(np.linalg.qr(normal)[0].T)
