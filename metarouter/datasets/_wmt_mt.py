"""WMT24 translation: scores of experts, and overlap with a reference translation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metarouter.datasets._home import published_folder
from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._parquet import pair_queries, read_columns
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fetch_wmt_mt"]


@validated()
def fetch_wmt_mt(
    pair: tuple[str, str] = ("Claude-3.5", "Llama3-70B"),
    judge: str = "judge_chrf",
    data_home: str | os.PathLike[str] | None = None,
) -> LabelledQueries:
    """Load WMT24: 1862 segments to translate, from 633 English sources.

    Parameters
    ----------
    pair : (str, str), default=("Claude-3.5", "Llama3-70B")
        The primary and the alternative system. The system ``refA`` is the reference itself, and
        refused.
    judge : str, default="judge_chrf"
        The cheap label: ``judge_chrf``, ``judge_bleu`` (both against the reference) or
        ``judge_len`` (sign of the difference in length).
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.

    Returns
    -------
    LabelledQueries
        Gold labels in [-1, 1]: an expert's score of the primary's translation minus that of the
        alternative's, divided by 100. Segments of one English source share `groups`: the source
        comes with up to four target languages.

    Raises
    ------
    DataError
        If the files are missing, or the pair or the judge is unknown.

    References
    ----------
    Kocmi et al. (2024), Findings of the WMT24 General Machine Translation Shared Task.

    Examples
    --------
    >>> fetch_wmt_mt().n_queries  # doctest: +SKIP
    1862
    """
    if "refA" in pair:
        raise DataError(
            "The system 'refA' is the reference that the judges compare with: choose another "
            "system for the pair."
        )
    folder = published_folder("wmt_mt", data_home)
    sources = read_columns(folder / "sources.parquet", ["id", "source"]).set_index("id")["source"]

    def source_sentence(table: pd.DataFrame) -> pd.Series:
        return sources.loc[table["id"]]

    return pair_queries(folder, pair, judge, groups=source_sentence)
