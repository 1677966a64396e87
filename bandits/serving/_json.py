"""Bodies of requests: strict JSON, with the fields that are known and no others."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from metarouter.exceptions import DataError

__all__ = ["read_fields"]


def read_fields(body: bytes, known: tuple[str, ...], needed: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of a JSON object.

    Raises
    ------
    DataError
        If the body is no strict JSON object in UTF-8 (NaN and infinity are not JSON), a field is
        doubled or unknown, or one that is needed is missing.

    Examples
    --------
    >>> read_fields(b'{"quality": 1}', ("quality",), ("quality",))
    {'quality': 1}
    """
    try:
        fields = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_without_doubles,
        )
    except DataError:
        raise
    except (ValueError, RecursionError):
        raise DataError("The body is no JSON in UTF-8: send one JSON object.") from None
    if not isinstance(fields, dict):
        raise DataError("The body is no JSON object: send one, such as {}.")
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise DataError(
            f"The body has an unknown field, {unknown[0][:40]!r}: the fields are "
            f"{', '.join(known)}."
        )
    missing = [name for name in needed if fields.get(name) is None]
    if missing:
        raise DataError(f"The body lacks {missing[0]}: give it.")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise DataError(f"The body holds {name}, which is no JSON: give finite numbers.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise DataError("The body holds a number beyond all limits: give finite numbers.")
    return number


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise DataError("The body names a field twice: give each once.")
    return fields
