"""Labels as people write them: differences, two scores, votes in words, several judges.

A label is the quality of the primary's answer minus that of the alternative's. Whatever else a
column holds is brought to that, and what was assumed is told in a note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.datasets import _table_checks as checks
from metarouter.exceptions import DataError
from metarouter.utils.names import listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MODEL_COLUMNS",
    "LabelColumn",
    "Labels",
    "combine_judges",
    "read_labels",
    "trusted_rows",
]

_FIRST_WORDS = (
    "a|win|won|model_a|model a|model_1|model 1|primary|first|left|response_a|answer_a|"
    "[[a]]|a>b|a>>b"
)
_SECOND_WORDS = (
    "b|loss|lose|lost|model_b|model b|model_2|model 2|alternative|second|right|response_b|answer_b|"
    "[[b]]|b>a|b>>a"
)
_TIE_WORDS = (
    "tie|tied|draw|both|neither|same|equal|tie (bothbad)|tie (inconsistent)|bothbad|both_bad|"
    "[[c]]|a=b"
)
# Columns that name the models of a vote for the first or the second.
MODEL_COLUMNS = (
    ("model_a", "model_b"),
    ("model_1", "model_2"),
    ("model_left", "model_right"),
    ("left_model", "right_model"),
)
_PRIMARY, _ALTERNATIVE, _TIE = (
    frozenset(words.split("|")) for words in (_FIRST_WORDS, _SECOND_WORDS, _TIE_WORDS)
)
_BY_POSITION = (_PRIMARY | _ALTERNATIVE) - {"win", "won", "loss", "lose", "lost"}
_TRUE, _FALSE = ("true", "yes"), ("false", "no")
_ZERO_MEANS = ("loss", "tie")


@dataclass(frozen=True)
class LabelColumn:
    """Where labels of one source stand, and how they are to be read.

    Parameters
    ----------
    role : str
        ``gold`` or ``preference``.
    column : str
        A column of differences or votes.
    scores : tuple of (str, str) or None
        Columns of the primary's and the alternative's score, instead of `column`.
    positive : str or None
        The value, such as a model's name, that means that the primary is better.
    zero_means : {"loss", "tie"} or None
        What 0 (or false) stands for in a column of 0 and 1 (or of booleans).
    negative : str or None
        The value that means that the alternative is better; rows of others are left out.
    """

    role: str
    column: str
    scores: tuple[str, str] | None = None
    positive: str | None = None
    zero_means: str | None = None
    negative: str | None = None


class Labels(NamedTuple):
    """Labels of one source, NaN where there is none, and what was assumed."""

    values: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    kept: NDArray[np.bool_] | None = None


def check_zero_means(zero_means: str | None) -> None:
    """Refuse what is neither a loss nor a tie.

    Raises
    ------
    DataError
    """
    if zero_means is not None and zero_means not in _ZERO_MEANS:
        raise DataError(f"zero_means is {zero_means!r}; give 'loss', 'tie' or None.")


def read_labels(frame: pd.DataFrame, asked: LabelColumn, source: str) -> Labels:
    """Read the labels of one source.

    Raises
    ------
    DataError
        If a cell is neither a number nor a vote, is infinite, or if a column of 0 and 1 does not
        say what 0 means.
    """
    if asked.scores is not None:
        first, second = (_finite(frame, column, asked.role, source) for column in asked.scores)
        note = f"{asked.role} labels are column {asked.scores[0]!r} minus {asked.scores[1]!r}"
        return Labels(first - second, (note,))
    values = frame[asked.column]
    words = _words(values)
    said = {word for word in words if word is not None}
    sides = next((pair for pair in MODEL_COLUMNS if set(pair) <= set(frame.columns)), None)
    if said and said <= _BY_POSITION | _TIE and sides is not None:
        return _by_position(frame, words, sides, asked, source)
    if asked.positive is not None and any(">" in word or "=" in word for word in said):
        words = [_winner(word, asked) for word in words]
        said = {word for word in words if word is not None}
    if asked.positive is not None and (_key(asked.positive) in said or not _are_numbers(values)):
        return _against(words, asked, source)
    if said and said <= _PRIMARY | _ALTERNATIVE | _TIE:
        return _votes(words, asked)
    if values.dtype == bool or (said and said <= {*_TRUE, *_FALSE}):
        won = np.array([np.nan if w is None else float(w in _TRUE) for w in words])
        return _zero_or_one(won, asked, source, "booleans")
    numbers = _finite(frame, asked.column, asked.role, source)
    known = numbers[~np.isnan(numbers)]
    if set(np.unique(known)) == {0.0, 1.0}:
        return _zero_or_one(numbers, asked, source, "0 and 1")
    return Labels(numbers)


def combine_judges(
    judges: Sequence[NDArray[np.float64]], names: Sequence[str], gold: NDArray[np.float64]
) -> Labels:
    """Average several judges' labels, each by what the gold labels say of its errors.

    Parameters
    ----------
    judges : sequence of ndarray of shape (n,)
        Labels, NaN where a judge gave none.
    names : sequence of str
    gold : ndarray of shape (n,)
        Gold labels, NaN where there is none.

    Returns
    -------
    Labels
        The weighted mean of the judges that are there in each row. A judge's weight is one over
        its mean squared error about the gold labels after its bias is taken off, shrunk towards
        the mean of all judges by 10 rows' worth, as few paired rows tell little; equal where no
        row has both. The notes give weights and biases with standard errors.
    """
    errors = np.stack([np.where(np.isnan(gold), np.nan, judge - gold) for judge in judges])
    n_paired = np.sum(~np.isnan(errors), axis=1)
    notes = []
    if (n_paired >= 2).all():
        variance = np.nanvar(errors, axis=1, ddof=1)
        shrunk = (n_paired * variance + 10 * variance.mean()) / (n_paired + 10)
        weight = 1 / np.maximum(shrunk, 1e-12 * max(float(shrunk.max()), 1.0))
        weight /= weight.sum()
        for k, name in enumerate(names):
            bias, error = np.nanmean(errors[k]), np.sqrt(variance[k] / n_paired[k])
            notes.append(
                f"judge {name!r} has weight {weight[k]:.2f} and bias {bias:+.3f} "
                f"(s.e. {error:.3f}, {n_paired[k]} rows with gold labels)"
            )
    else:
        weight = np.full(len(judges), 1 / len(judges))
        notes.append(
            f"the {len(judges)} judges are weighed alike: fewer than 2 rows carry a gold label and "
            f"one of {names[int(np.argmin(n_paired))]!r}"
        )
    labels = np.stack(judges)
    there = ~np.isnan(labels)
    total = np.where(there, weight[:, None], 0.0).sum(axis=0)
    mean = np.full(labels.shape[1], np.nan)
    some = total > 0
    mean[some] = (weight[:, None] * np.where(there, labels, 0.0)).sum(axis=0)[some] / total[some]
    return Labels(mean, tuple(notes))


def _key(value: object) -> str:
    return " ".join(str(value).split()).lower()


def _words(values: pd.Series) -> list[str | None]:
    missing = values.isna()
    return [None if gone else _key(v) for v, gone in zip(values, missing, strict=True)]


def _are_numbers(values: pd.Series) -> bool:
    import pandas as pd

    return bool(pd.to_numeric(values, errors="coerce").notna().equals(values.notna()))


def _finite(frame: pd.DataFrame, column: str, role: str, source: str) -> NDArray[np.float64]:
    values = checks.values_are_numbers(frame, column, f"{role} labels", source)
    checks.nothing_is_infinite(values, column, f"{role} labels", source)
    return values


def _map(words: list[str | None], meaning: Callable[[str], float]) -> NDArray[np.float64]:
    return np.array([np.nan if word is None else meaning(word) for word in words], dtype=float)


def _signs(words: list[str | None]) -> NDArray[np.float64]:
    return _map(words, lambda word: float(word in _PRIMARY) - float(word in _ALTERNATIVE))


def _by_position(
    frame: pd.DataFrame,
    words: list[str | None],
    sides: tuple[str, str],
    asked: LabelColumn,
    source: str,
) -> Labels:
    """Votes for the first or the second of two named models, as in an arena."""
    names = [np.array(_words(frame[side]), dtype=object) for side in sides]
    everyone = sorted({name for column in names for name in column if name is not None})
    if asked.positive is None:
        raise DataError(
            f"Column {asked.column!r} of {source} tells which of {sides[0]} and {sides[1]} won: "
            f"name the primary model with positive= ({', '.join(map(repr, everyone[:8]))})."
        )
    primary = _key(asked.positive)
    is_first, is_second = (column == primary for column in names)
    kept = is_first ^ is_second
    other = "another model"
    if asked.negative is not None:
        other, name = repr(asked.negative), _key(asked.negative)
        kept &= np.where(is_first, names[1] == name, names[0] == name)
    if not kept.any():
        raise DataError(
            f"No row of {source} compares {asked.positive!r} with {other}: name the primary "
            f"model with positive= ({', '.join(map(repr, everyone[:8]))})."
        )
    others = sorted({*names[1][is_first & kept], *names[0][is_second & kept]})
    note = (
        f"column {asked.column!r} is read as votes for {asked.positive!r}, the primary, or for "
        f"{', '.join(map(repr, others[:4]))}{' and others' * (len(others) > 4)}"
    )
    dropped = int((~kept).sum())
    notes = (note, f"{dropped} rows of other models dropped") if dropped else (note,)
    return Labels(np.where(is_first, 1.0, -1.0) * _signs(words), notes, kept)


def _votes(words: list[str | None], asked: LabelColumn) -> Labels:
    first = sorted(_PRIMARY.intersection(filter(None, words)))
    shown = " and ".join(repr(word) for word in first) or "none"
    return Labels(
        _signs(words),
        (
            f"column {asked.column!r} is read as votes: {shown} for the primary (1), ties 0, the "
            "others for the alternative (-1)",
        ),
    )


def _against(words: list[str | None], asked: LabelColumn, source: str) -> Labels:
    """Votes of which one value, such as a model's name, means the primary."""
    positive = _key(asked.positive)
    others = sorted({w for w in words if w is not None} - {positive, *_TIE})
    kept = None
    if asked.negative is not None and len(others) > 1:
        others = [_key(asked.negative)]
        kept = np.array([word in (None, positive, *others, *_TIE) for word in words])
    if positive not in words and not set(words) <= {None, *_TIE, _key(asked.negative)}:
        raise DataError(
            f"Column {asked.column!r} of {source} nowhere holds {asked.positive!r}, which is to "
            f"mean the primary: name one of its values ({', '.join(map(repr, others[:8]))})."
        )
    if len(others) > 1:
        raise DataError(
            f"Column {asked.column!r} of {source} holds {len(others)} values besides "
            f"{asked.positive!r} and ties ({', '.join(map(repr, others[:8]))}): keep the rows that "
            "compare the primary with one alternative."
        )
    votes = _map(words, lambda word: 1.0 if word == positive else -float(word in others))
    other = f", {others[0]!r} the alternative (-1)" if others else ""
    note = f"in column {asked.column!r} {asked.positive!r} means the primary (1){other}, ties 0"
    dropped = 0 if kept is None else int((~kept).sum())
    return Labels(
        votes, (note, f"{dropped} rows of other models dropped")[: 1 + bool(dropped)], kept
    )


def _winner(ranking: str | None, asked: LabelColumn) -> str | None:
    """Return the better one of the primary and the alternative in a ranking, first the best."""
    if ranking is None or not (">" in ranking or "=" in ranking):
        return ranking
    ranks = {
        word.strip(): rank
        for rank, tied in enumerate(ranking.split(">"))
        for word in tied.split("=")
    }
    positive = _key(asked.positive)
    others = [word for word in ranks if word != positive]
    other = others[0] if asked.negative is None and len(others) == 1 else _key(asked.negative)
    if positive not in ranks or other not in ranks:
        return ranking
    if ranks[positive] == ranks[other]:
        return "tie"
    return positive if ranks[positive] < ranks[other] else other


def trusted_rows(
    annotators: pd.Series, trusted: Sequence[str], column: str, source: str
) -> tuple[NDArray[np.bool_], str]:
    """Return the rows whose label a trustworthy annotator gave, and what was found.

    Raises
    ------
    DataError
        If nobody's labels would be gold, or everybody's.
    """
    names = [
        _key(name) if there else ""
        for name, there in zip(annotators, annotators.notna(), strict=True)
    ]
    patterns = [_key(pattern) for pattern in trusted]
    everyone = sorted(set(names) - {""})
    gold = {name for name in everyone if any(fnmatchcase(name, one) for one in patterns)}
    if not gold or len(gold) == len(everyone):
        raise DataError(
            f"{'No' if not gold else 'Every'} annotator in column {column!r} of {source} matches "
            f"gold_annotators= ({listed(trusted)}): name those whose labels are gold among "
            f"{listed(everyone)}."
        )
    rows = np.array([name in gold for name in names])
    others = [name for name in everyone if name not in gold]
    return rows, (
        f"labels by {listed(sorted(gold))} are gold ({int(rows.sum())} rows), those by "
        f"{listed(others)} are not ({int((~rows).sum())} rows)"
    )


def _zero_or_one(won: NDArray[np.float64], asked: LabelColumn, source: str, what: str) -> Labels:
    if asked.zero_means is None:
        raise DataError(
            f"Column {asked.column!r} of {source} holds only {what}: say with zero_means= whether "
            "0 means that the alternative is better ('loss') or that both are alike ('tie')."
        )
    if asked.zero_means == "tie":
        return Labels(won, (f"in column {asked.column!r} 1 means the primary, 0 a tie",))
    return Labels(
        2 * won - 1, (f"in column {asked.column!r} 1 means the primary, 0 the alternative (-1)",)
    )
