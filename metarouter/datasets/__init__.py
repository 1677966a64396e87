"""Labelled queries come in: generators with known truth, user tables, published benchmarks."""

from __future__ import annotations

from metarouter.datasets._healthbench_like import make_healthbench_like
from metarouter.datasets._judged_queries import make_judged_queries
from metarouter.datasets._labelled_queries import LabelledQueries, TrainingRows
from metarouter.datasets._nie_wager import make_nie_wager
from metarouter.datasets._truth import Truth

__all__ = [
    "LabelledQueries",
    "TrainingRows",
    "Truth",
    "make_healthbench_like",
    "make_judged_queries",
    "make_nie_wager",
]
