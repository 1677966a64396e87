"""Events happen one at a time, and are acknowledged when they are on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from bandits.live._events import Event
from bandits.live._state import LiveState
from bandits.live._store import LiveStore
from bandits.live.counts import LiveCounts
from metarouter.exceptions import RouterFileError
from metarouter.utils.locks import fork_safe_lock

__all__ = ["Recorder"]

Made = TypeVar("Made")


class Recorder:
    """Let many threads make events of one state, and keep a journal of them.

    What is in memory and what is in the journal never part: whatever goes wrong between the two
    stops the recorder for good, and the folder is what there is to go on from.

    Parameters
    ----------
    state : LiveState
    store : LiveStore or None
        None keeps no journal.
    """

    def __init__(self, state: LiveState, store: LiveStore | None) -> None:
        self.state, self.store = state, store
        self._lock = fork_safe_lock()
        self.stopped: str | None = None
        self._closed = False

    @property
    def counts(self) -> LiveCounts:
        """What has happened so far."""
        with self.reading() as state:
            return state.ledger.counts

    def record(self, make: Callable[[], Made], *, wait: bool = True) -> Made:
        """Return what is made of the present state; an event happens, and is in the journal.

        Parameters
        ----------
        make : callable
            Returns an event, or something that is already known.
        wait : bool, default=True
            Whether to return when what is returned, and all before it, is on the disk.

        Raises
        ------
        RouterFileError
            If the journal cannot be written, now or before.
        """
        with self._lock:
            self._require_running()
            made = make()
            if isinstance(made, Event):
                with self._stopping():
                    self.state.apply(made)
                    if self.store is not None:
                        self.store.append(made)
            last = None if self.store is None else self.store.last
        if wait and last is not None:
            # Outside the lock, so that one fsync serves all threads whose lines are written.
            with self._stopping(on=OSError):
                last.wait()
        return made

    @contextmanager
    def reading(self) -> Iterator[LiveState]:
        """Hold the state still while it is read."""
        with self._lock:
            yield self.state

    def learn(self) -> None:
        """Learn what waits for its batch."""
        with self._lock:
            self._require_running()
            with self._stopping():
                self.state.learn()

    def checkpoint(self) -> None:
        """Begin a new journal beside the router as it is now."""
        with self._lock:
            self._require_running()
            if self.store is None:
                raise RouterFileError(
                    "This live router keeps no journal: give it a folder with journal=."
                )
            with self._stopping():
                self.store.checkpoint(self.state)

    def close(self) -> None:
        """Stop, and let go of the folder whatever happens."""
        with self._lock:
            if self._closed:
                return
            self._closed, failed = True, self.stopped is not None
            if self.store is not None:
                with suppress(OSError) if failed else self._stopping(on=OSError):
                    self.store.close()
            self.stopped = self.stopped or "it was closed"

    @contextmanager
    def _stopping(self, on: type[BaseException] = BaseException) -> Iterator[None]:
        """Stop when something goes wrong halfway: only what the journal holds has happened."""
        try:
            yield
        except on as error:
            if isinstance(error, OSError):
                self.stopped = f"its journal could not be written ({error})"
                raise RouterFileError(self._why_stopped()) from error
            self.stopped = f"it was interrupted halfway ({type(error).__name__}: {error})"
            raise

    def _require_running(self) -> None:
        if self.stopped is not None:
            raise RouterFileError(self._why_stopped())
        if self.store is not None and not self.store.is_ours:
            raise RouterFileError(
                "This process is a fork of the one that holds the live router's folder, and two "
                "would write over each other: let one process serve, or resume after forking."
            )

    def _why_stopped(self) -> str:
        mend = "begin anew" if self.store is None else "resume from its folder"
        return f"The live router has stopped: {self.stopped}; {mend}."
