"""The tables that routers are studied on: tasks to learn, tasks to hold out, costs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation._synthetic import synthetic_matrix
from metarouter.datasets import (
    ModelMatrix,
    fetch_cascades_9model,
    fetch_llmrouter_14task_matrix,
    fetch_routerbench_fewshot,
)
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.names import nearest

__all__ = ["STUDY_TABLES", "StudyTable", "study_table"]

# US dollars per million tokens, input and output alike: default_llm.json of LLMRouter.
_PRICE_PER_MILLION_TOKENS = {
    "codegemma-7b": 0.2,
    "gemma-2-9b-it": 0.1,
    "llama-3.1-8b-instruct": 0.2,
    "llama-3.1-nemotron-51b-instruct": 0.9,
    "llama-3.3-nemotron-super-49b-v1": 0.9,
    "llama3-chatqa-1.5-70b": 0.9,
    "llama3-chatqa-1.5-8b": 0.2,
    "mistral-7b-instruct-v0.3": 0.2,
    "qwen2.5-7b-instruct": 0.2,
}
_CHARACTERS_PER_TOKEN = 4.0
_TOKENS_PER_ANSWER = 200.0


@dataclass(frozen=True)
class StudyTable:
    """A table of outcomes and how it is studied.

    Parameters
    ----------
    matrix : ModelMatrix
        With costs.
    in_distribution : tuple of str
        Tasks to learn from.
    out_of_distribution : tuple of str
        Tasks to test on only.
    pair : (str, str)
        A strong and a weak model, for the performance gap recovered.
    """

    matrix: ModelMatrix
    in_distribution: tuple[str, ...]
    out_of_distribution: tuple[str, ...]
    pair: tuple[str, str]

    def of_tasks(self, tasks: tuple[str, ...]) -> ModelMatrix:
        """Return the queries of some tasks.

        Raises
        ------
        DataError
            If there is no such task.
        """
        known = sorted(set(self.matrix.task))
        unknown = [task for task in tasks if task not in known]
        if unknown:
            raise DataError(
                f"{self.matrix.name} has no task {unknown[0]!r}: choose from {', '.join(known)}."
            )
        kept, matrix = np.isin(self.matrix.task, tasks), self.matrix
        return replace(
            matrix,
            X=matrix.X[kept],
            quality=matrix.quality[kept],
            cost=None if matrix.cost is None else matrix.cost[kept],
            task=matrix.task[kept],
            text=matrix.text[kept],
            groups=None if matrix.groups is None else matrix.groups[kept],
        )


@validated()
def study_table(name: str, data_home: str | os.PathLike[str] | None = None) -> StudyTable:
    """Load a table by name, with the tasks that are learned and held out by default.

    Parameters
    ----------
    name : {"routerbench_fewshot", "llmrouter_14task", "cascades_9model", "synthetic"}
        "made_up", the former name of the last, is still taken.
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.

    Returns
    -------
    StudyTable

    Raises
    ------
    DataError
        If the name is not known or the files are missing.
    """
    name = _FORMER_NAMES.get(name, name)
    if name not in STUDY_TABLES:
        raise DataError(
            f"There is no table of models' outcomes {name!r}{nearest(name, STUDY_TABLES)}: choose "
            f"one of {', '.join(STUDY_TABLES)}."
        )
    return STUDY_TABLES[name](data_home)


def _routerbench(data_home: str | os.PathLike[str] | None) -> StudyTable:
    matrix = fetch_routerbench_fewshot(data_home)
    note = (
        "the prompts of ARC-C and Winogrande hold worked examples (few-shot), so that means differ "
        "from those published for prompts without; features are of the question alone"
    )
    return StudyTable(
        replace(matrix, notes=(*matrix.notes, note)),
        in_distribution=("arc_challenge", "winogrande"),
        out_of_distribution=("mbpp",),
        pair=("gpt-4-1106-preview", "mixtral-8x7b-chat"),
    )


def _llmrouter(data_home: str | os.PathLike[str] | None) -> StudyTable:
    matrix = fetch_llmrouter_14task_matrix(data_home)
    note = (
        "costs are not recorded: each is the price per token of LLMRouter's list times "
        f"(characters of the query / {_CHARACTERS_PER_TOKEN:g} + {_TOKENS_PER_ANSWER:g}), with the "
        "same length of answer for every model"
    )
    return StudyTable(
        replace(
            matrix,
            cost=_price_list_cost(matrix),
            name="llmrouter_14task",
            notes=(*matrix.notes, note),
        ),
        in_distribution=("arc_challenge", "commonsense_qa", "gsm8k", "mmlu", "natural_qa"),
        out_of_distribution=("mbpp", "openbook_qa", "trivia_qa"),
        pair=("llama-3.1-nemotron-51b-instruct", "llama-3.1-8b-instruct"),
    )


def _cascades(data_home: str | os.PathLike[str] | None) -> StudyTable:
    return StudyTable(
        fetch_cascades_9model(data_home=data_home),
        in_distribution=("gsm8k", "mmlu", "truthfulqa"),
        out_of_distribution=("medmcqa",),
        pair=("gpt-4o", "llama3.1-8b"),
    )


def _synthetic(data_home: str | os.PathLike[str] | None) -> StudyTable:
    return StudyTable(
        synthetic_matrix(),
        in_distribution=("synthetic",),
        out_of_distribution=(),
        pair=("giant", "small"),
    )


def _price_list_cost(matrix: ModelMatrix) -> NDArray[np.float64]:
    length = np.fromiter((len(text) for text in matrix.text), dtype=float, count=matrix.n_queries)
    tokens = length / _CHARACTERS_PER_TOKEN + _TOKENS_PER_ANSWER
    price = np.array([_PRICE_PER_MILLION_TOKENS[model] for model in matrix.models]) / 1e6
    return np.asarray(tokens[:, None] * price)


STUDY_TABLES: dict[str, Callable[[str | os.PathLike[str] | None], StudyTable]] = {
    "routerbench_fewshot": _routerbench,
    "llmrouter_14task": _llmrouter,
    "cascades_9model": _cascades,
    "synthetic": _synthetic,
}
_FORMER_NAMES = {"made_up": "synthetic"}
