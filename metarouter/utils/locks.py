"""Locks that a fork does not inherit locked: what they guard is whole in the child."""

from __future__ import annotations

import os
from threading import Lock, RLock
from typing import Any
from weakref import WeakSet

__all__ = ["fork_safe_lock"]

_LOCKS: WeakSet[Any] = WeakSet()
_REGISTERING = Lock()
_held: list[Any] = []


def fork_safe_lock() -> Any:
    """Return a re-entrant lock that is free, or held by the forking thread alone, after a fork.

    A process forks when no other thread holds such a lock. Without this the child would wait for
    ever for a thread that only its parent has, before an object that is half changed.
    """
    lock = RLock()
    with _REGISTERING:
        _LOCKS.add(lock)
    return lock


def _before() -> None:
    """Take every lock; while one is not free hold no other but it, so that nobody waits in turn."""
    first = None
    while True:
        _REGISTERING.acquire()
        busy = None
        for lock in list(_LOCKS):
            if not lock.acquire(blocking=False):
                busy = lock
                break
            _held.append(lock)
        if first is not None:
            first.release()
        if busy is None:
            return
        _after()
        busy.acquire()
        first = busy


def _after() -> None:
    while _held:
        _held.pop().release()
    _REGISTERING.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
