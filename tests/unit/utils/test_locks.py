"""A process that forks while another thread learns leaves its child with a router that answers."""

from __future__ import annotations

import os
import time
from threading import Event, Thread

import numpy as np
import pytest

from bandits import LinUCB
from metarouter.utils.locks import fork_safe_lock

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def exit_code_of_child(work) -> int:
    """Fork, let the child work, and kill it when it has not ended within ten seconds."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    for _ in range(1000):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_can_route_while_a_thread_of_its_parent_learns() -> None:
    X, quality = np.random.default_rng(0).normal(size=(200, 20)), np.ones(200)
    router = LinUCB(arms=("a", "b"), random_state=0)
    router.partial_fit(X, ["a"] * 200, quality)
    stop = Event()

    def learn() -> None:
        while not stop.is_set():
            router.partial_fit(X, ["a"] * 200, quality)

    thread = Thread(target=learn)
    thread.start()
    try:
        codes = [exit_code_of_child(lambda: router.predict(X[:2])) for _ in range(4)]
    finally:
        stop.set()
        thread.join()
    assert codes == [0] * 4


def test_a_fork_waits_for_locks_that_another_thread_takes_in_another_order() -> None:
    locks = [fork_safe_lock() for _ in range(3)]
    stop = Event()

    def take(order: list) -> None:
        while not stop.is_set():
            with order[0], order[1], order[2]:
                fork_safe_lock()

    thread = Thread(target=take, args=(locks[::-1],))
    thread.start()

    def all_free() -> None:
        for lock in locks:
            with lock:
                pass

    try:
        codes = [exit_code_of_child(all_free) for _ in range(4)]
    finally:
        stop.set()
        thread.join()
    assert codes == [0] * 4
    all_free()
