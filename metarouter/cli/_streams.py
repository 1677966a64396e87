"""What a terminal cannot print is printed in another way, so that no result is lost to it."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["any_encoding"]

_HANDLER = "metarouter.plain"
_PLAIN = str.maketrans({"\u00a0": " ", "–": "-", "—": "-", "…": "...", "•": "*", "─": "-"})


@contextmanager
def any_encoding() -> Iterator[None]:
    """Let standard output and error take every character, whatever their encoding.

    A dash or a space that the encoding lacks becomes a plain one; other characters are written
    as escapes, since a name with a letter left out would be another name.
    """
    codecs.register_error(_HANDLER, _plain)
    streams = [stream for stream in (sys.stdout, sys.stderr) if hasattr(stream, "reconfigure")]
    before = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors=_HANDLER)
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            if not stream.closed:
                stream.reconfigure(errors=errors)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Say what to print for the characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end
