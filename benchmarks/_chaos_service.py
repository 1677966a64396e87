"""A live router under load, in a process of its own that is meant to be killed.

    python -m benchmarks._chaos_service FOLDER MEMORY SEED SECONDS PAUSE

begins or resumes the live router in FOLDER. Seven clients, a reader and an administrator share it
until SECONDS are over, each resting for PAUSE seconds between two calls. What the clients know, and
nothing else, outlives the process: each notes in a file of its own in MEMORY what it was told,
before it goes on.

Notes are lines of words: ``began SEED`` when a process starts, ``decided ID ARM QUERY`` when a
decision was returned, ``sent ID`` before feedback, ``receipt ID WORD`` when it was acknowledged.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread

import numpy as np

from bandits import LinTS
from bandits.live import LiveRouter
from metarouter.exceptions import DataError

N_CLIENTS, N_FEATURES, MAX_PENDING, UPDATE_EVERY = 7, 6, 300, 4
PRIOR_PRECISION = 1.0
FIRST_ARMS = ("a", "b", "c", "d")


def context(query: int) -> np.ndarray:
    """Return the features of a query, without an intercept."""
    return np.random.default_rng(query).normal(size=N_FEATURES)


def outcome(number: int, arm: str) -> tuple[float, float]:
    """Return quality and cost of a decision."""
    rng = np.random.default_rng([number, *arm.encode()])
    return float(rng.random()), float(rng.exponential())


def notes(path: Path) -> list[list[str]]:
    """Everything that was noted; a last line that a kill has torn is none."""
    if not path.exists():
        return []
    return [line.split() for line in path.read_text().split("\n")[:-1]]


class Client:
    """Asks, and tells what came of it: out of order, twice, late, never, or wrongly."""

    def __init__(self, service: LiveRouter, path: Path, seed: int, number: int) -> None:
        self.service, self.rng = service, np.random.default_rng([seed, number])
        self.arm_of, self.settled, waits = {}, [], {}
        for word, number, *rest in notes(path):
            if word == "decided":
                self.arm_of[int(number)] = rest[0]
            elif word == "sent":
                waits[int(number)] = True
            elif word == "receipt":
                waits[int(number)] = False
                self.settled = [*self.settled[-50:], int(number)]
        self.unsure = [number for number, unknown in waits.items() if unknown]
        self.untold = [number for number in self.arm_of if number not in waits][-200:]
        if path.exists():
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
        self.file = open(path, "a", buffering=1)  # noqa: SIM115
        self.note("began", seed)

    def note(self, *words: object) -> None:
        self.file.write(" ".join(map(str, words)) + "\n")

    def tell_again(self) -> None:
        """Tell what nobody has acknowledged, and some of what somebody has in another life."""
        for number in (*self.unsure, *self.settled[-5:]):
            self.tell(number)

    def act(self) -> None:
        what = self.rng.random()
        if what < 0.45 or not self.untold:
            self.decide()
        elif what < 0.90:
            self.tell(self.untold.pop(self.rng.integers(len(self.untold))))
        elif what < 0.93:
            self.untold.pop(0)  # never told
        elif what < 0.97 and self.settled:
            self.tell(self.settled[self.rng.integers(len(self.settled))])
        elif self.settled:
            self.tell(self.settled[-1], lie=True)

    def decide(self) -> None:
        query, weight = int(self.rng.integers(2**31)), float(self.rng.random())
        decision = self.service.choose(context(query), (weight, 1.0 - weight))
        self.note("decided", decision.id, decision.arm, query)
        self.arm_of[decision.id] = decision.arm
        self.untold.append(decision.id)

    def tell(self, number: int, *, lie: bool = False) -> None:
        quality, cost = outcome(number, self.arm_of[number])
        self.note("sent", number)
        try:
            receipt = self.service.feedback(number, quality + lie, cost).value
        except DataError:
            receipt = "contradiction"
        self.note("receipt", number, receipt)
        self.settled = [*self.settled[-50:], number]


class Administrator:
    """Adds arms under new names, like others or from nothing, removes any, writes checkpoints."""

    def __init__(self, service: LiveRouter, seed: int) -> None:
        self.service, self.rng = service, np.random.default_rng([seed, 99])
        self.seed, self.added = seed, 0

    def act(self) -> None:
        time.sleep(0.02)
        arms = self.service.router.arms_
        what = self.rng.random()
        if what < 0.1 and len(arms) < 7:
            self.added += 1
            like = arms[self.rng.integers(len(arms))] if self.rng.random() < 0.5 else None
            self.service.add_arm(f"new-{self.seed}-{self.added}", like=like, weight=0.5)
        elif what < 0.2 and len(arms) > 3:
            self.service.remove_arm(arms[self.rng.integers(len(arms))])
        elif what < 0.3:
            self.service.checkpoint()


class Reader:
    """Asks the router itself what it would do; learns and changes nothing."""

    X = np.random.default_rng(0).normal(size=(20, N_FEATURES))

    def __init__(self, service: LiveRouter) -> None:
        self.router = service.router

    def act(self) -> None:
        assert len(self.router.predict(self.X)) == 20
        assert np.isfinite(self.router.predict_quality(self.X)).all()


def opened(folder: Path) -> LiveRouter:
    """Begin the live router of a folder, or go on with it."""
    if any(folder.glob("journal-*")):
        return LiveRouter.resume(folder)
    router = LinTS(arms=FIRST_ARMS, prior_precision=PRIOR_PRECISION, random_state=0)
    limits = {"max_pending": MAX_PENDING, "update_every": UPDATE_EVERY}
    return LiveRouter.cold(router, N_FEATURES, journal=folder, **limits)


def main(folder: Path, memory: Path, seed: int, seconds: float, pause: float) -> None:
    service = opened(folder)
    clients = [Client(service, memory / f"client-{k}.txt", seed, k) for k in range(N_CLIENTS)]
    for client in clients:
        client.tell_again()
    print("ready", flush=True)
    over = Event()

    def loop(actor: Client | Administrator | Reader) -> None:
        try:
            while not over.is_set():
                actor.act()
                time.sleep(pause)
        except BaseException:
            traceback.print_exc()
            os._exit(3)

    actors = (*clients, Administrator(service, seed), Reader(service))
    threads = [Thread(target=loop, args=[actor]) for actor in actors]
    for thread in threads:
        thread.start()
    over.wait(seconds)
    over.set()
    for thread in threads:
        thread.join()
    print(json.dumps(asdict(service.counts)), flush=True)
    service.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), *map(float, sys.argv[4:]))
