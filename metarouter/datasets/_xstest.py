"""XSTest: refusals of safe and unsafe prompts, judged by people, GPT-4 and string match."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metarouter.datasets._home import published_folder
from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._parquet import pair_queries
from metarouter.utils.arguments import validated

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fetch_xstest"]


@validated()
def fetch_xstest(
    pair: tuple[str, str] = ("llama2orig", "mistralinstruct"),
    judge: str = "judge_strmatch",
    data_home: str | os.PathLike[str] | None = None,
) -> LabelledQueries:
    """Load XSTest: 450 prompts that a model should answer, or refuse.

    Parameters
    ----------
    pair : (str, str), default=("llama2orig", "mistralinstruct")
        The primary and the alternative; any of gpt4, mistralguard, mistralinstruct, llama2new
        and llama2orig in one order.
    judge : str, default="judge_strmatch"
        The cheap label: ``judge_strmatch`` (string match) or ``judge_gpt4`` (GPT-4).
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.

    Returns
    -------
    LabelledQueries
        Gold labels in [-1, 1]: utility of the primary's answer, from people's labels, minus that
        of the alternative's. Prompts of one type share `groups`: a type without the prefix
        ``contrast_``, because safe and contrast prompts are matched by topic. Rows without a
        verdict of the judge are dropped, and `notes` counts them.

    Raises
    ------
    DataError
        If the files are missing, or the pair or the judge is unknown.

    References
    ----------
    Röttger et al. (2024), XSTest, NAACL. The prompts hold harmful requests.

    Examples
    --------
    >>> fetch_xstest(judge="judge_gpt4").n_queries  # doctest: +SKIP
    439
    """
    return pair_queries(published_folder("xstest", data_home), pair, judge, groups=_prompt_type)


def _prompt_type(table: pd.DataFrame) -> pd.Series:
    return table["category"].str.removeprefix("contrast_")
