"""Worlds in which it is known what every threshold does, and how a threshold is chosen in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from metarouter.datasets import LabelledQueries
from metarouter.inference import certify_predictions, doubly_robust_gains

Draw = dict[str, Any]
DELTA = 0.1
_POPULATION = 4_000_000


@dataclass(frozen=True)
class GuaranteeWorld:
    """Queries whose mean gain given all that is known of them is known.

    Parameters
    ----------
    draw : function of (rng, n) to (psi_hat, extra cost, mean gain, what `certify_predictions` gets)
    demands : dict of str to float
    settings : dict of str to dict
        For each way to choose, settings of `certify_predictions`.
    """

    draw: Callable[[np.random.Generator, int], tuple[Any, Any, Any, Draw]]
    demands: dict[str, float]
    settings: dict[str, Draw]

    @cached_property
    def population(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return where queries leave the primary model, and what the means are after each."""
        psi_hat, extra, gain, _ = self.draw(np.random.default_rng(12345), _POPULATION)
        leaves = psi_hat / extra
        order = np.argsort(leaves)
        gain, extra, n = gain[order], extra[order], len(order)

        def still_sent(values: np.ndarray) -> np.ndarray:
            return np.append(values.sum(), values.sum() - np.cumsum(values)) / n

        sent_gain, spent = still_sent(gain), still_sent(extra)
        return leaves[order], {
            "max_share": still_sent(np.ones(n)),
            "max_cost": spent,
            "max_cost_ratio": spent / spent[0],
            "min_gain": sent_gain,
            "max_loss": sent_gain[0] - sent_gain,
            "min_gap_share": sent_gain / sent_gain[0],
        }

    def truth(self, w: float, name: str) -> float:
        """Return what a demand limits, at one w."""
        leaves, means = self.population
        return float(means[name][np.searchsorted(leaves, w, side="right")])

    def broken(self, w: float) -> bool:
        """Say whether some demand is not met at w."""
        for name, limit in self.demands.items():
            sign = -1 if name.startswith("min") else 1
            if sign * (self.truth(w, name) - limit) > 1e-9:
                return True
        return False


def naive(psi_hat: np.ndarray, extra: np.ndarray, data: Draw, world: GuaranteeWorld) -> float:
    """Take the w that meets all demands as observed and spends most, or least without a budget."""
    gain = data.get("gold_gain")
    gain = getattr(gain, "score", gain)
    gain = np.zeros(len(psi_hat)) if gain is None else np.asarray(gain)
    weight = data.get("sample_weight")
    weight = np.ones(len(psi_hat)) if weight is None else weight
    labelled = ~np.isnan(gain)
    leaves = np.maximum(psi_hat / extra, 0.0)
    order = np.argsort(leaves)
    w = np.append(0.0, leaves[order])

    def still_sent(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        values = np.where(rows, weight * values, 0.0)
        at_zero = np.where(psi_hat > 0, values, 0.0)[order]
        return np.append(at_zero.sum(), at_zero.sum() - np.cumsum(at_zero)) / weight[rows].sum()

    everywhere = np.ones(len(psi_hat), bool)
    spent = still_sent(extra, everywhere)
    gained = still_sent(np.nan_to_num(gain), labelled)
    total = np.average(gain[labelled], weights=weight[labelled])
    means = {
        "max_share": still_sent(np.ones(len(psi_hat)), everywhere),
        "max_cost": spent,
        "max_cost_ratio": spent / np.average(extra, weights=weight),
        "min_gain": gained,
        "max_loss": total - gained,
        "min_gap_share": gained / total if total > 0 else np.full(len(w), -np.inf),
    }
    met = np.ones(len(w), bool)
    for name, limit in world.demands.items():
        sign = -1 if name.startswith("min") else 1
        met &= sign * (means[name] - limit) <= 1e-12
    places = np.flatnonzero(met)
    budget = any(name in ("max_share", "max_cost", "max_cost_ratio") for name in world.demands)
    return float(w[places[0 if budget else -1]]) if len(places) else np.nan


def choose(world: GuaranteeWorld, rng: np.random.Generator, n: int) -> dict[tuple[str, str], float]:
    """Draw queries, choose in every way, and say what came of it."""
    psi_hat, extra, _, data = world.draw(rng, n)
    hits: dict[tuple[str, str], float] = {}
    w = naive(psi_hat, extra, data, world)
    _count(hits, world, "naive", w, [w])
    costs = np.column_stack([np.zeros(n), extra])
    for name, settings in world.settings.items():
        found = certify_predictions(
            psi_hat, costs=costs, delta=DELTA, random_state=0, **world.demands, **data, **settings
        )
        certified = found.path.w[found.path.certified]
        _count(hits, world, name, found.w, certified)
    return hits


def _count(hits: Any, world: GuaranteeWorld, name: str, w: float, certified: Any) -> None:
    there = not np.isnan(w)
    hits["broken", name] = there and world.broken(w)
    ends = [] if not there else [certified[0], certified[-1]]
    hits["any broken", name] = any(world.broken(end) for end in ends)
    hits["certified", name] = there
    hits["share sent", name] = world.truth(w, "max_share") if there else 0.0
    hits["gain", name] = world.truth(w, "min_gain") if there else 0.0


# --- worlds -------------------------------------------------------------------------------------


def votes(
    slope: float = 0.8, mean: float = 0.1, gold_share: float = 1.0
) -> Callable[[np.random.Generator, int], tuple[Any, Any, Any, Draw]]:
    """Gains of -1, 0 and 1 that rise with psi-hat."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any, Draw]:
        psi_hat = rng.uniform(-1, 1, n) + mean
        gain = np.clip(slope * psi_hat, -0.9, 0.9)
        sign = np.where(rng.random(n) < (1 + gain / 0.9) / 2, 1.0, -1.0)
        gold = np.where(rng.random(n) < 0.9, sign, 0.0)
        gold = np.where(rng.random(n) < gold_share, gold, np.nan)
        return psi_hat, np.ones(n), gain, {"gold_gain": gold}

    return draw


def overpromised(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any, Draw]:
    """Draw queries half of which do not keep what psi-hat promises: w = 0 is a bad place."""
    psi_hat = rng.uniform(0, 2, n)
    gain = np.where(psi_hat < 1, -0.4, 0.8 * (psi_hat - 0.8))
    return psi_hat, np.ones(n), gain, {"gold_gain": gain + rng.normal(0, 0.5, n)}


def heavy(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any, Draw]:
    """Draw gains with a long tail to the right: their means are mostly below the truth."""
    psi_hat = rng.normal(0.2, 1, n)
    noise = rng.exponential(2.0, n) - 2.0
    return psi_hat, np.ones(n), psi_hat, {"gold_gain": psi_hat + noise}


def heavy_left(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any, Draw]:
    """Draw gains with rare great losses: means are mostly above the truth."""
    psi_hat = rng.normal(0.2, 1, n)
    noise = 2.0 - rng.exponential(2.0, n)
    return psi_hat, np.ones(n), psi_hat, {"gold_gain": psi_hat + noise}


def priced(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any, Draw]:
    """Draw prices that vary tenfold."""
    psi_hat = rng.normal(0.2, 1, n)
    extra = np.exp(rng.normal(0, 0.8, n))
    return psi_hat, extra, psi_hat, {"gold_gain": psi_hat + rng.normal(size=n)}


def clustered(rng: np.random.Generator, n: int, *, size: int = 5) -> tuple[Any, Any, Any, Draw]:
    """Draw some queries to a conversation, which share half of the variance of all there is."""
    groups = np.arange(n) // size
    shared = rng.normal(size=(2, groups[-1] + 1))[:, groups]
    own = rng.normal(size=(2, n))
    psi_hat, noise = np.sqrt(0.5) * (shared + own)
    return psi_hat, np.ones(n), psi_hat, {"gold_gain": psi_hat + noise, "groups": groups}


def weighted(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any, Draw]:
    """Draw queries of high psi-hat too often, and give them the weights that mend it."""
    psi_hat = rng.normal(size=n)
    kept = rng.random(n) < 1 / (1 + np.exp(-psi_hat))
    while not kept.all():
        again = np.flatnonzero(~kept)
        psi_hat[again] = rng.normal(size=again.size)
        kept[again] = rng.random(again.size) < 1 / (1 + np.exp(-psi_hat[again]))
    weight = 1 + np.exp(-psi_hat)
    if n == _POPULATION:  # the truth is about all queries alike
        psi_hat, weight = rng.normal(size=n), np.ones(n)
    gold = psi_hat + rng.normal(size=n)
    return psi_hat, np.ones(n), psi_hat, {"gold_gain": gold, "sample_weight": weight}


def scarce(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any, Draw]:
    """Draw a gold label for one query in five; its odds, known, rise with psi-hat."""
    psi_hat = rng.normal(0.2, 1, n)
    p = 0.1 + 0.2 / (1 + np.exp(-psi_hat))
    if n == _POPULATION:
        return psi_hat, np.ones(n), psi_hat, {}
    is_gold = rng.random(n) < p
    gold = np.where(is_gold, psi_hat + rng.normal(size=n), np.nan)
    data = LabelledQueries(psi_hat[:, None], gold, np.full(n, np.nan))
    gains = doubly_robust_gains(data, gold_outcome=0.7 * psi_hat, propensity=p)
    return psi_hat, np.ones(n), psi_hat, {"gold_gain": gains}


_CLT: Draw = {"method": "clt"}
_BOUNDED: dict[str, Draw] = {
    "Hoeffding-Bentkus": {"gain_bounds": (-1, 1)},
    "normal": _CLT,
}
_BOTH: dict[str, Draw] = _BOUNDED | {"normal, split": {"method": "clt", "search": "split"}}
_ONE: dict[str, Draw] = {"normal": _CLT}

WORLDS: dict[str, GuaranteeWorld] = {
    "budget: share": GuaranteeWorld(
        votes(), {"max_share": 0.3}, {"exact": {}, "conformal": {"method": "conformal"}}
    ),
    "votes: loss": GuaranteeWorld(votes(), {"max_loss": 0.05}, _BOTH),
    "votes: gain": GuaranteeWorld(votes(), {"min_gain": 0.2}, _BOTH),
    "votes: gap": GuaranteeWorld(votes(mean=0.5), {"min_gap_share": 0.9}, _BOTH),
    "votes: share and gain": GuaranteeWorld(votes(), {"max_share": 0.4, "min_gain": 0.15}, _BOTH),
    "votes: just possible": GuaranteeWorld(votes(), {"max_share": 0.4, "min_gain": 0.224}, _BOTH),
    "votes: just impossible": GuaranteeWorld(votes(), {"max_share": 0.4, "min_gain": 0.225}, _BOTH),
    "votes: one gold label in four": GuaranteeWorld(
        votes(gold_share=0.25), {"max_share": 0.4, "min_gain": 0.15}, _BOTH
    ),
    "overpromised": GuaranteeWorld(
        overpromised,
        {"max_share": 0.6, "min_gain": 0.15},
        {"normal": _CLT, "normal, split": {"method": "clt", "search": "split"}},
    ),
    "long tail of gains": GuaranteeWorld(heavy, {"max_share": 0.5, "min_gain": 0.3}, _ONE),
    "rare great losses": GuaranteeWorld(heavy_left, {"max_share": 0.5, "min_gain": 0.3}, _ONE),
    "rare great losses: loss": GuaranteeWorld(heavy_left, {"max_loss": 0.0}, _ONE),
    "prices: cost": GuaranteeWorld(priced, {"max_cost": 0.5}, _ONE),
    "prices: ratio and gap": GuaranteeWorld(
        priced, {"max_cost_ratio": 0.5, "max_loss": -0.1}, _ONE
    ),
    "clusters": GuaranteeWorld(clustered, {"max_share": 0.4, "min_gain": 0.3}, _ONE),
    "weights": GuaranteeWorld(weighted, {"max_share": 0.4, "min_gain": 0.3}, _ONE),
    "scarce gold, p known": GuaranteeWorld(scarce, {"max_share": 0.5, "min_gain": 0.3}, _ONE),
    "clusters of 25": GuaranteeWorld(
        partial(clustered, size=25), {"max_share": 0.4, "max_loss": 0.1}, _ONE
    ),
}
