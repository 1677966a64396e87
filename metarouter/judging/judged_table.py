"""The judges of a table as ``metarouter collect`` writes it.

Column ``preference_a`` holds the labels of judge a; ``preference_primary_first_a``,
``preference_primary_second_a``, ``preference_sd_a`` and ``preference_draws_a`` what is kept of its
verdicts, and ``own_side_a`` (1, -1 or 0) which answer it wrote itself. With one judge the names
have no ending. Columns may be absent: what they tell is then left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.datasets._table_labels import LabelColumn, read_labels
from metarouter.exceptions import DataError
from metarouter.judging.judge_profile import JudgeProfile, VerdictSummary, profile_judge
from metarouter.utils.arguments import validated

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["judges_of_table", "log2_length_ratio", "profile_table", "summary_of_judge"]

_ROLE = "preference"
_ANSWERS = ("answer_primary", "answer_alternative")

_Array = NDArray[np.float64]


@validated()
def judges_of_table(frame: pd.DataFrame) -> list[str]:
    """Return the columns of labels of all judges, such as ``preference_a`` and ``preference_b``.

    Examples
    --------
    >>> import pandas as pd
    >>> judges_of_table(pd.DataFrame(columns=["preference_a", "preference_draws_a", "gold"]))
    ['preference_a']
    """
    start = f"{_ROLE}_draws"
    endings = [str(c).removeprefix(start) for c in frame.columns if str(c).startswith(start)]
    judged = [f"{_ROLE}{ending}" for ending in endings if f"{_ROLE}{ending}" in frame.columns]
    return judged or ([_ROLE] if _ROLE in frame.columns else [])


@validated()
def summary_of_judge(
    frame: pd.DataFrame,
    column: str = _ROLE,
    *,
    positive: str | None = None,
    zero_means: str | None = None,
    name: str = "the table",
) -> VerdictSummary:
    """Read what a table keeps of one judge's verdicts.

    Parameters
    ----------
    frame : DataFrame
    column : str, default="preference"
        The judge's labels.
    positive, zero_means : str, optional
        How labels are written, as `metarouter.datasets.read_table` takes them.
    name : str, default="the table"
        What the table is called in an error.

    Raises
    ------
    DataError
        If the column is not there, or a cell is no label.
    """
    if column not in frame.columns:
        raise DataError(f"{name} has no column {column!r} of verdicts: name one that it has.")
    asked = LabelColumn(_ROLE, column, None, positive, zero_means)
    labels = read_labels(frame, asked, name)
    mean = labels.values if labels.kept is None else np.where(labels.kept, labels.values, np.nan)

    def kept(part: str) -> _Array | None:
        if not column.startswith(_ROLE):
            return None
        return _numbers(frame, f"{_ROLE}_{part}{column.removeprefix(_ROLE)}")

    first, second, sd = kept("primary_first"), kept("primary_second"), kept("sd")
    return VerdictSummary(
        mean,
        None if first is None or second is None else np.stack([first, second]),
        None if sd is None else sd**2,
        kept("draws"),
    )


@validated()
def profile_table(
    frame: pd.DataFrame,
    judges: Sequence[str] | None = None,
    *,
    gold: str = "gold",
    gold_scores: tuple[str, str] | None = None,
    positive: str | None = None,
    zero_means: str | None = None,
    group: str | None = None,
    level: float = 0.95,
    name: str = "the table",
) -> tuple[JudgeProfile, ...]:
    """Profile the judges of a table as far as its columns go.

    Parameters
    ----------
    frame : DataFrame
    judges : sequence of str, optional
        Columns of labels; by default those of `judges_of_table`.
    gold : str, default="gold"
        Column of gold labels; it may be absent.
    gold_scores : tuple of (str, str), optional
        Columns whose difference is the gold label.
    positive, zero_means : str, optional
        How labels are written, as `metarouter.datasets.read_table` takes them.
    group : str, optional
        Rows that share a value are one cluster, such as the column of queries.
    level : float, default=0.95
    name : str, default="the table"
        What the table is called in an error.

    Returns
    -------
    tuple of JudgeProfile
        None of a judge of which the table tells nothing. Length bias needs the columns
        ``answer_primary`` and ``answer_alternative``.

    Raises
    ------
    DataError
        If a column of labels is malformed.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"preference": [1.0, 0.5, -1.0, 1.0], "gold": [0.4, 0.3, -0.1, 0.2]})
    >>> [profile.names for profile in profile_table(frame)]
    [('agreement', 'gold_slope', 'leaning')]
    """
    gold_labels = None
    if gold_scores is not None or gold in frame.columns:
        asked = LabelColumn("gold", gold, gold_scores, positive, zero_means)
        gold_labels = read_labels(frame, asked, name).values
    ratio = None
    if set(_ANSWERS) <= set(frame.columns):
        ratio = log2_length_ratio(*(_texts(frame, column) for column in _ANSWERS))
    profiles = []
    for column in judges_of_table(frame) if judges is None else judges:
        verdicts = summary_of_judge(
            frame, column, positive=positive, zero_means=zero_means, name=name
        )
        if not _tells_something(verdicts, gold_labels):
            continue
        profiles.append(
            profile_judge(
                verdicts,
                gold=gold_labels,
                log2_length_ratio=ratio,
                own_side=_numbers(frame, f"own_side{column.removeprefix(_ROLE)}"),
                groups=None if group is None else frame[group].astype(str).to_numpy(),
                judge=column.removeprefix(f"{_ROLE}_"),
                level=level,
            )
        )
    return tuple(profiles)


def log2_length_ratio(
    primary: Sequence[str | None], alternative: Sequence[str | None]
) -> NDArray[np.float64]:
    """Return the binary logarithm of the ratio of lengths, NaN where an answer is missing.

    Examples
    --------
    >>> log2_length_ratio(["four", None], ["ab", "a"])
    array([ 1., nan])
    """
    lengths = (
        np.array([np.nan if text is None else max(len(text), 1) for text in side], dtype=float)
        for side in (primary, alternative)
    )
    first, second = lengths
    return np.asarray(np.log2(first / second))


def _tells_something(verdicts: VerdictSummary, gold: _Array | None) -> bool:
    there = ~np.isnan(verdicts.mean)
    if not there.any():
        return False
    by_order = verdicts.order_means is not None and not np.isnan(verdicts.order_means).all()
    return by_order or (gold is not None and bool((there & ~np.isnan(gold) & (gold != 0)).any()))


def _numbers(frame: pd.DataFrame, column: str) -> _Array | None:
    import pandas as pd

    if column not in frame.columns:
        return None
    return np.asarray(pd.to_numeric(frame[column], errors="coerce"), dtype=float)


def _texts(frame: pd.DataFrame, column: str) -> list[Any]:
    cells = frame[column]
    return [None if gone else str(cell) for cell, gone in zip(cells, cells.isna(), strict=True)]
