"""Exports of labelling tools and arenas, brought to one row per label: pure functions.

Formats as their makers document them: tasks of Label Studio (``JSON``, and what ``JSON_MIN`` and
``CSV`` keep of an answer; labelstud.io/guide/export), records of Argilla 2
(``records.to_json``, and the flat records of ``to_datasets``; docs.argilla.io), and arena votes
whose winner stands in one column per outcome (``winner_model_a``, ``winner_model_b``,
``winner_tie``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_of_export", "records_of_export"]

# What an answer of Label Studio holds: of a Pairwise, Choices, Rating, Number, TextArea, Ranker.
_ANSWERS = ("selected", "choices", "rating", "number", "text", "ranker", "datetime")
_NOT_SUBMITTED = ("draft", "discarded", "pending")
_WINNERS = ("winner_model_a", "winner_model_b")

Record = dict[str, Any]


def frame_of_export(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a table with one row per label, and what was assumed; most tables as they are."""
    import pandas as pd

    names = {"data", "fields"} & set(frame.columns)
    is_nested = any(isinstance(_first(frame[name]), Mapping) for name in names)
    if is_nested or any(map(_is_flat, frame.columns)):
        rows, note = records_of_export(
            [
                {name: value for name, value in row.items() if not _is_nothing(value)}
                for row in frame.to_dict("records")
            ]
        )
        if note:
            return pd.DataFrame(rows), (note,)
    return _with_one_winner(_plain_answers(frame)), ()


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def records_of_export(rows: Sequence[Record]) -> tuple[list[Record], str]:
    """Return the rows of an export whose labels are nested, and what was assumed.

    Parameters
    ----------
    rows : sequence of dict
        Parsed JSON.

    Returns
    -------
    list of dict, str
        One row per annotation (Label Studio) or per person who answered (Argilla); `rows` and an
        empty note where they are no such export. The label of a model (a prediction, a suggestion)
        stands beside that of people, in a column ``NAME.prediction`` or ``NAME.suggestion``, once
        per query.

    Examples
    --------
    >>> answer = {"from_name": "better", "type": "pairwise", "value": {"selected": "left"}}
    >>> task = {"id": 1, "data": {"prompt": "Why?"}, "annotations": [{"result": [answer]}]}
    >>> rows, note = records_of_export([task])
    >>> rows[0]["prompt"], rows[0]["better"]
    ('Why?', 'left')
    """
    if rows and all(isinstance(row.get("data"), Mapping) for row in rows):
        found = [record for row in rows for record in _annotations(row)]
        return found, f"read as an export of Label Studio, one row per annotation ({len(found)})"
    if rows and all(map(_is_flat_record, rows)):
        rows = [_nested(row) for row in rows]
    if rows and all(map(_is_record, rows)):
        found = [record for row in rows for record in _answers_of_people(row)]
        return found, f"read as an export of Argilla, one row per response ({len(found)})"
    return list(rows), ""


# Label Studio ------------------------------------------------------------------------------------


def _annotations(task: Record) -> list[Record]:
    submitted = [one for one in task.get("annotations") or () if not one.get("was_cancelled")]
    predicted: Record = {}
    for prediction in task.get("predictions") or ():
        # Of several versions of a model the last one counts.
        for name, value in _results(prediction).items():
            predicted[f"{name}.prediction"] = value
    records = []
    for k, one in enumerate(submitted or [{}]):
        by = one.get("completed_by")
        by = (by.get("email") or by.get("id")) if isinstance(by, Mapping) else by
        records.append(
            {
                "id": task.get("id"),
                **task["data"],
                **({} if by is None else {"annotator": by}),
                **_results(one),
                **(predicted if k == 0 else {}),
            }
        )
    return records


def _results(annotation: Record) -> Record:
    return {
        str(result["from_name"]): _answer(result.get("value"))
        for result in annotation.get("result") or ()
        if "from_name" in result
    }


def _answer(value: Any) -> Any:
    """Return what was answered, without what an export wraps around it."""
    if isinstance(value, Mapping):
        held = [value[name] for name in _ANSWERS if name in value]
        return _answer(held[0]) if len(held) == 1 else value
    if isinstance(value, list | tuple | np.ndarray) and len(value) == 1:
        return _answer(value[0])
    return value


def _plain_answers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose cells hold answers, where they hold JSON that wraps one.

    Label Studio writes ``[{"selected": "left"}]`` in ``CSV`` and ``JSON_MIN``.
    """
    changed = {}
    for name in frame.columns:
        cells = frame[name]
        if cells.dtype.kind not in "OTU" or not _wraps_answer(_first(cells)):
            continue
        changed[name] = [_answer(_parsed(cell)) for cell in cells]
    return frame.assign(**changed) if changed else frame


def _first(cells: pd.Series) -> Any:
    there = cells[cells.notna()]
    return there.iloc[0] if len(there) else None


def _wraps_answer(cell: Any) -> bool:
    value = _parsed(cell)
    if isinstance(value, list | tuple | np.ndarray):
        value = value[0] if len(value) == 1 else None
    return isinstance(value, Mapping) and sum(name in value for name in _ANSWERS) == 1


def _parsed(cell: Any) -> Any:
    if not isinstance(cell, str) or not cell.startswith(("[{", "{")):
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        return cell


# Argilla -----------------------------------------------------------------------------------------


def _is_record(row: Record) -> bool:
    given = row.get("responses") or row.get("suggestions") or {}
    return isinstance(row.get("fields"), Mapping) and isinstance(given, Mapping)


def _is_flat_record(row: Record) -> bool:
    return any(map(_is_flat, row))


def _is_flat(name: str) -> bool:
    return name.endswith((".responses", ".suggestion"))


def _nested(row: Record) -> Record:
    """Return a flat record as the nested one that tells the same."""
    record: Record = {"fields": {}, "responses": {}, "suggestions": {}}
    for name, value in row.items():
        question, _, kind = name.rpartition(".")
        if name.endswith(".responses"):
            answers = _several(value)
            users, status = (row.get(f"{name}.{of}") for of in ("users", "status"))
            record["responses"][question] = [
                {
                    "value": answer,
                    "user_id": None if users is None else users[k],
                    "status": None if status is None else status[k],
                }
                for k, answer in enumerate(answers)
            ]
        elif kind == "suggestion":
            record["suggestions"][question] = {"value": value}
        elif not any(part in name for part in (".responses.", ".suggestion.")):
            record["fields"][name] = value
    return record


def _several(value: Any) -> list[Any]:
    if isinstance(value, str):  # as a file of text has it
        with suppress(ValueError):
            value = json.loads(value)
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple | np.ndarray) else [value]


def _answers_of_people(record: Record) -> list[Record]:
    """Return one row per person: the fields, the answers, and once what a model suggested."""
    by_user: dict[Any, Record] = {}
    for question, responses in (record.get("responses") or {}).items():
        for k, response in enumerate(responses or ()):
            if response.get("status") not in _NOT_SUBMITTED:
                user = response.get("user_id") or k
                by_user.setdefault(user, {})[question] = _ranked(response.get("value"))
    suggested = {
        f"{question}.suggestion": _ranked(given["value"] if isinstance(given, Mapping) else given)
        for question, given in (record.get("suggestions") or {}).items()
    }
    described = {
        "id": record.get("id"),
        **{name: _text(value) for name, value in record["fields"].items()},
        **(record.get("metadata") or {}),
    }
    return [
        {
            **described,
            **({} if user is None else {"user_id": user}),
            **answers,
            **(suggested if k == 0 else {}),
        }
        for k, (user, answers) in enumerate((by_user or {None: {}}).items())
    ]


def _text(field: Any) -> Any:
    """Return what a field of a chat holds as a list of messages, others as they are."""
    return list(field) if isinstance(field, np.ndarray) else field


def _ranked(value: Any) -> Any:
    """Return a ranking as ``first>second``, with ``=`` between answers of one rank."""
    if not isinstance(value, list | tuple | np.ndarray) or len(value) == 0:
        return value
    if not all(isinstance(one, Mapping) and {"rank", "value"} <= set(one) for one in value):
        return ">".join(map(str, value))
    ordered = sorted(value, key=lambda one: int(one["rank"]))
    words = [str(ordered[0]["value"])]
    for before, one in pairwise(ordered):
        words += ["=" if one["rank"] == before["rank"] else ">", str(one["value"])]
    return "".join(words)


# Arenas ------------------------------------------------------------------------------------------


def _with_one_winner(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with a column ``winner``, where it has one column per outcome of a vote."""
    if "winner" in frame.columns or not set(_WINNERS) <= set(frame.columns):
        return frame
    first, second = (
        frame[name].astype(str).str.lower().isin(("1", "1.0", "true")) for name in _WINNERS
    )
    votes = np.where(first & ~second, "model_a", np.where(second & ~first, "model_b", "tie"))
    has_winner = frame[list(_WINNERS)].notna().any(axis=1)
    winner = [word if there else None for word, there in zip(votes, has_winner, strict=True)]
    given = [*_WINNERS, *(["winner_tie"] if "winner_tie" in frame.columns else [])]
    return frame.drop(columns=given).assign(winner=winner)
