"""The study behind BaRP's tables on the data at hand, and the routers in them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor

from bandits import BaRP, EpsilonGreedy, LinTS, LinUCB
from bandits.evaluation import BanditStudy, BanditStudyResult, study_table
from bandits.full_information import GraphRouter, Largest, RegressionRouter, RouterDC, Smallest
from bandits.policy_gradient import FullInformationBaRP

__all__ = [
    "BALANCED",
    "DATASETS",
    "NAMES",
    "TASKS",
    "add_options",
    "bandits",
    "barp",
    "barp_full",
    "barp_heads",
    "barp_published",
    "baselines",
    "play",
]

# The paper's tables 5 to 7 are at balanced weights; that of tables 2 to 4 is not stated.
BALANCED = 0.5

HEADS = ("linear", "bilinear", "mlp")
DATASETS = {
    "routerbench_fewshot": "RouterBench (few-shot), 11 models",
    "llmrouter_14task": "LLMRouter, 9 models, costs from a price list",
}
TASKS = {
    "arc_challenge": "ARC-C",
    "commonsense_qa": "CommonsenseQA",
    "gsm8k": "GSM8K",
    "mbpp": "MBPP",
    "mmlu": "MMLU",
    "natural_qa": "NQ",
    "openbook_qa": "OpenBookQA",
    "trivia_qa": "TriviaQA",
    "winogrande": "Winogrande",
}
NAMES = {
    "smallest": "Smallest LLM",
    "largest": "Largest LLM",
    "router_dc": "RouterDC",
    "graph_router": "GraphRouter",
    "barp_published": "BaRP, published settings",
    "barp": "BaRP, our settings",
    "barp_full": "the same policy on all outcomes",
    "barp_linear": "linear head",
    "barp_bilinear": "bilinear head",
    "barp_mlp": "perceptron",
    "linucb": "LinUCB",
    "lints": "LinTS",
    "epsilon_greedy": "ε-greedy",
    "full_information": "ridge on all outcomes",
    "neighbours": "nearest neighbours on all outcomes",
    "forest": "random forest on all outcomes",
    "best_constant": "best constant model",
    "oracle": "oracle",
}


def barp() -> BaRP:
    """Return BaRP with this package's settings."""
    return BaRP(device="cpu")


def barp_published() -> BaRP:
    """Return BaRP with the settings of its section 3.4."""
    return BaRP(**BaRP.paper_settings(), device="cpu")


def barp_full() -> BaRP:
    """Return the same policy, trained on the outcomes of all models."""
    return FullInformationBaRP(device="cpu")


def barp_heads() -> dict[str, BaRP]:
    """Return the paper's three heads with the paper's gradient, in steps long enough to learn.

    The published step of 1e-4 moves little in 100 epochs of a few thousand queries, where the paper
    has 29,000; all heads are given ten times that, and batches of 128.
    """
    longer = {**BaRP.paper_settings(), "learning_rate": 1e-3, "batch_size": 128, "device": "cpu"}
    return {f"barp_{head}": BaRP(**{**longer, "head": head}) for head in HEADS}


def baselines() -> dict[str, Any]:
    """Return the routers that tables 2 to 4 compare with, and two strong regressions beside them.

    Sizes are mean costs, by which the smallest and largest models of RouterBench are the paper's.
    """
    neighbours = GridSearchCV(KNeighborsRegressor(), {"n_neighbors": [10, 30, 100, 300]})
    forest = RandomForestRegressor(200, min_samples_leaf=5, max_features="sqrt")
    return {
        "smallest": Smallest(),
        "largest": Largest(),
        "router_dc": RouterDC(BALANCED),
        "graph_router": GraphRouter(BALANCED),
        "neighbours": RegressionRouter(neighbours),
        "forest": RegressionRouter(forest),
    }


def bandits() -> dict[str, Any]:
    """Return the classical bandits of table 7."""
    return {"lints": LinTS(), "linucb": LinUCB(), "epsilon_greedy": EpsilonGreedy()}


def play(
    dataset: str,
    routers: Mapping[str, Any],
    options: argparse.Namespace,
    features: NDArray[np.floating[Any]] | None = None,
) -> BanditStudyResult:
    """Play routers on one data set, taking over what was finished before.

    Every router sees the same splits, orders and seeds, in this and all the other scripts; other
    features than those that come with the data may be given.
    """
    table = study_table(dataset, options.data_home)
    study = BanditStudy(
        routers,
        in_distribution=table.in_distribution,
        out_of_distribution=table.out_of_distribution,
        w_cost=(BALANCED,),
        seeds=options.seeds,
    )
    parts = options.parts or options.out.parent / "barp_parts"
    matrix = table.matrix if features is None else replace(table.matrix, X=features)
    return study.run(matrix, parts=parts / dataset)


def add_options(parser: argparse.ArgumentParser, out: str) -> None:
    """Add the options that all scripts on BaRP understand."""
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out") / out)
    parser.add_argument("--parts", type=Path, help="folder of finished parts, shared by scripts")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data-home", type=Path)
    parser.add_argument("--only", nargs="+", choices=DATASETS, default=list(DATASETS))
