"""A file that only grows, a line for every event; what was said to be there survives a crash."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bandits.live._events import FORMAT, Event, decode, encode
from metarouter import __version__
from metarouter.exceptions import RouterFileError
from metarouter.utils.locks import fork_safe_lock
from metarouter.utils.parameters import printable

__all__ = ["Journal", "JournalReader", "Line"]

_NO_EVENT = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


class Journal:
    """Append events to a file.

    Writing and making durable are two steps: many threads can write, and one fsync serves all
    whose lines are there when it begins (group commit).

    Parameters
    ----------
    path : Path
    link : str
        That of the last line.
    fsync : bool
        Whether `sync` waits for the disk. Without it lines survive a killed process, but not a
        power cut.
    """

    def __init__(self, path: Path, *, link: str, fsync: bool) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115
        self._link = link
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
        line, link = encode(event, self._link)
        if self._file.write(line) != len(line):
            raise OSError("no space left")
        self._link = link
        self._written += 1
        return self.last

    @property
    def last(self) -> Line:
        """The line written last."""
        return Line(self, self._written)

    @property
    def link(self) -> str:
        """That of the last line."""
        return self._link

    def sync(self, number: int) -> None:
        """Return when a line and all before it are on the disk.

        Raises
        ------
        OSError
            If they are not, now or after an earlier failure: the system forgets what it could not
            write, so that another attempt would only seem to succeed.
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


class JournalReader(Iterator[Event]):
    """The events of a journal, each of which follows from those before.

    Parameters
    ----------
    path : Path
    repair : bool
        Whether a torn last line, which a crash leaves behind, is cut off the file. It is no event:
        whoever caused it got no answer.

    Attributes
    ----------
    link : str
        That of the last line read.

    Raises
    ------
    RouterFileError
        If a line holds no event, or was changed, doubled, moved or left out.
    """

    def __init__(self, path: Path, *, repair: bool) -> None:
        self.path, self.link = path, ""
        self._events = self._read(repair)

    def __next__(self) -> Event:
        return next(self._events)

    def _read(self, repair: bool) -> Iterator[Event]:
        whole = 0
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if number == 1:
                    self.link = self._beginning(line)
                if not line.endswith(b"\n") and not self._is_whole(line):
                    if repair:
                        os.truncate(self.path, whole)
                    return
                whole += len(line)
                yield self._decoded(line, number)

    def _beginning(self, line: bytes) -> str:
        """Return the link that a first line names: the digest of the router beside the journal."""
        try:
            opened = json.loads(line)
            if opened["format"] == FORMAT:
                return str(opened["router"])
        except _NO_EVENT:
            return ""
        raise RouterFileError(
            f"{self.path} was written by another version ({printable(opened['format'])}, where "
            f"{__version__} reads {FORMAT}): resume with the version that wrote it, or begin a "
            "journal in another folder."
        )

    def _is_whole(self, line: bytes) -> bool:
        """Tell whether a line has all of its event and more, so that no crash has cut it short."""
        try:
            decode(line[:-1] + b"\n", self.link)
        except _NO_EVENT:
            return False
        return True

    def _decoded(self, line: bytes, number: int) -> Event:
        try:
            event, self.link = decode(line, self.link)
        except _NO_EVENT:
            raise RouterFileError(
                f"Line {number} of {self.path} holds no event that follows from those before it: "
                "the journal is damaged, go back to a copy of its folder."
            ) from None
        return event
