"""Names of columns that were asked for: found, picked by patterns, or missed with help."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from metarouter.exceptions import DataError

__all__ = ["close_names", "listed", "nearest", "no_column", "pick_columns", "require_column"]


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that resemble `name`, whatever their letter case."""
    by_lower = {other.lower(): other for other in known}
    matches = get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return [by_lower[match] for match in matches]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean ...?)`` for an error, or nothing when no name is near."""
    close = close_names(name, known)
    return f" (did you mean {' or '.join(repr(other) for other in close)}?)" if close else ""


def listed(names: Iterable[str]) -> str:
    """Return names for a message, the first eight of them where there are many."""
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown


def no_column(
    name: str, known: Iterable[str], source: str, *, role: str = "", mend: str = ""
) -> DataError:
    """Return the error of a table that lacks a column.

    Parameters
    ----------
    name : str
    known : iterable of str
        The columns that there are.
    source : str
        What the table is called.
    role : str, default=""
        What the column is for, such as "for the labels".
    mend : str, default=""
        What to do; by default to name another column.

    Examples
    --------
    >>> print(no_column("glod", ["gold"], "t.csv", role="of labels", mend="name another"))
    t.csv has no column 'glod' of labels (did you mean 'gold'?): name another.
    """
    known = [str(column) for column in known]
    columns = f"{len(known)} column{'' if len(known) == 1 else 's'}"
    mend = mend or f"name one of its {columns} ({listed(known)})"
    role = f" {role}" if role else ""
    return DataError(f"{source} has no column {name!r}{role}{nearest(name, known)}: {mend}.")


def require_column(
    name: str, known: Iterable[str], source: str, *, role: str = "", mend: str = ""
) -> None:
    """Refuse a table that lacks a column, in the words of `no_column`.

    Raises
    ------
    DataError
    """
    known = [str(column) for column in known]
    if name not in known:
        raise no_column(name, known, source, role=role, mend=mend)


def pick_columns(known: Iterable[str], patterns: Iterable[str], source: str) -> list[str]:
    """Return the columns that the patterns name, in the order of the table.

    Parameters
    ----------
    known : iterable of str
        The columns of the table.
    patterns : iterable of str
        Names of columns, or patterns such as ``e*``.
    source : str
        What the table is called in an error.

    Raises
    ------
    DataError
        If a pattern names no column.

    Examples
    --------
    >>> pick_columns(["id", "e0", "e1"], ["e*"], "the table")
    ['e0', 'e1']
    """
    known = [str(column) for column in known]
    chosen: set[str] = set()
    for pattern in patterns:
        found = [pattern] if pattern in known else [c for c in known if fnmatchcase(c, pattern)]
        if not found:
            raise no_column(pattern, known, source, role="for the features")
        chosen.update(found)
    return [name for name in known if name in chosen]
