"""Arena votes: people and two language models compare Claude Opus 4 with another model."""

from __future__ import annotations

import os

from metarouter.datasets._home import published_folder
from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._parquet import pair_queries
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

__all__ = ["fetch_arena_frontier"]


@validated()
def fetch_arena_frontier(
    pair: tuple[str, str] = ("claude-opus-4-20250514", "gemini-2.5-pro"),
    judge: str = "judge_gpt_5_2",
    data_home: str | os.PathLike[str] | None = None,
) -> LabelledQueries:
    """Load arena votes on Claude Opus 4: 276 and 275 battles, one human vote each.

    Parameters
    ----------
    pair : (str, str), default=("claude-opus-4-20250514", "gemini-2.5-pro")
        The primary is always claude-opus-4-20250514; the alternative is gemini-2.5-pro or
        qwen3-235b-a22b-no-thinking. The battles with gemini-2.5-flash have no text, so that
        this pair is refused.
    judge : str, default="judge_gpt_5_2"
        The cheap label: ``judge_gpt_5_2`` or ``judge_gpt_4o_mini``, one verdict in {-1, 1} each.
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.

    Returns
    -------
    LabelledQueries
        Gold labels in {-1, 1}: the vote of one person. Each battle has a query of its own. A
        battle without a verdict of the judge is dropped, and `notes` counts it.

    Raises
    ------
    DataError
        If the files are missing, or the pair or the judge is unknown.

    Notes
    -----
    The vote is hardly predictable from the query at this size, and each judge has a strong bias:
    data for tests with a null effect, not to show a gain from routing.

    References
    ----------
    Data of the R package debiasLLMReporting (Chen Lab).

    Examples
    --------
    >>> fetch_arena_frontier().n_queries  # doctest: +SKIP
    276
    """
    if "gemini-2.5-flash" in pair:
        raise DataError(
            "The battles of arena_frontier with 'gemini-2.5-flash' have no text: choose "
            "'gemini-2.5-pro' or 'qwen3-235b-a22b-no-thinking' as the alternative."
        )
    return pair_queries(published_folder("arena_frontier", data_home), pair, judge)
