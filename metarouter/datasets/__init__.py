"""Labelled queries come in: generators with known truth, user tables, published benchmarks."""

from __future__ import annotations

from metarouter.datasets._arena_frontier import fetch_arena_frontier
from metarouter.datasets._cascades_9model import fetch_cascades_9model
from metarouter.datasets._evouna import fetch_evouna
from metarouter.datasets._healthbench_like import make_healthbench_like
from metarouter.datasets._home import available, data_home
from metarouter.datasets._judged_queries import make_judged_queries
from metarouter.datasets._labelled_queries import LabelledQueries, TrainingRows, take_rows
from metarouter.datasets._llmrouter_14task import (
    fetch_llmrouter_14task,
    fetch_llmrouter_14task_matrix,
)
from metarouter.datasets._model_matrix import ModelMatrix
from metarouter.datasets._nie_wager import make_nie_wager
from metarouter.datasets._paired_comparisons import (
    ComparisonRows,
    PairedComparisons,
    model_names,
    read_comparisons,
)
from metarouter.datasets._prompted_queries import make_prompted_queries
from metarouter.datasets._registry import DATASETS, load_dataset
from metarouter.datasets._routellm_evals import fetch_routellm_evals
from metarouter.datasets._routerbench import read_routerbench
from metarouter.datasets._routerbench_fewshot import fetch_routerbench_fewshot
from metarouter.datasets._simulated_comparisons import (
    make_model_comparisons,
    simulate_comparisons,
    simulated_favour,
)
from metarouter.datasets._table import read_table
from metarouter.datasets._table_files import read_frame
from metarouter.datasets._truth import Truth
from metarouter.datasets._wmt_mt import fetch_wmt_mt
from metarouter.datasets._xstest import fetch_xstest

__all__ = [
    "DATASETS",
    "ComparisonRows",
    "LabelledQueries",
    "ModelMatrix",
    "PairedComparisons",
    "TrainingRows",
    "Truth",
    "available",
    "data_home",
    "fetch_arena_frontier",
    "fetch_cascades_9model",
    "fetch_evouna",
    "fetch_llmrouter_14task",
    "fetch_llmrouter_14task_matrix",
    "fetch_routellm_evals",
    "fetch_routerbench_fewshot",
    "fetch_wmt_mt",
    "fetch_xstest",
    "load_dataset",
    "make_healthbench_like",
    "make_judged_queries",
    "make_model_comparisons",
    "make_nie_wager",
    "make_prompted_queries",
    "model_names",
    "read_comparisons",
    "read_frame",
    "read_routerbench",
    "read_table",
    "simulate_comparisons",
    "simulated_favour",
    "take_rows",
]
