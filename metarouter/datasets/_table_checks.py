"""Checks of a user's table: each is a function that says what is wrong, where, and what to do.

Rows are counted from 0, without the header, as everywhere in messages: a frame has them at `iloc`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError
from metarouter.utils.names import close_names, listed, require_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "as_numbers",
    "column_exists",
    "column_is_not_misspelt",
    "columns_are_distinct",
    "costs_are_not_negative",
    "every_query_has_its_text",
    "every_row_is_labelled",
    "holds_no_number",
    "nothing_is_infinite",
    "nothing_is_missing",
    "roles_are_distinct",
    "rows_with_text",
    "some_column_holds_features",
    "some_column_holds_labels",
    "table_has_rows",
    "values_are_numbers",
    "weights_are_positive",
]


_LARGEST = 1e30
# A percentage, or an amount of money whose thousands may be set apart by commas.
_AMOUNT = re.compile(
    r"[-+]?\d+(\.\d+)?\s?%"
    r"|[-+]?[$€£¥]\s?[-+]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?"
    r"|[-+]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?\s?[$€£¥]"
    r"|[-+]?\d{1,3}(,\d{3}){2,}(\.\d+)?"
)


def columns_are_distinct(columns: Iterable[object], source: str) -> None:
    """Check 1: no column stands twice."""
    repeated = [str(name) for name, times in Counter(columns).items() if times > 1]
    if repeated:
        raise DataError(
            f"{source} has {_count(len(repeated), 'column')} more than once "
            f"({listed(repeated)}): rename or drop the repetitions."
        )


def table_has_rows(frame: pd.DataFrame, source: str) -> None:
    """Check 2: there is at least one row."""
    if len(frame) == 0:
        raise DataError(f"{source} has {_count(frame.shape[1], 'column')} but no rows: add rows.")


def column_exists(frame: pd.DataFrame, column: str, role: str, source: str) -> None:
    """Check 3: a column that was asked for is there."""
    require_column(column, frame.columns, source, role=f"for the {role}")


def some_column_holds_labels(frame: pd.DataFrame, found: Sequence[str], source: str) -> None:
    """Check 4: there is a column of gold labels, of preference labels, or both."""
    if not found:
        known = [str(name) for name in frame.columns]
        raise DataError(
            f"{source} has neither a column 'gold' nor a column 'preference': name the columns of "
            f"labels with gold= and preference= among its {_count(len(known), 'column')} "
            f"({listed(known)})."
        )


def some_column_holds_features(columns: Sequence[str], source: str) -> None:
    """Check 5: there is a column of features where no column holds text."""
    if not columns:
        raise DataError(
            f"{source} has no column of features: name a column of text with text=, or columns of "
            "numbers with features=."
        )


def column_is_not_misspelt(role: str, free: Sequence[str], source: str) -> None:
    """Check 6: a column of labels that is absent is not there under another spelling."""
    close = close_names(role, free)
    if close:
        raise DataError(
            f"{source} has no column {role!r} for the {role} labels but has {listed(close)}: name "
            f"the column with {role}=, list the columns of features with features=, or drop it."
        )


def roles_are_distinct(roles: dict[str, str], source: str) -> None:
    """Check 7: no column plays two roles, so that no label is among the features."""
    for column, times in Counter(roles.values()).items():
        if times > 1:
            both = " and ".join(role for role, name in roles.items() if name == column)
            if both == "text and group":
                continue  # rows of one text form a group
            raise DataError(
                f"Column {column!r} of {source} is named as {both}: give every role a column of "
                "its own."
            )


def values_are_numbers(
    frame: pd.DataFrame, column: str, role: str, source: str
) -> NDArray[np.float64]:
    """Check 8: a column of numbers holds numbers; returned as floats, NaN where missing."""
    import pandas as pd

    values = frame[column]
    if values.dtype.kind in "fiu":
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    is_time = pd.api.types.is_datetime64_any_dtype(values)
    is_time |= pd.api.types.is_timedelta64_dtype(values)
    numbers = pd.Series(np.nan, index=values.index) if is_time else as_numbers(values)
    wrong = np.asarray(numbers.isna() & values.notna())
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"Column {column!r} of {source} holds no number in {_count(int(wrong.sum()), 'row')} "
            f"of {len(values)} (first: {_shorten(values.iloc[row])} in row {row}), but the "
            f"{role} must be numbers: correct them, or {_other_use(role)}."
        )
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def as_numbers(values: pd.Series) -> pd.Series:
    """Return numbers, NaN where there is none; ``12%`` is 0.12, ``$1,250.50`` is 1250.5.

    Percentages and amounts of money are read where every cell that is no plain number is one.
    """
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    odd = numbers.isna() & values.notna()
    if not odd.any():
        return numbers
    words = values[odd]
    if not all(isinstance(word, str) and _AMOUNT.fullmatch(word.strip()) for word in words):
        return numbers
    plain = pd.to_numeric(words.str.replace(r"[^-+.\d]", "", regex=True), errors="coerce")
    is_share = words.str.contains("%", regex=False)
    return numbers.astype(float).where(~odd, plain.where(~is_share, plain / 100))


def holds_no_number(values: pd.Series) -> bool:
    """Tell whether no cell is a number: words, dates, or nothing at all."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return True
    return not as_numbers(values).notna().any()


def nothing_is_infinite(values: NDArray[np.float64], column: str, role: str, source: str) -> None:
    """Check 9: no number is infinite, nor are all too large, or too small, to compute with."""
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            f"Column {column!r} of {source} is infinite in {_count(int(infinite.sum()), 'row')} "
            f"of {values.size} (first: row {int(infinite.argmax())}): give the {role} finite "
            "numbers, or leave the cells empty where there is no label."
        )
    largest = float(np.max(np.abs(values), where=~np.isnan(values), initial=0.0))
    if largest > _LARGEST or 0 < largest < 1 / _LARGEST:
        raise DataError(
            f"Column {column!r} of {source} holds numbers of up to {largest:.3g} in size, which "
            f"computations cannot hold: give the {role} in another unit."
        )


def nothing_is_missing(missing: NDArray[np.bool_], column: str, role: str, source: str) -> None:
    """Check 10: features, groups, domains, weights and costs have a value in every row."""
    if missing.any():
        raise DataError(
            f"Column {column!r} of {source} is empty in {_count(int(missing.sum()), 'row')} of "
            f"{missing.size} (first: row {int(missing.argmax())}): fill in the {role} or drop "
            "the rows."
        )


def weights_are_positive(values: NDArray[np.float64], column: str, source: str) -> None:
    """Check 11: weights are at least 0, and some are above."""
    if (values < 0).any():
        row = int((values < 0).argmax())
        raise DataError(
            f"Column {column!r} of {source} is negative in {_count(int((values < 0).sum()), 'row')}"
            f" of {values.size} (first: {values[row]:g} in row {row}): give weights of at "
            "least 0."
        )
    if not values.any():
        raise DataError(
            f"Column {column!r} of {source} is 0 in all {values.size} rows: give some row a "
            "weight above 0."
        )


def costs_are_not_negative(values: NDArray[np.float64], column: str, source: str) -> None:
    """Check 12: no call costs less than nothing."""
    if (values < 0).any():
        row = int((values < 0).argmax())
        raise DataError(
            f"Column {column!r} of {source} is negative in {_count(int((values < 0).sum()), 'row')}"
            f" of {values.size} (first: {values[row]:g} in row {row}): give costs of at "
            "least 0."
        )


def rows_with_text(frame: pd.DataFrame, column: str, source: str) -> NDArray[np.bool_]:
    """Check 13: the text column holds text, or nothing; returned are the rows that have some."""
    values = frame[column]
    texts = values.to_numpy(dtype=object)
    is_text = np.array([isinstance(text, str) for text in texts], dtype=bool)
    wrong = ~is_text & np.asarray(values.notna())
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"Column {column!r} of {source} holds no text in {_count(int(wrong.sum()), 'row')} of "
            f"{len(texts)} (first: {_shorten(texts[row])} in row {row}): name a column of text "
            "with text=, or columns of numbers with features=."
        )
    there = np.array([isinstance(text, str) and bool(text.strip()) for text in texts], dtype=bool)
    if not there.any():
        raise DataError(
            f"Column {column!r} of {source} is empty in all {len(texts)} rows: name a column of "
            "text with text=, or columns of numbers with features=."
        )
    return there


def every_query_has_its_text(frame: pd.DataFrame, column: str, source: str) -> NDArray[np.object_]:
    """Check 14: the text column holds text in every row; returned as an array of str."""
    nothing_is_missing(~rows_with_text(frame, column, source), column, "text", source)
    return frame[column].to_numpy(dtype=object)


def every_row_is_labelled(
    gold: NDArray[np.float64], preference: NDArray[np.float64], source: str
) -> None:
    """Check 15: every row carries a gold label or a preference label."""
    bare = np.isnan(gold) & np.isnan(preference)
    if bare.any():
        raise DataError(
            f"{source} has neither a gold nor a preference label in "
            f"{_count(int(bare.sum()), 'row')} of {bare.size} (first: row "
            f"{int(bare.argmax())}): drop those rows, or read them with allow_unlabelled=True."
        )


def _other_use(role: str) -> str:
    if role == "features":
        return "name the columns of features with features= or a column of text with text="
    return "name another column"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]}...{text[-1]}"
