"""Areas of a router that was trained on parts of a pilot."""

from __future__ import annotations

from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import take_rows
from metarouter.evaluation._efficiency_gain import rank_gains
from metarouter.inference.intervals import FloatArray
from metarouter.utils.groups import group_codes
from metarouter.utils.random import seeded

__all__ = ["Cells", "areas_of_subsamples"]


class Cells(NamedTuple):
    """Numbers of training labels, shape (k,) each."""

    n_gold: FloatArray
    n_preference: FloatArray


def areas_of_subsamples(
    data: LabelledQueries,
    router: Any,
    cells: Cells,
    n_test: int,
    rounds: int,
    seed: int,
    n_jobs: int | None,
) -> FloatArray:
    """Train on nested random parts of the pilot, and evaluate on gold labels left out.

    Returns
    -------
    ndarray of shape (rounds, k)
        Areas of the efficiency gain, without bias for the test queries being few.
    """
    sources = np.random.SeedSequence(seed).spawn(rounds)
    rows = joblib.Parallel(n_jobs=n_jobs)(
        joblib.delayed(_one_round)(data, router, cells, n_test, source) for source in sources
    )
    return np.array(rows)


def _one_round(
    data: LabelledQueries, router: Any, cells: Cells, n_test: int, source: np.random.SeedSequence
) -> list[float]:
    rng = np.random.default_rng(source)
    seed = int(rng.integers(2**31))
    test, train = _split(data, n_test, rng)
    gold = rng.permutation(train[data.has_gold[train]])
    preference = rng.permutation(train[data.has_preference[train]])
    return [
        _area(_trained(data, router, gold[: int(g)], preference[: int(p)], seed), data, test)
        for g, p in zip(*cells, strict=True)
    ]


def _split(
    data: LabelledQueries, n_test: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw whole groups until enough gold labels are in the test part; the rest trains."""
    unit = np.arange(data.n_queries) if data.groups is None else group_codes(data.groups)
    n_gold = np.bincount(unit, weights=data.has_gold)
    drawn = rng.permutation(np.flatnonzero(n_gold))
    n_drawn = 1 + int(np.searchsorted(np.cumsum(n_gold[drawn]), n_test))
    in_test = np.isin(unit, drawn[:n_drawn])
    return np.flatnonzero(in_test & data.has_gold), np.flatnonzero(~in_test)


def _trained(
    data: LabelledQueries,
    router: Any,
    gold: NDArray[np.intp],
    preference: NDArray[np.intp],
    seed: int,
) -> Any:
    labels = np.full((2, data.n_queries), np.nan)
    labels[0, gold], labels[1, preference] = data.gold[gold], data.preference[preference]
    kept = np.flatnonzero(~np.isnan(labels).all(axis=0))
    rows = LabelledQueries(
        X=take_rows(data.X, kept),
        gold=labels[0, kept],
        preference=labels[1, kept],
        groups=None if data.groups is None else data.groups[kept],
        weight=None if data.weight is None else data.weight[kept],
    ).training_rows()
    return seeded(clone(router), seed).fit(
        rows.X, rows.y, rows.is_gold, sample_weight=rows.sample_weight, groups=rows.groups
    )


def _area(router: Any, data: LabelledQueries, test: NDArray[np.intp]) -> float:
    weight = np.ones(test.size) if data.weight is None else data.weight[test]
    share = weight / weight.sum()
    gain = data.gold[test] - share @ data.gold[test]
    ranked = rank_gains(gain, router.predict(take_rows(data.X, test)), share)
    # The covariance of gain and rank, as that of a sample: with n - 1.
    return float(share @ (gain * ranked.distribution)) * test.size / (test.size - 1)
