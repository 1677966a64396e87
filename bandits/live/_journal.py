"""A file that only grows, a line for every event; what was said to be there survives a crash."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bandits.live._events import Event, decode, encode
from metarouter.exceptions import RouterFileError
from metarouter.utils.locks import fork_safe_lock

__all__ = ["Journal", "Line", "read_journal"]


class Journal:
    """Append events to a file.

    Writing and making durable are two steps: many threads can write, and one fsync serves all
    whose lines are there when it begins (group commit).

    Parameters
    ----------
    path : Path
    fsync : bool
        Whether `sync` waits for the disk. Without it lines survive a killed process, but not a
        power cut.
    """

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115
        self._fsync = fsync
        self._written = 0
        self._durable = 0
        self._failed = False
        self._lock = fork_safe_lock()

    def append(self, event: Event) -> Line:
        """Write a line; the caller lets in one thread at a time.

        Raises
        ------
        OSError
            If the line could not be written whole.
        """
        line = encode(event)
        if self._file.write(line) != len(line):
            raise OSError("no space left")
        self._written += 1
        return Line(self, self._written)

    def sync(self, number: int) -> None:
        """Return when a line and all before it are on the disk.

        Raises
        ------
        OSError
            If they are not, and nobody knows whether they ever will be: once the disk has failed,
            the system forgets what it could not write, and another attempt would seem to succeed.
        """
        if self._durable >= number or not self._fsync:
            return
        with self._lock:
            if self._durable >= number:
                return
            if self._failed:
                raise OSError("the disk failed before")
            written = self._written
            self._failed = True
            os.fsync(self._file.fileno())
            self._failed = False
            self._durable = written

    def close(self) -> None:
        """Make durable and close; threads that wait in `sync` find their lines on the disk."""
        try:
            self.sync(self._written)
        finally:
            with self._lock:
                self._file.close()


class Line(NamedTuple):
    """A line that was written."""

    journal: Journal
    number: int

    def wait(self) -> None:
        """Return when it is on the disk."""
        self.journal.sync(self.number)


def read_journal(path: Path, *, mend: bool) -> Iterator[Event]:
    """Yield the events of a journal.

    Parameters
    ----------
    path : Path
    mend : bool
        Whether a torn last line, which a crash leaves behind, is cut off the file. It is no event:
        whoever caused it was never told that it had happened.

    Raises
    ------
    RouterFileError
        If a line holds no event.
    """
    whole = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                if mend:
                    os.truncate(path, whole)
                return
            whole += len(line)
            yield _decoded(line, number, path)


def _decoded(line: bytes, number: int, path: Path) -> Event:
    try:
        return decode(line)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RouterFileError(
            f"Line {number} of {path} holds no event: the journal is damaged, go back to a copy of "
            "its folder."
        ) from None
