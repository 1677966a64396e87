"""The folder of a live router: checkpoints, each a router and the journal of what came after it.

``router-N.npz`` and ``journal-N.jsonl`` make up checkpoint N. The journal is written last and
appears in one step: a checkpoint exists when its journal does, and a crash while it is made leaves
the one before. Journals are kept, since they are the log of all decisions; routers that a later
checkpoint has overtaken are removed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Self

from bandits._persistence import load_bandit
from bandits.live._events import Event, encode
from bandits.live._journal import Journal, JournalReader, Line
from bandits.live._state import LiveState
from metarouter.exceptions import MetaRouterError, RouterFileError
from metarouter.utils.files import atomic_path, hold

__all__ = ["LiveStore", "journals"]

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]


_JOURNAL = re.compile(r"journal-(\d+)\.jsonl")


class LiveStore:
    """A folder that is held by one process at a time.

    Parameters
    ----------
    folder : str or path-like
    fsync : bool
    """

    _journal: Journal
    _number: int

    def __init__(self, folder: str | os.PathLike[str], *, fsync: bool) -> None:
        self.folder = Path(folder)
        self._fsync = fsync
        self._lock = _hold(self.folder)
        self._process = os.getpid()

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that holds the folder, and no fork of it."""
        return os.getpid() == self._process

    @classmethod
    def create(cls, folder: str | os.PathLike[str], state: LiveState, *, fsync: bool) -> Self:
        """Begin with a first checkpoint.

        Raises
        ------
        RouterFileError
            If there is one already, another process holds the folder, or it cannot be written to.
        """
        with _in_words(folder):
            store = cls(folder, fsync=fsync)
            with store._letting_go_on_error():
                if journals(store.folder):
                    raise RouterFileError(
                        f"{store.folder} holds a live router already: go on with "
                        "LiveRouter.resume, or give another folder."
                    )
                store._write(state, 0, "")
        return store

    @classmethod
    def resume(cls, folder: str | os.PathLike[str], *, fsync: bool) -> tuple[LiveStore, LiveState]:
        """Go on from the last checkpoint and all that its journal holds.

        Raises
        ------
        RouterFileError
            If there is none, a file is damaged, another process holds the folder, or it cannot be
            written to.
        """
        if not journals(Path(folder)):
            raise RouterFileError(f"{folder} holds no live router: check the path.")
        with _in_words(folder):
            store = cls(folder, fsync=fsync)
            with store._letting_go_on_error():
                store._number, path = journals(store.folder)[-1]
                for leftover in store.folder.glob(".writing-*"):
                    shutil.rmtree(leftover, ignore_errors=True)
                file = store._router(store._number)
                router, events = load_bandit(file), JournalReader(path, repair=True)
                state = LiveState.resumed(router, _digest(file), events, path)
                store._journal = Journal(path, link=events.link, fsync=fsync)
        return store, state

    def append(self, event: Event) -> Line:
        """Write an event; the line says when it is durable."""
        return self._journal.append(event)

    @property
    def last(self) -> Line:
        """The line written last; once it is durable, so is everything before it."""
        return self._journal.last

    def checkpoint(self, state: LiveState) -> None:
        """Begin a new journal beside the router as it is now."""
        past = self._journal
        self._write(state, self._number + 1, past.link)
        past.close()
        for file in self.folder.glob("router-*.npz"):
            if file != self._router(self._number):
                file.unlink()

    def close(self) -> None:
        """Make everything durable and let other processes in, whatever happens."""
        try:
            self._journal.close()
        finally:
            self._let_go()

    @contextmanager
    def _letting_go_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        if fcntl is not None and self.is_ours:
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # for forks, too, which share the open file
        self._lock.close()

    def _write(self, state: LiveState, number: int, after: str) -> None:
        state.learn()
        state.router.save(self._router(number))
        link = digest = _digest(self._router(number))
        lines = []
        for event in state.head(digest, after):
            line, link = encode(event, link)
            lines.append(line)
        path = self.folder / f"journal-{number:06d}.jsonl"
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"".join(lines))
        self._journal = Journal(path, link=link, fsync=self._fsync)
        self._number = number

    def _router(self, number: int) -> Path:
        return self.folder / f"router-{number:06d}.npz"


def journals(folder: Path) -> list[tuple[int, Path]]:
    """Return the number and the journal of every checkpoint in a folder, in order."""
    named = ((_JOURNAL.fullmatch(file.name), file) for file in folder.glob("journal-*.jsonl"))
    return sorted((int(match[1]), file) for match, file in named if match)


@contextmanager
def _in_words(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Say in one sentence why a folder cannot be used."""
    try:
        yield
    except OSError as error:
        raise RouterFileError(
            f"{folder} cannot be used ({error.strerror or error}): make room, or give a folder "
            "that can be written to."
        ) from error


def _digest(file: Path) -> str:
    """Return a digest of a router's file, which the first line of its journal follows from."""
    return blake2b(file.read_bytes(), digest_size=16).hexdigest()


def _hold(folder: Path) -> IO[Any]:
    """Keep other processes out until the file is closed, or this process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    refusal = (
        f"{folder} is in use by another live router: stop it first, or give each a folder of its "
        "own."
    )
    try:
        return hold(folder / "lock", refusal)
    except MetaRouterError as error:
        raise RouterFileError(str(error)) from None
