"""Pairs of answers, and what reward models say of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.features import as_floats

__all__ = ["RewardVerdicts", "pair_features", "read_verdicts"]

Array = NDArray[np.float64]

TEXT_COLUMNS = ("prompt", "answer_a", "answer_b")
_WORDS = {
    **dict.fromkeys(("a", "first", "1", "+1"), 1.0),
    **dict.fromkeys(("b", "second", "-1"), -1.0),
    **dict.fromkeys(("tie", "tied", "0", "equal"), 0.0),
}
_ABSTAINS = ("abstain", "abstained", "refused", "both_bad")
_MISSING = ("", "nan", "none", "na")


@validated()
def pair_features(first: ArrayLike, second: ArrayLike) -> Array:
    """Return [e + e'; |e - e'|], the features of a pair of answers (section 3.2).

    They are the same whichever answer comes first, as a router must not care.

    Parameters
    ----------
    first, second : array of shape (n, d)
        Embeddings of the prompt with either answer.

    Returns
    -------
    ndarray of shape (n, 2 d)

    Raises
    ------
    DataError
        If the two differ in shape or are not finite.

    Examples
    --------
    >>> pair_features([[1.0, 2.0]], [[3.0, 2.0]]).tolist()
    [[4.0, 4.0, 2.0, 0.0]]
    """
    e, other = (_embeddings(name, value) for name, value in (("first", first), ("second", second)))
    if e.shape != other.shape:
        raise DataError(
            f"first has shape {e.shape} but second {other.shape}; give one embedding of the same "
            "width for either answer of every pair."
        )
    return np.hstack([e + other, np.abs(e - other)])


@dataclass(frozen=True)
class RewardVerdicts:
    """Which answer every reward model prefers, pair by pair.

    Parameters
    ----------
    verdict : ndarray of shape (m, N)
        1 where a model prefers the first answer, -1 the second, 0 a tie; NaN where there is no
        verdict.
    models : list
        Names of the N reward models.
    label : ndarray of shape (m,), optional
        The verified preference: 1 or -1, NaN where it is not known.
    abstained : ndarray of bool of shape (m, N), optional
        Calls that were made and gave no verdict; a cell that is NaN and no abstention was never
        asked.
    margin : ndarray of shape (m, N), optional
        Score of the first minus score of the second answer, where models score.
    groups : ndarray of shape (m,), optional
        Pairs that belong together, such as those of one prompt.
    text : DataFrame, optional
        Columns prompt, answer_a, answer_b.

    Raises
    ------
    DataError
        If shapes differ, or a verdict or a label is off its range.

    Examples
    --------
    >>> verdicts = RewardVerdicts(np.array([[1.0, -1.0], [0.0, np.nan]]), ["x", "y"], [1.0, -1.0])
    >>> verdicts.correct.tolist()
    [[1.0, 0.0], [nan, nan]]
    >>> verdicts.credit.tolist()
    [[1.0, 0.0], [0.5, nan]]
    """

    verdict: Array
    models: list[Any]
    label: Array | None = None
    abstained: NDArray[np.bool_] | None = None
    margin: Array | None = None
    groups: NDArray[Any] | None = None
    text: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        verdict = _table("verdict", self.verdict)
        m, n_models = verdict.shape
        set_field = object.__setattr__
        set_field(self, "verdict", verdict)
        set_field(self, "models", list(self.models))
        if len(self.models) != n_models or len(set(self.models)) != n_models:
            raise DataError(
                f"models names {self.models}, but verdict has {n_models} columns; name each once."
            )
        _require_among("verdict", verdict, (-1.0, 0.0, 1.0))
        if self.label is not None:
            label = _table("label", self.label, ndim=1)
            _require_among("label", label, (-1.0, 1.0))
            set_field(self, "label", label)
        given = np.zeros(verdict.shape, bool) if self.abstained is None else self.abstained
        abstained = np.asarray(given, dtype=bool)
        set_field(self, "abstained", abstained)
        for name, shape in (("label", (m,)), ("abstained", (m, n_models)), ("groups", (m,))):
            value = getattr(self, name)
            if value is not None and np.shape(value) != shape:
                raise DataError(f"{name} has shape {np.shape(value)}; give {shape}, as verdict.")
        if (abstained & ~np.isnan(verdict)).any():
            raise DataError("abstained marks cells that hold a verdict; make them NaN.")

    @classmethod
    def from_scores(
        cls, first: ArrayLike, second: ArrayLike, models: Sequence[Any], **others: Any
    ) -> Self:
        """Build verdicts from the scores of either answer, shape (m, N) each; equal scores tie."""
        first, second = _table("first", first), _table("second", second)
        if first.shape != second.shape:
            raise DataError(f"first has shape {first.shape} but second {second.shape}.")
        margin = first - second
        return cls(np.sign(margin), list(models), margin=margin, **others)

    @property
    def correct(self) -> Array:
        """1 where a verdict agrees with the label, 0 where not, NaN at ties and gaps; (m, N)."""
        decided = np.where(self.verdict == 0, np.nan, self.verdict)
        agrees = decided * self._known_label()[:, None]
        return np.where(np.isnan(agrees), np.nan, (agrees > 0).astype(float))

    @property
    def credit(self) -> Array:
        """As `correct`, with one half for ties and abstentions (a coin decides); (m, N)."""
        credit = self.correct
        assert self.abstained is not None
        credit[(self.verdict == 0) | self.abstained] = 0.5
        credit[np.isnan(self._known_label())] = np.nan
        return credit

    def __len__(self) -> int:
        return len(self.verdict)

    def take(self, rows: Any) -> RewardVerdicts:
        """Keep some pairs, given as a mask or as positions."""
        kept = {
            name: None if (value := getattr(self, name)) is None else value[rows]
            for name in ("label", "abstained", "margin", "groups")
        }
        text = None if self.text is None else self.text.iloc[_positions(rows)]
        return RewardVerdicts(self.verdict[rows], self.models, text=text, **kept)

    def summary(self) -> pd.DataFrame:
        """One row per model: verdicts, ties, abstentions, gaps, accuracy and agreement with others.

        `accuracy` is that among decided verdicts, `credit` counts ties and abstentions as half.
        """
        assert self.abstained is not None
        rows = []
        for k, name in enumerate(self.models):
            verdict = self.verdict[:, k]
            others = np.delete(self.verdict, k, axis=1)
            both = ~np.isnan(verdict)[:, None] & ~np.isnan(others)
            same = (verdict[:, None] == others)[both]
            row = {
                "model": name,
                "verdicts": int((~np.isnan(verdict)).sum()),
                "ties": int((verdict == 0).sum()),
                "abstained": int(self.abstained[:, k].sum()),
                "missing": int((np.isnan(verdict) & ~self.abstained[:, k]).sum()),
                "agreement": same.mean() if same.size else np.nan,
            }
            if self.label is not None:
                for column, table in (("accuracy", self.correct), ("credit", self.credit)):
                    known = table[:, k][~np.isnan(table[:, k])]
                    row[column] = known.mean() if known.size else np.nan
            rows.append(row)
        return pd.DataFrame(rows).set_index("model")

    def _known_label(self) -> Array:
        if self.label is None:
            raise DataError("These verdicts have no verified labels; give label=.")
        return self.label


@validated()
def read_verdicts(
    table: pd.DataFrame | str | os.PathLike[str],
    *,
    models: Sequence[str] | None = None,
    label: str = "label",
    group: str = "group",
) -> RewardVerdicts:
    """Read a table of pairs: prompt, answer_a, answer_b, and one column per reward model.

    A model's column holds numbers (their sign is the verdict: above 0 prefers answer_a), or the
    words A, B, tie, abstain; an empty cell is a verdict that is missing. A model that scores each
    answer by itself has the columns NAME_a and NAME_b instead.

    Parameters
    ----------
    table : DataFrame, or path of a CSV, Parquet or JSON-lines file
    models : sequence of str, optional
        Names of the reward models; by default all other columns.
    label : str, default="label"
        Column of the verified preference (A, B, 1, -1 or empty), where there is one.
    group : str, default="group"
        Column that says which pairs belong together, where there is one; else prompts do.

    Raises
    ------
    DataError
        If a column is missing or a cell cannot be read.

    Examples
    --------
    >>> frame = pd.DataFrame({"prompt": ["p"], "answer_a": ["x"], "answer_b": ["y"],
    ...                       "judge": ["A"], "scorer_a": [0.2], "scorer_b": [0.7], "label": ["B"]})
    >>> read_verdicts(frame).correct.tolist()
    [[0.0, 1.0]]
    """
    frame = table if isinstance(table, pd.DataFrame) else _read(Path(table))
    if frame.empty:
        raise DataError("The table has no rows; give one row per pair.")
    names = _models(frame, label, group) if models is None else list(models)
    if not names:
        raise DataError(
            f"The table's columns are {list(map(str, frame.columns))}: none is of a reward model; "
            "add one column per model."
        )
    columns = [_verdicts_of(frame, name) for name in names]
    verdict, abstained, margin = (np.column_stack(part) for part in zip(*columns, strict=True))
    text = [name for name in TEXT_COLUMNS if name in frame.columns]
    together = group if group in frame.columns else "prompt"
    return RewardVerdicts(
        verdict,
        names,
        _words(frame[label], label)[0] if label in frame.columns else None,
        abstained.astype(bool),
        margin,
        frame[together].to_numpy() if together in frame.columns else None,
        frame[text].reset_index(drop=True) if text else None,
    )


def _read(path: Path) -> pd.DataFrame:
    readers = {
        ".csv": pd.read_csv,
        ".tsv": lambda p: pd.read_csv(p, sep="\t"),
        ".parquet": pd.read_parquet,
        ".jsonl": lambda p: pd.read_json(p, lines=True),
    }
    if path.suffix not in readers:
        raise DataError(f"{path} is no table; give a file that ends in {', '.join(readers)}.")
    try:
        return readers[path.suffix](path)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read ({reason}); save the table again.") from None


def _models(frame: pd.DataFrame, label: str, group: str) -> list[str]:
    names: list[str] = []
    for column in map(str, frame.columns):
        if column in (*TEXT_COLUMNS, label, group):
            continue
        stem = column[:-2]
        scored = column[-2:] in ("_a", "_b") and {f"{stem}_a", f"{stem}_b"} <= set(frame.columns)
        name = stem if scored else column
        if name not in names:
            names.append(name)
    return names


def _verdicts_of(frame: pd.DataFrame, name: str) -> tuple[Array, Array, Array]:
    """Return verdict, abstention and margin of one model, shape (m,) each."""
    if name in frame.columns:
        return _words(frame[name], name)
    sides = [f"{name}_a", f"{name}_b"]
    absent = [side for side in sides if side not in frame.columns]
    if absent:
        raise DataError(
            f"There is no column {name!r} of verdicts, nor {' and '.join(map(repr, sides))} of "
            f"scores; the table has {list(map(str, frame.columns))}."
        )
    try:
        first, second = (frame[side].to_numpy(dtype=np.float64) for side in sides)
    except (TypeError, ValueError):
        raise DataError(f"The columns {sides} hold what is no number; give scores.") from None
    margin = first - second
    return np.sign(margin), np.zeros(len(margin)), margin


def _words(column: pd.Series, name: str) -> tuple[Array, Array, Array]:
    if pd.api.types.is_numeric_dtype(column):
        margin = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.sign(margin), np.zeros(len(margin)), margin
    words = column.astype("string").str.strip().str.lower().fillna("")
    verdict, abstained = words.map(_WORDS), words.isin(_ABSTAINS)
    strange = verdict.isna() & ~abstained & ~words.isin(_MISSING)
    if strange.any():
        row = int(np.argmax(strange.to_numpy()))
        raise DataError(
            f"Column {name!r} holds {column.iloc[row]!r} in row {row}; give A, B, tie, abstain, a "
            "number, or leave the cell empty."
        )
    values = verdict.to_numpy(dtype=np.float64, na_value=np.nan)
    return values, abstained.to_numpy(dtype=np.float64), values


def _embeddings(name: str, value: ArrayLike) -> Array:
    table = _table(name, value)
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        raise DataError(
            f"{name} is not finite in {int(bad.sum())} of {len(table)} rows (first: row "
            f"{int(np.argmax(bad))}); embed those answers again, or leave the pairs out."
        )
    return table


def _table(name: str, value: Any, ndim: int = 2) -> Array:
    table = np.array(as_floats(name, value, f"{name} is no table of numbers; give an array."))
    if table.ndim != ndim or not len(table):
        wanted = "one row per pair" if ndim == 2 else "one number per pair"
        raise DataError(f"{name} has shape {table.shape}; give {wanted}.")
    return table


def _require_among(name: str, values: Array, allowed: tuple[float, ...]) -> None:
    off = ~(np.isin(values, allowed) | np.isnan(values))
    if off.any():
        where = tuple(int(i) for i in np.argwhere(off)[0])
        raise DataError(
            f"{name} holds {values[where]:g} in row {where[0]}; give "
            f"{', '.join(f'{v:g}' for v in allowed)}, or NaN where it is not known."
        )


def _positions(rows: Any) -> NDArray[np.intp]:
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows
