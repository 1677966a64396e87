"""MMLU and GSM8K as evaluated for RouteLLM: GPT-4 against Mixtral."""

from __future__ import annotations

import os

from metarouter.datasets._home import published_folder
from metarouter.datasets._model_matrix import ModelMatrix
from metarouter.datasets._parquet import model_matrix, read_columns
from metarouter.utils.arguments import validated

__all__ = ["fetch_routellm_evals"]


@validated()
def fetch_routellm_evals(data_home: str | os.PathLike[str] | None = None) -> ModelMatrix:
    """Load RouteLLM's evaluations: 15344 queries of MMLU and GSM8K, two models.

    Parameters
    ----------
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.

    Returns
    -------
    ModelMatrix
        Quality 0 or 1, no costs. Prompts that RouteLLM lists as too near to its training data
        are dropped, and `notes` counts them. Queries of one wording share `groups`.

    Raises
    ------
    DataError
        If the files are missing.

    References
    ----------
    Ong et al. (2024), RouteLLM, arXiv:2406.18665.

    Examples
    --------
    >>> fetch_routellm_evals().models  # doctest: +SKIP
    ('mixtral-8x7b-instruct-v0.1', 'gpt-4-1106-preview')
    """
    folder = published_folder("routellm_evals", data_home)
    table = read_columns(folder / "data.parquet")
    kept = table[~table["contaminated"]]
    note = f"{len(table) - len(kept)} of {len(table)} rows dropped: contaminated prompts"
    return model_matrix(folder, kept, group_by_text=True, notes=(note,))
