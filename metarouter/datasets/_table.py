"""A user's own table of labelled queries."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.datasets import _table_checks as checks
from metarouter.datasets._exports import frame_of_export
from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._table_files import TableFile, read_table_file
from metarouter.datasets._table_labels import (
    MODEL_COLUMNS,
    LabelColumn,
    Labels,
    check_zero_means,
    combine_judges,
    read_labels,
    trusted_rows,
)
from metarouter.datasets._table_warnings import constant_features, doubts_about_labels
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.names import listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table", "with_text"]

_LABELS = ("gold", "preference")
_NAMES = ("group", "domain", *(name for pair in MODEL_COLUMNS for name in pair))


@validated()
def read_table(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    text: str | None = None,
    features: Sequence[str] | None = None,
    gold: str = "gold",
    preference: str | Sequence[str] = "preference",
    gold_scores: tuple[str, str] | None = None,
    preference_scores: tuple[str, str] | None = None,
    positive: str | None = None,
    negative: str | None = None,
    zero_means: str | None = None,
    annotator: str | None = None,
    gold_annotators: Sequence[str] = (),
    group: str | None = None,
    domain: str | None = None,
    weight: str | None = None,
    preference_weight: str | None = None,
    cost_primary: str | None = None,
    cost_alternative: str | None = None,
    input_tokens: str | None = None,
    output_tokens: str | None = None,
    allow_unlabelled: bool = False,
    encoding: str | None = None,
) -> LabelledQueries:
    """Read labelled queries from a table: one row per query, or several.

    Parameters
    ----------
    source : str, path-like or DataFrame
        A file (``.csv .tsv .txt .parquet .json .jsonl .ndjson .xlsx``; text also as ``.gz`` or
        ``.zst``), a folder of Parquet files, or a frame. The separator of cells and decimal commas
        are found out.
    text : str, optional
        The column that holds the queries as text. A cell may also hold a list of messages
        (``{"role": "user", "content": ...}``), of which the first of the user's is taken. Rows
        without text are left out.
    features : sequence of str, optional
        The columns of features. When left out, these are all columns that have no other role and
        hold numbers, unless `text` is named; ``inclusion_probability``, which ``metarouter
        suggest`` writes, is none.
    gold : str, default="gold"
        The column of gold labels: the quality of the primary's answer minus that of the
        alternative's, or votes in words (``A``, ``B``, ``tie``; ``win``, ``loss``; ``model_a``,
        ``model_b`` beside columns of these names). A cell may be empty, and the column absent.
    preference : str or sequence of str, default="preference"
        The same of preference labels. The columns of several judges are combined, weighted by
        their errors about the gold labels of the same rows.
    gold_scores, preference_scores : tuple of (str, str), optional
        The columns of the primary's and of the alternative's score, of which the difference is
        the label.
    positive : str, optional
        The value of a column of votes, such as a model's name, that stands for the primary.
    negative : str, optional
        The same of the alternative. Rows that compare other models are left out.
    zero_means : {"loss", "tie"}, optional
        What 0 stands for in a column of labels that holds only 0 and 1, or only booleans.
    annotator : str, optional
        The column that says who gave a label, where the labels of both sources stand in one
        column, that of `preference`.
    gold_annotators : sequence of str, default=()
        Whose labels are gold there: values of `annotator`, or patterns such as ``expert*``.
    group, domain, weight, cost_primary, cost_alternative : str, optional
        Columns of these roles. When left out, a column of the very name ``group``, ``domain``,
        and so on is taken where there is one. Without groups, rows of identical text form one.
        Groups and domains are names: ``01`` and ``1`` are two.
    preference_weight : str, optional
        The column of relative precisions of the preference labels, with which routers learn.
        When left out, ``preference_weight`` is taken beside ``preference`` where there is one, as
        `metarouter collect` writes it (``preference_weight_a`` beside ``preference_a``); ``"none"``
        ignores it. Several judges are combined without.
    input_tokens, output_tokens : str, optional
        Columns of numbers of tokens, of the query and of an answer to it.
    allow_unlabelled : bool, default=False
        Whether rows without any label are kept, as in a table of queries to route.
    encoding : str, optional
        The encoding of a file of text; by default UTF-8, or what its byte order mark tells.

    Returns
    -------
    LabelledQueries
        `X` holds the features as floats, with `feature_names`; without features it is a frame
        of the one text column, for a pipeline that begins with an encoder. `notes` tell what was
        assumed, and what looks like a mistake.

    Raises
    ------
    DataError
        If a check of `metarouter.datasets._table_checks` fails, a column of labels can be read in
        two ways, or the file cannot be read.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame(
    ...     {"length": [3.0, 5.0, 8.0], "gold": [0.5, None, None], "preference": ["A", "B", "tie"]}
    ... )
    >>> queries = read_table(frame)
    >>> queries.feature_names, queries.n_gold, queries.preference.tolist()
    (['length'], 1, [1.0, -1.0, 0.0])
    """
    check_zero_means(zero_means)
    asked_text = {column for column in (text, group, domain, annotator) if column is not None}
    (frame, notes), name = _open(source, {*asked_text, *_NAMES}, encoding)
    frame, blank = with_text(frame, text, name)
    row, frame = frame.index.to_numpy(dtype=np.intp), frame.reset_index(drop=True)
    roles = _roles(
        frame,
        name,
        text=text,
        group=group,
        domain=domain,
        weight=weight,
        cost_primary=cost_primary,
        cost_alternative=cost_alternative,
    )
    tokens = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    roles |= _roles(frame, name, **{role: c for role, c in tokens.items() if c is not None})
    judges = [preference] if isinstance(preference, str) else list(preference)
    roles |= _label_roles(frame, name, gold, judges, gold_scores, preference_scores)
    if annotator is not None:
        checks.column_exists(frame, annotator, "annotator", name)
        roles["annotator"] = annotator
    roles |= _precision_role(frame, name, roles, judges, preference_weight)
    if not allow_unlabelled:
        checks.some_column_holds_labels(frame, _with_role(roles, *_LABELS), name)
    checks.roles_are_distinct(roles, name)
    columns, unused = _feature_columns(frame, name, roles, features)

    def labels_of(role: str, column: str, scores: tuple[str, str] | None = None) -> Labels:
        asked = LabelColumn(role, column, scores, positive, zero_means, negative)
        return read_labels(frame, asked, name)

    read = _read_sources(frame, roles, labels_of, gold, judges, gold_scores, preference_scores)
    if annotator is not None or len(gold_annotators):
        read = _split_by_annotator(read, frame, roles, gold_annotators, name)
    values = {role: labels.values for role, labels in read.items()}
    kept = np.ones(len(frame), dtype=bool)
    for labels in read.values():
        kept &= True if labels.kept is None else labels.kept
    if not allow_unlabelled:
        checks.every_row_is_labelled(values["gold"][kept], values["preference"][kept], name)
    groups, grouped = _groups(frame, roles, name)
    precision, weighed = _precisions(frame, roles, ~np.isnan(values["preference"]), name)
    X: Any = _features(frame, columns, name) if columns else frame[[text]].reset_index(drop=True)
    queries = LabelledQueries(
        X=X,
        gold=values["gold"],
        preference=values["preference"],
        text=None if text is None else frame[text].to_numpy(dtype=object),
        groups=groups,
        domain=_values(frame, roles, "domain", name),
        weight=_weights(frame, roles, name),
        preference_weight=precision,
        cost_primary=_costs(frame, roles, "cost_primary", name),
        cost_alternative=_costs(frame, roles, "cost_alternative", name),
        input_tokens=_costs(frame, roles, "input_tokens", name),
        output_tokens=_costs(frame, roles, "output_tokens", name),
        name=name,
        feature_names=columns or [str(text)],
        row=row,
        notes=(
            *notes,
            *blank,
            *unused,
            *(note for labels in read.values() for note in labels.notes),
            *weighed,
            *grouped,
            *doubts_about_labels(
                values["gold"][kept],
                values["preference"][kept],
                {role: column for role, column in roles.items() if role in _LABELS},
            ),
            *(constant_features(X, columns) if columns else ()),
        ),
    )
    return queries if kept.all() else replace(queries.subset(kept), notes=queries.notes)


def _open(
    source: str | os.PathLike[str] | pd.DataFrame, as_text: set[str], encoding: str | None
) -> tuple[TableFile, str]:
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        file, name = read_table_file(path, as_text, encoding), path.name
    elif hasattr(source, "iloc") and hasattr(source, "columns"):
        file = TableFile(source.set_axis([str(c) for c in source.columns], axis=1), ())
        name = "the table"
    else:
        raise DataError(
            f"A table cannot be read from a {type(source).__name__}: give a path or a DataFrame."
        )
    checks.columns_are_distinct(file.frame.columns, name)
    frame, said = frame_of_export(file.frame)
    checks.table_has_rows(frame, name)
    return TableFile(frame.reset_index(drop=True), (*file.notes, *said)), name


def with_text(
    frame: pd.DataFrame, text: str | None, name: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows that have text, chats cut down to their first message, and a note.

    The index tells which rows are left.
    """
    if text is None:
        return frame, ()
    checks.column_exists(frame, text, "text", name)
    frame = frame.assign(**{text: _first_messages(frame[text])})
    there = checks.rows_with_text(frame, text, name)
    n_blank = int((~there).sum())
    note = f"{n_blank} of {len(frame)} rows left out: column {text!r} is empty there"
    return frame[there], (note,) if n_blank else ()


def _first_messages(cells: pd.Series) -> list[Any]:
    values = list(cells)
    # In text files chats stand as JSON, in every cell or in none.
    written = [value for value in values if isinstance(value, str) and value.strip()]
    if written and all(text.startswith(('["', '[{"')) for text in written):
        with suppress(ValueError):
            values = [json.loads(v) if isinstance(v, str) and v.strip() else v for v in values]
    return [_first_message(value) for value in values]


def _first_message(value: Any) -> Any:
    if not isinstance(value, (list, tuple, np.ndarray)) or len(value) == 0:
        return value
    if isinstance(value[0], str):
        return value[0]
    messages = [m for m in value if isinstance(m, Mapping) and "content" in m]
    of_user = [m for m in messages if m.get("role", "user") in ("user", "human")]
    return _written(of_user[0]["content"]) if of_user else value


def _written(content: Any) -> Any:
    """Return the text of a message that has parts, such as images beside it."""
    if isinstance(content, str) or not isinstance(content, (list, tuple, np.ndarray)):
        return content
    parts = [part.get("text") for part in content if isinstance(part, Mapping)]
    return "\n".join(part for part in parts if part)


def _roles(frame: pd.DataFrame, name: str, **asked: str | None) -> dict[str, str]:
    """Give the columns that were asked for, and those that bear the name of a role."""
    roles = {}
    for role, column in asked.items():
        if column is not None:
            checks.column_exists(frame, column, role, name)
            roles[role] = column
        elif role != "text" and role in frame.columns and role not in asked.values():
            roles[role] = role
    return roles


def _label_roles(
    frame: pd.DataFrame,
    name: str,
    gold: str,
    judges: Sequence[str],
    gold_scores: tuple[str, str] | None,
    preference_scores: tuple[str, str] | None,
) -> dict[str, str]:
    """Give the columns of labels; one that goes by its default name may be absent."""
    roles: dict[str, str] = {}
    asked = (("gold", [gold], gold_scores), ("preference", judges, preference_scores))
    for role, columns, scores in asked:
        if scores is not None:
            for side, column in zip(("primary", "alternative"), scores, strict=True):
                checks.column_exists(frame, column, f"{role} labels", name)
                roles[f"{role} of the {side}"] = column
            continue
        for k, column in enumerate(columns):
            if column != role:
                checks.column_exists(frame, column, f"{role} labels", name)
            if column in frame.columns:
                roles[role if k == 0 else f"{role} {k + 1}"] = column
    return roles


def _precision_role(
    frame: pd.DataFrame,
    name: str,
    roles: Mapping[str, str],
    judges: Sequence[str],
    asked: str | None,
) -> dict[str, str]:
    """Give the column of precisions of the preference labels of one judge."""
    role = "precision of the labels"
    if "preference" not in roles or len(judges) > 1:
        if asked not in (None, "none"):
            raise DataError(
                f"Column {asked!r} is to weigh the preference labels of {name}, but they are not in"
                " one column: name one judge, or leave the weights out."
            )
        return {}
    if asked not in (None, "none"):
        checks.column_exists(frame, asked, "weights of preference labels", name)
        return {role: asked}
    column = f"preference_weight{judges[0].removeprefix('preference')}"
    if not judges[0].startswith("preference") or column not in frame.columns:
        return {}
    # It is no feature either way.
    return {f"{role}, ignored" if asked == "none" else role: column}


def _precisions(
    frame: pd.DataFrame, roles: Mapping[str, str], labelled: NDArray[np.bool_], name: str
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """Read the precisions, and a note; nothing where all labels are equally precise."""
    column = roles.get("precision of the labels")
    if column is None or not labelled.any():
        return None, ()
    values = checks.values_are_numbers(frame, column, "weights of preference labels", name)
    checks.nothing_is_infinite(values, column, "weights of preference labels", name)
    bare = labelled & np.isnan(values)
    checks.nothing_is_missing(bare, column, "weights of preference labels", name)
    checks.weights_are_positive(np.where(labelled, values, 0.0), column, name)
    least, most = float(values[labelled].min()), float(values[labelled].max())
    if most - least <= 1e-9 * most:
        return None, ()
    return values, (
        f"routers learn with column {column!r}, the precision of each preference label ({least:.2g}"
        f" to {most:.2g}); estimates and tests count every query alike",
    )


def _with_role(roles: Mapping[str, str], *names: str) -> list[str]:
    return [column for role, column in roles.items() if role.startswith(names)]


def _read_sources(
    frame: pd.DataFrame,
    roles: Mapping[str, str],
    labels_of: Any,
    gold: str,
    judges: Sequence[str],
    gold_scores: tuple[str, str] | None,
    preference_scores: tuple[str, str] | None,
) -> dict[str, Labels]:
    absent = np.full(len(frame), np.nan)
    read: dict[str, Labels] = {}
    asked = (("gold", [gold], gold_scores), ("preference", judges, preference_scores))
    for role, columns, scores in asked:
        if scores is not None:
            read[role] = labels_of(role, "", scores)
        elif not _with_role(roles, role):
            read[role] = Labels(absent, (f"no column of {role} labels",))
        elif len(columns) == 1:
            read[role] = labels_of(role, columns[0])
        else:
            each = [labels_of(role, column) for column in columns]
            combined = combine_judges([e.values for e in each], columns, read["gold"].values)
            said = tuple(note for e in each for note in e.notes)
            masks = [e.kept for e in each if e.kept is not None]
            kept = np.all(masks, axis=0) if masks else None
            read[role] = Labels(combined.values, (*said, *combined.notes), kept)
    return read


def _split_by_annotator(
    read: dict[str, Labels],
    frame: pd.DataFrame,
    roles: Mapping[str, str],
    gold_annotators: Sequence[str],
    name: str,
) -> dict[str, Labels]:
    """Take the labels of trustworthy annotators as gold, where one column holds those of all."""
    if "annotator" not in roles:
        raise DataError(
            f"Annotators are named with gold_annotators=, but nothing says who gave a label of "
            f"{name}: name that column with annotator=."
        )
    if _with_role(roles, "gold"):
        raise DataError(
            f"{name} has a column of gold labels, and annotators whose labels are gold: leave out "
            "annotator=, or that column."
        )
    labels = read["preference"]
    trusted, note = trusted_rows(
        frame[roles["annotator"]], gold_annotators, roles["annotator"], name
    )
    return {
        "gold": Labels(np.where(trusted, labels.values, np.nan), (note,), labels.kept),
        "preference": labels._replace(values=np.where(trusted, np.nan, labels.values)),
    }


def _groups(
    frame: pd.DataFrame, roles: Mapping[str, str], name: str
) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """Return the groups that were named; without any, rows of the same text form one."""
    if "group" in roles:
        return _values(frame, roles, "group", name), ()
    if "text" not in roles:
        return None, ()
    codes, prompts = frame[roles["text"]].factorize()
    n_repeated = int((np.bincount(codes) > 1).sum())
    if not n_repeated:
        return None, ()
    note = (
        f"{n_repeated} of {len(prompts)} texts stand in several rows, which are kept together in "
        "every split"
    )
    return codes, (note,)


def _feature_columns(
    frame: pd.DataFrame, name: str, roles: dict[str, str], features: Sequence[str] | None
) -> tuple[list[str], tuple[str, ...]]:
    """Return the columns of features, and a note of those that hold no number."""
    unused: list[str] = []
    if features is None:
        taken = {*roles.values(), "inclusion_probability"}
        free = [str(column) for column in frame.columns if column not in taken]
        for role in _LABELS:
            if not _with_role(roles, role):
                checks.column_is_not_misspelt(role, free, name)
        columns = [] if "text" in roles else free
        unused = [column for column in columns if checks.holds_no_number(frame[column])]
        if len(unused) < len(columns):
            columns = [column for column in columns if column not in unused]
        else:
            unused = []
    else:
        columns = list(features)
        checks.columns_are_distinct(columns, f"The list of features of {name}")
    for column in columns:
        checks.column_exists(frame, column, "features", name)
        checks.roles_are_distinct({**roles, "features": column}, name)
    if "text" not in roles:
        checks.some_column_holds_features(columns, name)
    note = f"columns that hold no numbers are no features: {listed(unused)}"
    note += "; name one of prompts as text"
    return columns, (note,) if unused else ()


def _numbers(frame: pd.DataFrame, column: str, role: str, name: str) -> NDArray[np.float64]:
    values = checks.values_are_numbers(frame, column, role, name)
    checks.nothing_is_infinite(values, column, role, name)
    checks.nothing_is_missing(np.isnan(values), column, role, name)
    return values


def _features(frame: pd.DataFrame, columns: Sequence[str], name: str) -> NDArray[np.float64]:
    return np.column_stack([_numbers(frame, column, "features", name) for column in columns])


def _values(
    frame: pd.DataFrame, roles: Mapping[str, str], role: str, name: str
) -> NDArray[Any] | None:
    if role not in roles:
        return None
    values = frame[roles[role]]
    checks.nothing_is_missing(np.asarray(values.isna()), roles[role], role, name)
    return np.asarray(values.to_numpy(dtype=object))


def _weights(
    frame: pd.DataFrame, roles: Mapping[str, str], name: str
) -> NDArray[np.float64] | None:
    if "weight" not in roles:
        return None
    values = _numbers(frame, roles["weight"], "weights", name)
    checks.weights_are_positive(values, roles["weight"], name)
    return values


def _costs(
    frame: pd.DataFrame, roles: Mapping[str, str], role: str, name: str
) -> NDArray[np.float64] | None:
    if role not in roles:
        return None
    values = _numbers(frame, roles[role], "tokens" if "tokens" in role else "costs", name)
    checks.costs_are_not_negative(values, roles[role], name)
    return values
