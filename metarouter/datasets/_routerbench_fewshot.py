"""RouterBench with few-shot prompts: eleven models, scores and costs."""

from __future__ import annotations

import os

from metarouter.datasets._home import published_folder
from metarouter.datasets._model_matrix import ModelMatrix
from metarouter.datasets._parquet import model_matrix, read_columns
from metarouter.utils.arguments import validated

__all__ = ["fetch_routerbench_fewshot"]


@validated()
def fetch_routerbench_fewshot(data_home: str | os.PathLike[str] | None = None) -> ModelMatrix:
    """Load RouterBench: 3164 queries of ARC-Challenge, MBPP and Winogrande, eleven models.

    Parameters
    ----------
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.

    Returns
    -------
    ModelMatrix
        Quality 0 or 1, cost in US dollars per call. `text` and `X` are those of the question,
        without the worked examples that came before it in the prompt.

    Raises
    ------
    DataError
        If the files are missing.

    References
    ----------
    Hu et al. (2024), RouterBench, arXiv:2403.12031. The prompts hold worked examples: the means
    differ from those published for the prompts without them.

    Examples
    --------
    >>> matrix = fetch_routerbench_fewshot()  # doctest: +SKIP
    >>> matrix.pair("gpt-4-1106-preview", "mixtral-8x7b-chat").n_gold  # doctest: +SKIP
    3164
    """
    folder = published_folder("routerbench_fewshot", data_home)
    return model_matrix(folder, read_columns(folder / "data.parquet"), text="question")
