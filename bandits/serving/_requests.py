"""Which decision belongs to which request, across restarts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from metarouter.exceptions import RouterFileError
from metarouter.utils.files import write_text
from metarouter.utils.locks import fork_safe_lock

__all__ = ["RequestBook"]


class RequestBook:
    """What is known of each request, by its id; the oldest make room.

    With a file, every entry is a line of JSON that is on the disk when `put` returns. The file is
    written anew when most of its lines are out of date.

    Parameters
    ----------
    path : Path or None
    capacity : int
        Requests that are remembered.
    fsync : bool

    Raises
    ------
    RouterFileError
        If a line that is not the last is no entry, or the file cannot be used.
    """

    def __init__(self, path: Path | None, *, capacity: int, fsync: bool) -> None:
        self._entries: dict[str, dict[str, Any]] = {}
        self._path, self._capacity, self._fsync = path, capacity, fsync
        self._lock, self._disk = fork_safe_lock(), fork_safe_lock()
        self._written = self._durable = self._lines = 0
        self._failed = False
        if path is not None:
            try:
                self._read(path)
                self._rewrite(path)
            except OSError as error:
                raise RouterFileError(
                    f"{path} cannot be used ({error.strerror or error}): make room, or give a "
                    "folder that can be written to."
                ) from None

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, request: str) -> dict[str, Any] | None:
        """Return what is known of a request."""
        with self._lock:
            entry = self._entries.get(request)
            return None if entry is None else dict(entry)

    def put(self, request: str, *, wait: bool = True, **fields: Any) -> None:
        """Add to what is known of a request, and return when it is on the disk.

        Parameters
        ----------
        request : str
        wait : bool, default=True
            Whether to wait for the disk; if not, the line comes onto it with the next one, and is
            lost only where the machine itself fails before.
        **fields

        Raises
        ------
        RouterFileError
            If it cannot be written, now or before.
        """
        try:
            with self._lock:
                self._enter(request, fields)
                if self._path is None:
                    return
                if self._failed:
                    raise OSError("the disk failed before")
                line = json.dumps({"request": request, **fields}, allow_nan=False).encode() + b"\n"
                if self._file.write(line) != len(line):
                    self._failed = True
                    raise OSError("no space left")
                self._written += 1
                self._lines += 1
                number = self._written
                if self._lines > 4 * self._capacity + 1000:
                    with self._disk:
                        self._file.close()
                        self._rewrite(self._path)
                        self._durable = self._written
            if wait:
                self._sync(number)
        except OSError as error:
            raise RouterFileError(
                f"{self._path} could not be written ({error.strerror or error}): make room and "
                "start again."
            ) from None

    def close(self) -> None:
        """Let go of the file."""
        if self._path is not None:
            with self._lock, self._disk:
                self._file.close()

    def _sync(self, number: int) -> None:
        # One fsync serves all threads whose lines are written when it begins.
        if not self._fsync or self._durable >= number:
            return
        with self._disk:
            if self._durable >= number:
                return
            if self._failed:
                raise OSError("the disk failed before")
            written = self._written
            try:
                os.fsync(self._file.fileno())
            except BaseException:
                self._failed = True  # what was not written is forgotten by the system
                raise
            self._durable = written

    def _enter(self, request: str, fields: dict[str, Any]) -> None:
        self._entries[request] = {**self._entries.pop(request, {}), **fields}
        if len(self._entries) > self._capacity:
            del self._entries[next(iter(self._entries))]

    def _read(self, path: Path) -> None:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                fields = json.loads(line)
                self._enter(str(fields.pop("request")), fields)
            except (ValueError, AttributeError, KeyError, RecursionError):
                if number == len(lines):
                    return  # torn by a crash: nobody was told of it
                raise RouterFileError(
                    f"Line {number} of {path} is damaged: go back to a copy of its folder."
                ) from None

    def _rewrite(self, path: Path) -> None:
        lines = [
            json.dumps({"request": request, **fields}, allow_nan=False)
            for request, fields in self._entries.items()
        ]
        write_text(path, "".join(f"{line}\n" for line in lines))
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115
        self._lines = len(lines)
