"""Help for names that were almost right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["close_names", "nearest"]


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that resemble `name`, whatever their letter case."""
    by_lower = {other.lower(): other for other in known}
    matches = get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return [by_lower[match] for match in matches]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean ...?)`` for an error, or nothing when no name is near."""
    close = close_names(name, known)
    return f" (did you mean {' or '.join(repr(other) for other in close)}?)" if close else ""
