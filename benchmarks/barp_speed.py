"""BaRP against a plain PyTorch loop of Algorithm 1: time to train, reward on test queries, routing.

    python -m benchmarks.barp_speed --queries 29000 --epochs 100 --peer-epochs 100 --out DIR

384 features, 11 arms, the published settings (batches of 32, Adam at 1e-4, entropy 0.05). Both are
trained in one process, one after the other, on the same queries of a made-up world in which the
best arm hangs on the query. Rewards are compared after `--peer-epochs` of both, over some seeds.
Ratios are of CPU seconds, so that other work on the
machine slows both alike; the wall clock is given beside. A GPU runs the same code.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bandits import BaRP
from benchmarks._plain_barp import PlainBaRP
from metarouter.routing.preference_reward import reward
from metarouter.utils.files import write_text

N_FEATURES, N_ARMS, N_TEST, CAP = 384, 11, 5_000, 1.0
DIAL = (0.2, 0.5, 0.8)


class World(NamedTuple):
    """Queries, and what every arm makes of them."""

    X: np.ndarray
    quality: np.ndarray
    cost: np.ndarray


def make_world(n: int, seed: int) -> World:
    """Draw unit vectors around 8 topics; an arm's chance of a right answer hangs on the topic."""
    fixed = np.random.default_rng(12345)
    topics = fixed.standard_normal((8, N_FEATURES)) / np.sqrt(N_FEATURES)
    strength = fixed.normal(0.5, 1.2, (8, N_ARMS))
    price = np.geomspace(0.02, 0.9, N_ARMS)
    rng = np.random.default_rng(seed)
    topic = rng.integers(8, size=n)
    X = topics[topic] + 0.6 * rng.standard_normal((n, N_FEATURES)) / np.sqrt(N_FEATURES)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    chance = 1 / (1 + np.exp(-strength[topic]))
    cost = price * rng.uniform(0.8, 1.2, (n, N_ARMS))
    return World(X, (rng.random((n, N_ARMS)) < chance).astype(float), cost)


def earned(router, world: World) -> np.ndarray:
    """Mean reward over the dial of every test query."""
    rows = np.arange(len(world.X))
    parts = []
    for w_cost in DIAL:
        pair = np.array([1 - w_cost, w_cost])
        rewards = reward(world.quality, world.cost, pair, CAP)
        parts.append(rewards[rows, router.predict(world.X, preference=tuple(pair))])
    return np.mean(parts, axis=0)


def seconds_of(work, repeats: int = 1) -> tuple[float, float]:
    """Least CPU seconds and least seconds on the clock of some repeats."""
    times = []
    for _ in range(repeats):
        start, clock = time.process_time(), time.perf_counter()
        work()
        times.append((time.process_time() - start, time.perf_counter() - clock))
    cpu, wall = zip(*times, strict=True)
    return min(cpu), min(wall)


def ours(epochs: int, device: str, seed: int = 0) -> BaRP:
    return BaRP(
        **{**BaRP.paper_settings(), "epochs": epochs},
        cost_cap=CAP,
        device=device,
        random_state=seed,
    )


def mean_and_error(values: np.ndarray) -> str:
    return f"{values.mean():.4f} ({values.std(ddof=1) / np.sqrt(len(values)):.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=29_000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--peer-epochs", type=int, default=10)
    parser.add_argument("--peer-seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("barp_speed"))
    options = parser.parse_args()
    train, test = make_world(options.queries, seed=1), make_world(N_TEST, seed=2)
    ours(1, options.device).fit(*(part[:320] for part in train))  # loads torch

    router = ours(options.epochs, options.device)
    whole, whole_wall = seconds_of(lambda: router.fit(*train))
    spent, rewards = np.zeros((2, options.peer_seeds)), np.zeros((2, options.peer_seeds))
    for seed in range(options.peer_seeds):
        mine = ours(options.peer_epochs, options.device, seed)
        peer = PlainBaRP(epochs=options.peer_epochs, seed=seed)
        spent[0, seed] = seconds_of(lambda mine=mine: mine.fit(*train))[0]
        spent[1, seed] = seconds_of(lambda peer=peer: peer.fit(*train, CAP))[0]
        rewards[:, seed] = earned(mine, test).mean(), earned(peer, test).mean()
    ours_per_epoch, peer_per_epoch = spent.min(axis=1) / options.peer_epochs
    one, many = test.X[:1], make_world(10_000, seed=3).X

    def route_one_by_one() -> None:
        for _ in range(1000):
            router.predict(one, preference=(0.5, 0.5))

    single = seconds_of(route_one_by_one, repeats=5)
    batch = seconds_of(lambda: router.predict(many, preference=(0.5, 0.5)), repeats=5)
    step = 1e6 / -(-options.queries // 32)
    lines = [
        "| what | ours | plain PyTorch loop | ratio |",
        "| :--- | ---: | ---: | ---: |",
        f"| one step of 32 queries, CPU microseconds | {ours_per_epoch * step:.0f} | "
        f"{peer_per_epoch * step:.0f} | {peer_per_epoch / ours_per_epoch:.1f} |",
        f"| test reward after {options.peer_epochs} epochs, {options.peer_seeds} seeds (s.e.) | "
        f"{mean_and_error(rewards[0])} | {mean_and_error(rewards[1])} | "
        f"difference {mean_and_error(rewards[0] - rewards[1])} |",
        "",
        f"{options.queries} queries, {options.epochs} epochs, on {options.device}: ours "
        f"{whole:.1f} CPU seconds, {whole_wall:.1f} on the clock; test reward "
        f"{mean_and_error(earned(router, test))}, the best constant arm "
        f"{best_constant(train, test):.4f}. Routing: one query {single[0] * 1e3:.0f} CPU "
        f"microseconds ({single[1] * 1e3:.0f} on the clock), 10,000 queries "
        f"{batch[0] * 1e3:.1f} CPU milliseconds ({batch[1] * 1e3:.1f}).",
    ]
    text = "\n".join(lines) + "\n"
    write_text(options.out / "barp_speed.md", text)
    print(text)


def best_constant(train: World, test: World) -> float:
    """Mean over the dial of the arm that was best in training, for every setting."""
    parts = []
    for w_cost in DIAL:
        pair = np.array([1 - w_cost, w_cost])
        arm = reward(train.quality, train.cost, pair, CAP).mean(axis=0).argmax()
        parts.append(reward(test.quality, test.cost, pair, CAP)[:, arm].mean())
    return float(np.mean(parts))


if __name__ == "__main__":
    main()
