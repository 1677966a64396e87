"""A live router under load, in a process of its own that is meant to be killed.

``python tests/live_chaos.py FOLDER MEMORY SEED SECONDS`` begins or resumes the live router in
FOLDER. Seven clients and one administrator share it. What they know, and nothing else, outlives
the process: each notes in a file of its own in MEMORY what it was told, before it goes on.

Notes are lines of words: ``decided ID ARM QUERY`` when a decision was returned, ``sent ID`` before
feedback, ``receipt ID WORD`` when it was acknowledged.
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

N_CLIENTS, N_FEATURES, MAX_PENDING = 7, 6, 150
FIRST_ARMS = ("a", "b", "c", "d")


def context(query: int) -> np.ndarray:
    return np.random.default_rng(query).normal(size=N_FEATURES)


def outcome(number: int, arm: str) -> tuple[float, float]:
    """Quality and cost of a decision."""
    rng = np.random.default_rng([number, *arm.encode()])
    return float(rng.random()), float(rng.exponential())


def notes(path: Path) -> list[list[str]]:
    """Everything that was noted; a last line that a kill has torn is none."""
    if not path.exists():
        return []
    return [line.split() for line in path.read_text().split("\n")[:-1]]


class Client:
    """Asks, and tells what came of it: out of order, twice, late, never, or wrongly."""

    def __init__(self, service: LiveRouter, path: Path, seed: int) -> None:
        self.service, self.rng = service, np.random.default_rng(seed)
        self.arm_of, self.settled, sent = {}, [], {}
        for word, number, *rest in notes(path):
            if word == "decided":
                self.arm_of[int(number)] = rest[0]
            elif word == "sent":
                sent[int(number)] = True
            else:
                sent[int(number)] = False
        self.unsure = [number for number, waits in sent.items() if waits]
        self.untold = [number for number in self.arm_of if number not in sent][-200:]
        if path.exists():
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
        self.file = open(path, "a", buffering=1)  # noqa: SIM115

    def note(self, *words: object) -> None:
        self.file.write(" ".join(map(str, words)) + "\n")

    def tell_again_what_was_not_acknowledged(self) -> None:
        for number in self.unsure:
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
    """Adds arms under new names, removes any, and writes checkpoints."""

    def __init__(self, service: LiveRouter, seed: int) -> None:
        self.service, self.rng, self.seed, self.added = (
            service,
            np.random.default_rng(seed),
            seed,
            0,
        )

    def act(self) -> None:
        time.sleep(0.02)
        arms = self.service.router.arms_
        what = self.rng.random()
        if what < 0.1 and len(arms) < 7:
            self.added += 1
            self.service.add_arm(f"new-{self.seed}-{self.added}")
        elif what < 0.2 and len(arms) > 3:
            self.service.remove_arm(arms[self.rng.integers(len(arms))])
        elif what < 0.3:
            self.service.checkpoint()


def main(folder: Path, memory: Path, seed: int, seconds: float, pause: float) -> None:
    if any(folder.glob("journal-*")):
        service = LiveRouter.resume(folder)
    else:
        router = LinTS(arms=FIRST_ARMS, random_state=0)
        service = LiveRouter.cold(
            router, N_FEATURES, journal=folder, max_pending=MAX_PENDING, update_every=4
        )
    clients = [Client(service, memory / f"client-{k}.txt", [seed, k]) for k in range(N_CLIENTS)]
    for client in clients:
        client.tell_again_what_was_not_acknowledged()
    print("ready", flush=True)
    over = Event()

    def loop(actor: Client | Administrator) -> None:
        try:
            while not over.is_set():
                actor.act()
                time.sleep(pause)
        except BaseException:
            traceback.print_exc()
            os._exit(3)

    threads = [Thread(target=loop, args=[a]) for a in (*clients, Administrator(service, seed))]
    for thread in threads:
        thread.start()
    over.wait(seconds)
    over.set()
    for thread in threads:
        thread.join()
    service.checkpoint()
    print(json.dumps(asdict(service.counts)), flush=True)
    service.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), *map(float, sys.argv[4:]))
