"""EVOUNA: open question answering, judged by people and by overlap with reference answers."""

from __future__ import annotations

import os

from metarouter.datasets._home import published_folder
from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._parquet import pair_queries
from metarouter.utils.arguments import validated

__all__ = ["fetch_evouna"]


@validated()
def fetch_evouna(
    pair: tuple[str, str] = ("ChatGPT-4", "DPR+FiD"),
    judge: str = "judge_f1",
    data_home: str | os.PathLike[str] | None = None,
) -> LabelledQueries:
    """Load EVOUNA: questions of NQ and TriviaQA, both labels on every one of 4957 queries.

    Parameters
    ----------
    pair : (str, str), default=("ChatGPT-4", "DPR+FiD")
        The primary and the alternative; any of BingChat, ChatGPT-4, ChatGPT-3.5, GPT-3.5 and
        DPR+FiD in one order.
    judge : str, default="judge_f1"
        The cheap label: ``judge_f1`` (token F1), ``judge_em`` (exact match), ``judge_lexical``
        (a golden answer is contained), ``judge_peer`` (overlap with other models' answers) or
        ``judge_len`` (sign of the difference in length). All are computed; none is a language
        model.
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.

    Returns
    -------
    LabelledQueries
        Gold labels in {-1, 0, 1}: correctness, judged by people, of the primary minus that of
        the alternative. `X` holds 384-dimensional MiniLM embeddings of the questions.

    Raises
    ------
    DataError
        If the files are missing, or the pair or the judge is unknown.

    References
    ----------
    Wang et al. (2023), Evaluating Open-QA Evaluation, NeurIPS Datasets and Benchmarks.

    Examples
    --------
    >>> fetch_evouna(judge="judge_lexical").n_paired  # doctest: +SKIP
    4957
    """
    return pair_queries(published_folder("evouna", data_home), pair, judge)
