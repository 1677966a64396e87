"""What a Monte Carlo study asks of its settings and of its data, checked before the first fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metarouter.datasets import LabelledQueries
from metarouter.evaluation._rounds import RoundPlan
from metarouter.evaluation._splits import Split
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.groups import count_groups

__all__ = [
    "as_sizes",
    "check_count",
    "check_labels",
    "check_routers_fit",
    "check_seed",
    "check_splits",
]


def as_sizes(n_gold: Any) -> tuple[int, ...]:
    """Return the numbers of gold labels as distinct positive integers."""
    sizes = tuple(np.atleast_1d(np.asarray(n_gold)).tolist())
    whole = all(isinstance(size, int) and size > 0 for size in sizes)
    if not sizes or not whole or len(set(sizes)) < len(sizes):
        raise MetaRouterError(
            f"n_gold is {n_gold!r}: give one or more different positive whole numbers.",
            parameter="n_gold",
        )
    return sizes


def check_count(name: str, value: Any) -> None:
    """Refuse a setting that is not a positive whole number."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise MetaRouterError(f"{name} is {value!r}: give a positive whole number.", parameter=name)


def check_seed(random_state: Any) -> None:
    """Refuse a random_state that splits cannot be drawn from."""
    whole = isinstance(random_state, int | np.integer) and not isinstance(random_state, bool)
    if random_state is not None and (not whole or random_state < 0):
        raise MetaRouterError(
            f"random_state is {random_state!r}: give a whole number of at least 0, or None."
        )


def check_routers_fit(routers: dict[str, Any]) -> None:
    """Refuse reserved names and things that cannot be fitted and cloned."""
    reserved = [name for name in ("oracle", "random") if name in routers]
    if reserved:
        raise MetaRouterError(
            f"A router is called {reserved[0]!r}, a name that the study gives itself: choose "
            "another name, and set the oracle by oracle=."
        )
    for name, router in routers.items():
        if isinstance(router, type) or not (
            hasattr(router, "fit") and hasattr(router, "get_params")
        ):
            raise MetaRouterError(
                f"The router {name!r} is {router!r}, which cannot be cloned and fitted: give an "
                "unfitted estimator, for example MetaRouter()."
            )


def check_labels(data: LabelledQueries, *, grouped: bool) -> None:
    """Refuse queries that lack a label: both are needed to compare routers on one table."""
    no_gold, no_preference = np.isnan(data.gold), np.isnan(data.preference)
    if (no_gold | no_preference).any():
        raise DataError(
            f"{int(no_gold.sum())} of {data.n_queries} queries have no gold label and "
            f"{int(no_preference.sum())} no preference label, but a study needs both on every "
            "query: run it on data.subset(data.has_gold & data.has_preference)."
        )
    if grouped and data.groups is not None and count_groups(data.groups) < 2:
        raise DataError(
            f"All {data.n_queries} queries are in one group, which cannot be split: group by "
            "another column, or set grouped=False."
        )


def check_splits(splits: Sequence[Split], plan: RoundPlan, n_queries: int) -> None:
    """Refuse more gold labels than some round's training queries can give."""
    smallest = min(split.train.size for split in splits)
    if max(plan.n_gold) >= smallest:
        drawn = "at least " if plan.grouped else ""
        raise DataError(
            f"n_gold={max(plan.n_gold)} and a test set of {drawn}{plan.n_test} queries leave no "
            f"preference label, since {n_queries} queries give as few as {max(smallest, 0)} for "
            "training: lower n_gold or n_test."
        )
