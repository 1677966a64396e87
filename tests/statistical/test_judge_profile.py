"""Simulated judges with known bias and noise: the intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

from metarouter.judging import Verdicts, draw_weights, profile_judge

REPETITIONS = 400
LARGE = 400_000


def simulate(rng: np.random.Generator, n: int, draws: int) -> dict[str, np.ndarray]:
    """Verdicts by cutting a noisy latent gap; every tenth prompt stands twice."""
    groups = np.where(np.arange(n) % 10 == 0, np.arange(n) + 1, np.arange(n))
    gold = rng.normal(size=n)[groups % n]
    length = 0.5 * gold + rng.normal(size=n)
    own = rng.choice([-1.0, 0.0, 1.0], n)
    latent = 0.8 * gold + 0.3 * length + 0.25 * own + 0.5 * rng.normal(size=n)[groups % n]
    bias = 0.4 + 0.3 * rng.normal(size=n)
    orders = []
    for sign in (1, -1):
        noisy = (latent + sign * bias)[:, None] + 0.7 * rng.normal(size=(n, draws))
        orders.append(np.sign(noisy) * (np.abs(noisy) > 0.5))
    return {
        "first": orders[0], "second": orders[1], "gold": gold, "length": length, "own": own,
        "groups": groups,
    }  # fmt: skip


def profile(data: dict[str, np.ndarray]):
    return profile_judge(
        Verdicts(data["first"], data["second"]),
        gold=data["gold"],
        log2_length_ratio=data["length"],
        own_side=data["own"],
        groups=data["groups"],
    ).to_frame()


@pytest.fixture(scope="module")
def truth() -> dict[str, float]:
    frame = profile(simulate(np.random.default_rng(99), LARGE, 3))
    assert (frame["se"] < 0.002).all()
    return dict(zip(frame["estimate"], frame["value"], strict=True))


@pytest.mark.parametrize("n", [80, 300])
def test_intervals_cover_over_simulated_judges(n: int, truth: dict[str, float]) -> None:
    rng = np.random.default_rng(n)
    hits = dict.fromkeys(truth, 0)
    errors = {name: [] for name in truth}
    for _ in range(REPETITIONS):
        for row in profile(simulate(rng, n, 3)).itertuples():
            hits[row.estimate] += row.ci_low <= truth[row.estimate] <= row.ci_high
            errors[row.estimate].append(row.value - truth[row.estimate])
    tolerance = 3 * np.sqrt(0.95 * 0.05 / REPETITIONS)
    coverage = {name: count / REPETITIONS for name, count in hits.items()}
    print(n, coverage)
    assert all(abs(value - 0.95) <= tolerance for value in coverage.values()), coverage
    for name, error in errors.items():
        assert abs(np.mean(error)) < 4 * np.std(error) / np.sqrt(REPETITIONS), name


def test_a_judge_without_bias_is_said_to_have_none_and_noise_is_unbiased() -> None:
    rng = np.random.default_rng(3)
    chance = rng.uniform(size=(200_000, 1))
    first, second = (1.0 * (rng.uniform(size=(200_000, 4)) < chance) for _ in range(2))
    frame = profile_judge(Verdicts(first, second)).to_frame().set_index("estimate")
    assert frame.loc["position_bias", "ci_low"] < 0 < frame.loc["position_bias", "ci_high"]
    assert frame.loc["draw_noise", "value"] == pytest.approx(1 / 6, abs=0.001)


def test_weighted_means_of_uneven_draws_vary_less_than_plain_ones() -> None:
    rng = np.random.default_rng(4)
    plain, weighted = [], []
    for _ in range(400):
        level = 0.2 * rng.normal(size=200)
        orders = [level[:, None] + rng.normal(size=(200, 8)) for _ in range(2)]
        for order in orders:
            order[:100, 1:] = np.nan
        verdicts = Verdicts(*orders)
        plain.append(verdicts.mean.mean())
        weighted.append(np.average(verdicts.mean, weights=draw_weights(verdicts)))
    assert np.var(weighted) < 0.6 * np.var(plain)
    assert abs(np.mean(weighted)) < 4 * np.std(weighted) / 20
