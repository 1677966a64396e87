"""Labels that compare two of many models on a query."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.datasets import _table_checks as checks
from metarouter.datasets._labelled_queries import take_rows
from metarouter.datasets._table import read_table, with_text
from metarouter.datasets._table_files import read_frame
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.names import nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ComparisonRows", "PairedComparisons", "model_names", "read_comparisons"]


@dataclass(frozen=True)
class ComparisonRows:
    """One row per comparison, in the form that `MultiModelMetaRouter.fit` takes.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_rows, n_features)
    pairs : ndarray of str of shape (n_rows, 2)
    y : ndarray of shape (n_rows,)
    is_gold : ndarray of bool of shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,) or None
    groups : ndarray of int of shape (n_rows,)
        The query of every row: rows of one query must not be separated by a fold.
    """

    X: NDArray[np.float64] | pd.DataFrame
    pairs: NDArray[np.str_]
    y: NDArray[np.float64]
    is_gold: NDArray[np.bool_]
    sample_weight: NDArray[np.float64] | None
    groups: NDArray[np.intp]


@dataclass(frozen=True)
class PairedComparisons:
    """Queries, and labels that each compare the answers of two models to one of them.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_queries, n_features)
        Features of the queries.
    query : ndarray of int of shape (n,)
        Row of `X` that each comparison is about.
    first, second : ndarray of str of shape (n,)
        The two models.
    y : ndarray of shape (n,)
        Quality of the first one's answer minus that of the second one's.
    is_gold : ndarray of bool of shape (n,)
        Which evaluation said so.
    weight : ndarray of shape (n,), optional
    models : tuple of str, optional
        All models, by default those that are compared, in alphabetical order.
    scores, bias : ndarray of shape (n_queries, n_models), optional
        What a generator knows: the gold scores theta_k(s), and the judge's favour for each model.
    domain : ndarray of shape (n_queries,), optional
    text : ndarray of object of shape (n_queries,), optional
    name : str
    notes : tuple of str

    Raises
    ------
    DataError
        If lengths differ, a model is compared with itself, or there are fewer than two models.

    Examples
    --------
    >>> import numpy as np
    >>> comparisons = PairedComparisons(
    ...     X=np.zeros((2, 3)),
    ...     query=np.array([0, 0, 1]),
    ...     first=np.array(["large", "large", "small"]),
    ...     second=np.array(["small", "tiny", "tiny"]),
    ...     y=np.array([0.5, 1.0, 0.0]),
    ...     is_gold=np.array([True, False, False]),
    ... )
    >>> comparisons.models, comparisons.n_gold, comparisons.n_preference
    (('large', 'small', 'tiny'), 1, 2)
    """

    X: NDArray[np.float64] | pd.DataFrame
    query: NDArray[np.intp]
    first: NDArray[np.str_]
    second: NDArray[np.str_]
    y: NDArray[np.float64]
    is_gold: NDArray[np.bool_]
    weight: NDArray[np.float64] | None = None
    models: tuple[str, ...] = ()
    scores: NDArray[np.float64] | None = None
    bias: NDArray[np.float64] | None = None
    domain: NDArray[Any] | None = None
    text: NDArray[np.object_] | None = None
    name: str = "comparisons"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in ("query", "first", "second", "is_gold", "weight"):
            values = getattr(self, field)
            if values is not None and np.shape(values) != (self.n,):
                raise DataError(
                    f"{field} has shape {np.shape(values)}, but there are {self.n} labels: give "
                    "one entry per comparison."
                )
        known = model_names(np.column_stack([self.first, self.second]))
        models = self.models or known
        unknown = sorted(set(known) - set(models))
        if unknown:
            raise DataError(
                f"The comparisons name the model {unknown[0]!r}{nearest(unknown[0], models)}, which"
                f" is none of {', '.join(models)}: add it to models."
            )
        object.__setattr__(self, "models", tuple(models))

    @property
    def n(self) -> int:
        """Number of comparisons."""
        return len(self.y)

    @property
    def n_queries(self) -> int:
        """Number of queries."""
        return int(self.X.shape[0])

    @property
    def n_gold(self) -> int:
        """Number of gold comparisons."""
        return int(np.sum(self.is_gold))

    @property
    def n_preference(self) -> int:
        """Number of preference comparisons."""
        return self.n - self.n_gold

    def training_rows(self) -> ComparisonRows:
        """Return one row per comparison, for `MultiModelMetaRouter.fit`."""
        return ComparisonRows(
            X=take_rows(self.X, self.query),
            pairs=np.column_stack([self.first, self.second]),
            y=self.y,
            is_gold=self.is_gold,
            sample_weight=self.weight,
            groups=self.query,
        )

    def counts(self) -> pd.DataFrame:
        """Return the number of comparisons of every pair: ``first, second, gold, preference``."""
        import pandas as pd

        order = {name: k for k, name in enumerate(self.models)}
        ends = zip(self.first, self.second, strict=True)
        pairs = [tuple(sorted(map(str, pair), key=order.__getitem__)) for pair in ends]
        frame = pd.DataFrame(pairs, columns=["first", "second"])
        counted = frame.assign(gold=self.is_gold, preference=~self.is_gold)
        return (
            counted.groupby(["first", "second"], sort=True)[["gold", "preference"]]
            .sum()
            .reset_index()
        )


def model_names(pairs: NDArray[Any]) -> tuple[str, ...]:
    """Return the names in pairs, shape (n, 2), in alphabetical order.

    Raises
    ------
    DataError
        If a model is compared with itself, there are fewer than two, a name is missing, or two
        names differ by case or blanks only.

    Examples
    --------
    >>> model_names(np.array([["b", "a"], ["b", "c"]]))
    ('a', 'b', 'c')
    """
    pairs = np.asarray(pairs, dtype=object)
    missing = np.array([[_is_blank(name) for name in pair] for pair in pairs], dtype=bool)
    if missing.any():
        row = int(missing.any(axis=1).argmax())
        raise DataError(
            f"A model has no name in {int(missing.any(axis=1).sum())} of {len(pairs)} comparisons "
            f"(first: row {row}): name both models, or leave the row out."
        )
    pairs = pairs.astype(str)
    same = pairs[:, 0] == pairs[:, 1]
    if same.any():
        row = int(same.argmax())
        raise DataError(
            f"{str(pairs[row, 0])!r} is compared with itself in {int(same.sum())} of {len(pairs)} "
            f"comparisons (first: row {row}): name two different models, or leave the row out."
        )
    names = tuple(str(name) for name in np.unique(pairs))
    if len(names) < 2:
        raise DataError("There are no comparisons: give at least one, of two models.")
    plain: dict[str, str] = {}
    for name in names:
        other = plain.setdefault(" ".join(name.split()).casefold(), name)
        if other != name:
            raise DataError(
                f"The models {other!r} and {name!r} differ by case or blanks only: give one model "
                "one name."
            )
    return names


@validated()
def read_comparisons(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    text: str | None = None,
    features: Sequence[str] | None = None,
    model_a: str = "model_a",
    model_b: str = "model_b",
    gold: str = "gold",
    preference: str = "preference",
    gold_scores: str | None = None,
    preference_scores: str | None = None,
    query: str | None = None,
    domain: str | None = None,
    weight: str | None = None,
) -> PairedComparisons:
    """Read comparisons of many models from a table.

    The table has one row per comparison, with two columns of models and one or two of labels; or
    one row per query, with a column of scores for each model.

    Parameters
    ----------
    source : str, path-like or DataFrame
        A file as `read_table` reads it, or a frame.
    text, features, domain, weight
        Columns, as in `read_table`.
    model_a, model_b : str, default="model_a", "model_b"
        The columns of the two models.
    gold, preference : str, default="gold", "preference"
        The columns of labels: the quality of the answer of `model_a` minus that of `model_b`.
    gold_scores, preference_scores : str, optional
        What the names of score columns begin with, for example ``"gold__"`` for ``gold__large``
        and ``gold__small``. Every two models with a score make a comparison; those of one query
        share the weight that its scores are worth, 2 / (number of its scores).
    query : str, optional
        The column that says which rows are about one query; by default rows with one text are.

    Returns
    -------
    PairedComparisons

    Raises
    ------
    DataError
        If the table cannot be read, or a model, a label or a feature is malformed.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame(
    ...     {
    ...         "length": [3.0, 5.0, 5.0],
    ...         "model_a": ["large", "large", "small"],
    ...         "model_b": ["small", "tiny", "tiny"],
    ...         "gold": [0.5, None, None],
    ...         "preference": [None, 1, -1],
    ...     }
    ... )
    >>> read_comparisons(frame).models
    ('large', 'small', 'tiny')
    >>> scores = pd.DataFrame({"length": [3.0, 5.0], "gold__a": [1.0, 0.5], "gold__b": [0.0, 0.5]})
    >>> read_comparisons(scores, gold_scores="gold__").y.tolist()
    [1.0, 0.0]
    """
    frame, name = _frame(source, text)
    frame, blank = with_text(frame, text, name)
    frame = frame.reset_index(drop=True)
    zero_means = None
    if gold_scores is not None or preference_scores is not None:
        frame = _from_scores(frame, name, gold_scores, preference_scores, weight)
        model_a, model_b, gold, preference = "model_a", "model_b", "gold", "preference"
        weight, zero_means = _WEIGHT, "tie"  # differences of scores are no votes
    named = {model_a: "first models", model_b: "second models"}
    if query is not None:
        named[query] = "queries"
    for column, role in named.items():
        checks.column_exists(frame, column, role, name)
    free = frame.drop(columns=[model_a, model_b, *([query] if query else [])])
    queries = read_table(
        free,
        text=text,
        features=[] if text is not None and features is None else features,
        gold=gold,
        preference=preference,
        domain=domain,
        weight=weight,
        preference_weight="none",
        zero_means=zero_means,
    )
    rows = queries.training_rows()
    pairs = frame[[model_a, model_b]].to_numpy(dtype=object)
    model_names(pairs)
    pairs = np.char.strip(pairs.astype(str))
    position, code = _queries(frame, query, text, name)
    return PairedComparisons(
        X=take_rows(queries.X, position),
        query=code[rows.query],
        first=pairs[rows.query, 0],
        second=pairs[rows.query, 1],
        y=rows.y,
        is_gold=rows.is_gold,
        weight=rows.sample_weight,
        domain=None if queries.domain is None else queries.domain[position],
        text=None if queries.text is None else queries.text[position],
        name=name,
        notes=(*blank, *queries.notes),
    )


_WEIGHT = "weight of the comparison"


def _frame(
    source: str | os.PathLike[str] | pd.DataFrame, text: str | None
) -> tuple[pd.DataFrame, str]:
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return read_frame(path, () if text is None else (text,)), path.name
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return source.reset_index(drop=True), "the table"
    raise DataError(
        f"A table cannot be read from a {type(source).__name__}: give a path or a DataFrame."
    )


def _from_scores(
    frame: pd.DataFrame,
    name: str,
    gold_scores: str | None,
    preference_scores: str | None,
    weight: str | None,
) -> pd.DataFrame:
    """Make one row per comparison of two scores."""
    import pandas as pd

    prefixes = {"gold": gold_scores, "preference": preference_scores}
    columns = {
        role: [c for c in map(str, frame.columns) if prefix is not None and c.startswith(prefix)]
        for role, prefix in prefixes.items()
    }
    for role, prefix in prefixes.items():
        if prefix is not None and len(columns[role]) < 2:
            raise DataError(
                f"{name} has {len(columns[role])} columns that begin with {prefix!r}, where the "
                f"{role} scores of at least two models are needed: name the beginning of their "
                f"columns with {role}_scores=."
            )
    scored = [column for found in columns.values() for column in found]
    own = np.ones(len(frame))
    if weight is not None:
        checks.column_exists(frame, weight, "weights", name)
        own = checks.values_are_numbers(frame, weight, "weights", name)
    rest = frame.drop(columns=scored + ([weight] if weight is not None else []))
    parts = []
    for role, found in columns.items():
        prefix = prefixes[role] or ""
        values = {c: checks.values_are_numbers(frame, c, f"{role} scores", name) for c in found}
        known = np.sum([~np.isnan(v) for v in values.values()], axis=0) if found else own
        for first, second in combinations(found, 2):
            gain = values[first] - values[second]
            rows = np.flatnonzero(~np.isnan(gain))
            parts.append(
                rest.iloc[rows].assign(
                    **{
                        "model_a": first.removeprefix(prefix),
                        "model_b": second.removeprefix(prefix),
                        "gold": gain[rows] if role == "gold" else np.nan,
                        "preference": gain[rows] if role == "preference" else np.nan,
                        _WEIGHT: own[rows] * 2 / known[rows],
                    }
                )
            )
    return pd.concat(parts)


def _queries(
    frame: pd.DataFrame, query: str | None, text: str | None, name: str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First row of every query, and the query of every row."""
    import pandas as pd

    if query is not None:
        key = frame[query]
        blank = np.array([_is_blank(value) for value in key], dtype=bool)
        if blank.any():
            raise DataError(
                f"Column {query!r} of {name} is empty in {int(blank.sum())} of {len(blank)} rows "
                f"(first: row {int(blank.argmax())}): say which query each row is about, or leave "
                "the row out."
            )
    elif text is not None:
        key = frame[text]
    else:  # rows that came from one row of scores have one label in the index
        key = pd.Series(frame.index)
    code, names = pd.factorize(np.asarray(key))
    position = np.full(len(names), -1, dtype=np.intp)
    position[code[::-1]] = np.arange(len(frame))[::-1]
    return position, code.astype(np.intp)


def _is_blank(name: Any) -> bool:
    return name is None or name != name or not str(name).strip()
