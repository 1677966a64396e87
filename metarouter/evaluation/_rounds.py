"""One Monte Carlo round: draw, fit every router for every number of gold labels, evaluate."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from metarouter.datasets import LabelledQueries
from metarouter.evaluation._curve import EfficiencyGainCurve, efficiency_gain_curve
from metarouter.evaluation._scores import routing_score
from metarouter.evaluation._splits import Split, draw_split
from metarouter.exceptions import MetaRouterError
from metarouter.fitting import FitLedger
from metarouter.utils.columns import FloatArray

__all__ = ["ROUND_FIELDS", "RoundOutcome", "RoundPlan", "run_round", "set_random_state", "split_of"]


@dataclass(frozen=True)
class RoundPlan:
    """What all rounds of a study have in common.

    Parameters
    ----------
    routers : dict of str to estimator
        Without the oracle.
    oracle : estimator or None
        Fitted on the gold label of every training query.
    n_gold : tuple of int
    n_test : int
    grouped : bool
        Draw whole groups, and hand the groups to the routers.
    """

    routers: Mapping[str, Any]
    oracle: Any
    n_gold: tuple[int, ...]
    n_test: int
    grouped: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all routers, the oracle first."""
        return (*(() if self.oracle is None else ("oracle",)), *self.routers)


@dataclass(frozen=True)
class RoundOutcome:
    """What one round found, and what it cost."""

    area: FloatArray  # (n_routers, n_sizes)
    efficiency_gain: FloatArray  # (n_routers, n_sizes, n_grid)
    n_test: int
    n_train: int
    fits: int
    reused: int
    rows: int
    seconds_inside: float
    seconds: float


ROUND_FIELDS = tuple(RoundOutcome.__dataclass_fields__)


def split_of(
    seed: np.random.SeedSequence, data: LabelledQueries, plan: RoundPlan
) -> tuple[Split, int]:
    """Return a round's split and the seed of its routers; nothing else depends on the seed."""
    rng = np.random.default_rng(seed)
    groups = data.groups if plan.grouped else None
    split = draw_split(rng, data.n_queries, plan.n_test, groups)
    return split, int(rng.integers(np.iinfo(np.int32).max))


def run_round(
    number: int, seed: np.random.SeedSequence, data: LabelledQueries, plan: RoundPlan
) -> tuple[int, RoundOutcome]:
    """Run round ``number`` and return the number with the outcome.

    A round runs on one thread: rounds are what is done in parallel, and the last bits of a linear
    model depend on the number of threads.
    """
    start = time.perf_counter()
    split, router_seed = split_of(seed, data, plan)
    with threadpool_limits(limits=1), FitLedger(reuse=True) as ledger:
        curves = _curves(
            number, data.subset(split.train), data.subset(split.test), plan, router_seed
        )
    return number, RoundOutcome(
        area=np.array([[curve.area for curve in row] for row in curves]),
        efficiency_gain=np.array([[curve.efficiency_gain for curve in row] for row in curves]),
        n_test=split.test.size,
        n_train=split.train.size,
        fits=ledger.fits,
        reused=ledger.reused,
        rows=ledger.rows,
        seconds_inside=ledger.seconds,
        seconds=time.perf_counter() - start,
    )


def _curves(
    number: int, train: LabelledQueries, test: LabelledQueries, plan: RoundPlan, seed: int
) -> list[list[EfficiencyGainCurve]]:
    rows = []
    optional = _optional_columns(train, plan)
    if plan.oracle is not None:
        with _naming(f"oracle in round {number}"):
            oracle = set_random_state(clone(plan.oracle), seed)
            oracle.fit(train.X, train.gold, **optional)
            rows.append([_evaluate(oracle, test)] * len(plan.n_gold))
    for name, router in plan.routers.items():
        row = []
        for n_gold in plan.n_gold:
            is_gold = np.arange(train.n_queries) < n_gold
            labels = np.where(is_gold, train.gold, train.preference)
            with _naming(f"{name} with {n_gold} gold labels in round {number}"):
                model = set_random_state(clone(router), seed)
                model.fit(train.X, labels, is_gold=is_gold, **optional)
                row.append(_evaluate(model, test))
        rows.append(row)
    return rows


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Say which router, on how many gold labels, could not be fitted or evaluated."""
    try:
        yield
    except MetaRouterError as error:
        raise type(error)(f"{what}: {error}") from error


def _optional_columns(train: LabelledQueries, plan: RoundPlan) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if train.weight is not None:
        columns["sample_weight"] = train.weight
    if plan.grouped:
        columns["groups"] = train.groups
    return columns


def _evaluate(model: Any, test: LabelledQueries) -> EfficiencyGainCurve:
    return efficiency_gain_curve(test.gold, routing_score(model, test.X), sample_weight=test.weight)


def set_random_state(estimator: Any, seed: int) -> Any:
    """Give ``seed`` to every ``random_state`` of an estimator, however deeply nested.

    One seed for all: base learners that are asked for the same fit are then the same model, and
    the ledger fits it once. A seed that was set by hand is replaced: all rounds would share it.
    """
    names = [
        name
        for name in estimator.get_params(deep=True)
        if name == "random_state" or name.endswith("__random_state")
    ]
    return estimator.set_params(**dict.fromkeys(names, seed)) if names else estimator
