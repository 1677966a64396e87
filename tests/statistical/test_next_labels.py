"""What `next_labels` advises lowers the error of the router most, money being equal."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from metarouter import AdaptiveMetaRouter
from metarouter.datasets import LabelledQueries
from metarouter.judging import Verdicts, next_labels

SEEDS = 12
N_GOLD, N_JUDGED, DRAWS, N_TEST = 60, 600, 2, 1500
JUDGE_PRICE, MONEY = 0.001, 2.4
# Noise of one verdict, error of the judge's own about each query, price of a gold label.
WORLDS = {
    "noisy judge": (4.0, 0.2, 1.0),
    "judge with errors of its own": (0.3, 3.0, 0.02),
}


def label(seed: int, world: str, more_gold: int, more_judged: int, more_draws: int):
    """The first queries are the same whatever is bought."""
    noise, own, _ = WORLDS[world]
    rng = np.random.default_rng(seed)
    size = 4000
    X = rng.normal(size=(size, 5))
    psi = np.sin(X[:, 0]) + 0.5 * X[:, 1]
    level = psi - 0.5 + own * rng.normal(size=size)
    orders = [level[:, None] + noise * rng.normal(size=(size, 8)) for _ in range(2)]
    gold = psi + 0.5 * rng.normal(size=size)
    n = N_JUDGED + more_judged
    verdicts = Verdicts(*(order[:n, : DRAWS + more_draws] for order in orders))
    kept = np.where(np.arange(n) < N_GOLD + more_gold, gold[:n], np.nan)
    return X, psi, verdicts, kept


def purchases(world: str) -> dict[str, tuple[int, int, int]]:
    """What the money buys: gold labels, queries judged, draws in each order of all queries."""
    gold_price = WORLDS[world][2]
    return {
        "a person": (int(MONEY / gold_price), 0, 0),
        "one more query": (0, int(MONEY / (2 * DRAWS * JUDGE_PRICE)), 0),
        "one more draw": (0, 0, int(MONEY / (2 * N_JUDGED * JUDGE_PRICE))),
    }


def error(seed: int, world: str, bought: tuple[int, int, int]) -> float:
    X, psi, verdicts, gold = label(seed, world, *bought)
    rows = LabelledQueries(X[: len(gold)], gold, verdicts.mean).training_rows()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = AdaptiveMetaRouter(random_state=0).fit(
            rows.X, rows.y, is_gold=rows.is_gold, groups=rows.groups
        )
    test = slice(-N_TEST, None)
    return float(np.mean((model.predict(X[test]) - psi[test]) ** 2))


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_the_first_advice_lowers_the_error_of_the_router_most(world: str) -> None:
    advised = []
    errors: dict[str, list[float]] = {name: [] for name in ("nothing", *purchases(world))}
    for seed in range(SEEDS):
        _, _, verdicts, gold = label(seed, world, 0, 0, 0)
        found = next_labels(
            {"judge": verdicts},
            gold,
            price={"judge": JUDGE_PRICE},
            gold_price=WORLDS[world][2],
        )
        advised.append(next(name for name in purchases(world) if name in found.options[0]))
        errors["nothing"].append(error(seed, world, (0, 0, 0)))
        for name, bought in purchases(world).items():
            errors[name].append(error(seed, world, bought))
    table = {name: np.array(values) for name, values in errors.items()}
    most = max(set(advised), key=advised.count)
    print(world, {name: advised.count(name) for name in purchases(world)})
    for name, values in table.items():
        change = values - table["nothing"]
        se = change.std(ddof=1) / np.sqrt(SEEDS)
        print(f"  {name}: {values.mean():.4f}, change {change.mean():+.4f} (s.e. {se:.4f})")
    for name in purchases(world):
        worse = table[name] - table[most]
        assert worse.mean() >= -2 * worse.std(ddof=1) / np.sqrt(SEEDS), name
