from __future__ import annotations

import numpy as np
import pytest
from oracles.contrast_model import log_likelihood, posterior_scores

from metarouter.routing._bradley_terry import tie_parameter, vote_moments, working_response
from metarouter.routing._contrast_model import (
    ContrastRows,
    VarianceComponents,
    _Model,
    contrast_gram,
    fit_contrasts,
)

N_MODELS = 4


def rows(n: int, seed: int, *, weighed: bool = False) -> ContrastRows:
    rng = np.random.default_rng(seed)
    features = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    first = rng.integers(N_MODELS - 1, size=n)
    second = rng.integers(first + 1, N_MODELS)
    weight = rng.uniform(0.5, 2, n) if weighed else np.ones(n)
    return ContrastRows(features, first, second, rng.normal(size=n), weight)


def test_scores_and_covariance_are_those_of_the_joint_normal_distribution() -> None:
    gold, preference = rows(30, 0, weighed=True), rows(40, 1, weighed=True)
    fit = fit_contrasts(
        contrast_gram(gold, N_MODELS), contrast_gram(preference, N_MODELS), N_MODELS
    )
    scores, covariance = posterior_scores(gold, preference, N_MODELS, fit.components)
    np.testing.assert_allclose(fit.scores, scores, atol=1e-8)
    np.testing.assert_allclose(fit.covariance, covariance, atol=1e-8)


def test_differences_of_log_likelihood_are_those_of_the_joint_normal_distribution() -> None:
    gold, preference = rows(30, 0), rows(40, 1)
    model = _Model(
        contrast_gram(gold, N_MODELS), contrast_gram(preference, N_MODELS), N_MODELS, None
    )
    ours, theirs = [], []
    for seed in range(3):
        x = np.random.default_rng(seed).normal(-0.5, 0.5, size=7)
        result = model.result(x)
        ours.append(result.log_likelihood)
        theirs.append(log_likelihood(gold, preference, N_MODELS, result.components))
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), atol=1e-8)


@pytest.mark.parametrize("loadings", [None, np.array([[1.0], [-0.5], [0.2], [0.1]])])
@pytest.mark.parametrize("sources", ["both", "gold", "preference"])
def test_gradient_is_the_derivative(loadings: np.ndarray | None, sources: str) -> None:
    gold = None if sources == "preference" else contrast_gram(rows(30, 0), N_MODELS)
    preference = None if sources == "gold" else contrast_gram(rows(40, 1), N_MODELS)
    model = _Model(gold, preference, N_MODELS, loadings)
    x = model.start(None) + 0.1
    steps = 1e-5 * np.eye(len(x))
    slopes = [(model.loss(x + step)[0] - model.loss(x - step)[0]) / 2e-5 for step in steps]
    np.testing.assert_allclose(model.loss(x)[1], slopes, atol=1e-4)


def test_low_rank_restricts_the_slopes() -> None:
    loadings = np.array([[1.0], [-0.5], [0.2], [0.1]])
    fit = fit_contrasts(
        contrast_gram(rows(30, 0), N_MODELS),
        contrast_gram(rows(40, 1), N_MODELS),
        N_MODELS,
        loadings=loadings,
    )
    ratio = fit.scores[:, 1:] / loadings
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0], ratio.shape))


def test_votes_without_ties_have_the_mean_of_the_logistic_model() -> None:
    lead = np.array([-3.0, 0.0, 1.5])
    mean = vote_moments(lead, 0.0).mean
    np.testing.assert_allclose(mean, 2 / (1 + np.exp(-lead)) - 1)


def test_moments_of_votes_are_those_of_their_probabilities() -> None:
    lead, tie = np.array([-1.0, 0.3]), 0.7
    win, loss = np.exp(lead / 2), np.exp(-lead / 2)
    total = win + loss + tie
    mean, variance = vote_moments(lead, tie)
    np.testing.assert_allclose(mean, (win - loss) / total)
    np.testing.assert_allclose(variance, (win + loss) / total - mean**2)


def test_fisher_scoring_finds_the_lead_and_the_ties_of_many_votes() -> None:
    rng = np.random.default_rng(0)
    win, loss, tie = np.exp(0.4), np.exp(-0.4), 0.6
    y = rng.choice([1.0, -1.0, 0.0], p=np.array([win, loss, tie]) / (win + loss + tie), size=40_000)
    lead, found = np.zeros(len(y)), 1.0
    for _ in range(20):
        response, weight = working_response(y, lead, found)
        lead = np.full(len(y), np.average(response, weights=weight))
        found = tie_parameter(y, lead, np.ones(len(y)))
    assert abs(lead[0] - 0.8) < 0.05
    assert abs(found - 0.6) < 0.05


def test_votes_that_are_never_tied_need_no_ties() -> None:
    assert tie_parameter(np.array([1.0, -1.0]), np.zeros(2), np.ones(2)) == 0.0


def test_one_source_has_no_bias_and_no_other_noise() -> None:
    fit = fit_contrasts(contrast_gram(rows(30, 0), N_MODELS), None, N_MODELS)
    assert isinstance(fit.components, VarianceComponents)
    assert np.isnan(fit.components.preference_noise)
    assert fit.components.sensitivity == 1.0
