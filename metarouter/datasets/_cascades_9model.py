"""Nine models of two cascades on five benchmarks: correctness, cost and latency."""

from __future__ import annotations

import os
from collections.abc import Sequence

from metarouter.datasets._home import published_folder
from metarouter.datasets._model_matrix import ModelMatrix
from metarouter.datasets._parquet import model_matrix, read_columns
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.names import nearest

__all__ = ["fetch_cascades_9model"]

_TASKS_WITH_REFERENCE = ("mmlu", "medmcqa", "truthfulqa", "gsm8k")


@validated()
def fetch_cascades_9model(
    tasks: Sequence[str] = _TASKS_WITH_REFERENCE,
    data_home: str | os.PathLike[str] | None = None,
) -> ModelMatrix:
    """Load nine models on MMLU, MedMCQA, TruthfulQA and GSM8K: 4233 queries.

    Parameters
    ----------
    tasks : sequence of str, default=("mmlu", "medmcqa", "truthfulqa", "gsm8k")
        The benchmarks. A fifth, ``triviaqa``, was graded by a language model that saw no
        reference answer: its quality is a judge's label, and left out unless it is named.
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.

    Returns
    -------
    ModelMatrix
        Quality 0 or 1, cost in US dollars of the answering call, latency in seconds, with that of
        a self-check in TruthfulQA and GSM8K. `text` and `X` are those of the
        question with its choices, without the fixed instruction. Queries of one wording share
        `groups`.

    Raises
    ------
    DataError
        If the files are missing or a task is unknown.

    Notes
    -----
    The quality gain is hardly predictable inside a benchmark: a router can save cost here rather
    than gain quality.

    References
    ----------
    Zellinger & Thomson (2025), Rational Tuning of LLM Cascades via Probabilistic Modeling,
    arXiv:2501.09345.

    Examples
    --------
    >>> fetch_cascades_9model().quality.shape  # doctest: +SKIP
    (4233, 9)
    """
    folder = published_folder("cascades_9model", data_home)
    table = read_columns(folder / "data.parquet")
    known = list(table["task"].unique())
    tasks = [tasks] if isinstance(tasks, str) else list(tasks)
    for task in tasks:
        if task not in known:
            raise DataError(
                f"cascades_9model has no task {task!r}{nearest(str(task), known)}: choose among "
                f"{', '.join(known)}."
            )
    if not tasks:
        raise DataError(f"tasks is empty: choose among {', '.join(known)}.")
    kept = table[table["task"].isin(tasks)]
    notes = [f"tasks {', '.join(tasks)}"]
    if "triviaqa" in tasks:
        notes.append("triviaqa is graded by a language model without a reference answer")
    return model_matrix(folder, kept, text="question", group_by_text=True, notes=tuple(notes))
