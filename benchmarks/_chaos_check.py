"""What must have come of some chaos, worked out by hand: with numpy, and none of our code.

There are two witnesses. The journals say in which order everything happened, and are read here as
the plain JSON that they are. The clients know what they were told, and nothing of the journals.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks._chaos_service import (
    N_CLIENTS,
    N_FEATURES,
    PRIOR_PRECISION,
    context,
    notes,
    outcome,
)


class Ridge:
    """Sums of one arm: precision and moments of quality and cost."""

    def __init__(self, precision, moment):
        self.precision, self.moment = precision, moment

    @classmethod
    def empty(cls):
        return cls(PRIOR_PRECISION * np.eye(N_FEATURES + 1), np.zeros((2, N_FEATURES + 1)))

    def learn(self, features, quality, cost):
        x = np.append(features, 1.0)
        self.precision += np.outer(x, x)
        self.moment += np.outer([quality, cost], x)

    def weighed(self, weight):
        prior = Ridge.empty().precision
        return Ridge(prior + weight * (self.precision - prior), weight * self.moment)

    def at(self, design):
        """Means of quality and of cost, and their variance, shape (3, n)."""
        coef = np.linalg.solve(self.precision, self.moment.T)
        half = np.linalg.solve(self.precision, design.T)
        return np.vstack([(design @ coef).T, np.einsum("nd,dn->n", design, half)])


class Journals:
    """The events of all journals of a folder, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.arms, self.decided, self.told, self.pending = {}, {}, {}, {}
        self.counts, self.faults, self.like_another, self.latest = Counter(), [], set(), 0
        for number, path in enumerate(sorted(folder.glob("journal-*.jsonl"))):
            # The last piece is empty, or a line that was torn by the last kill.
            events = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
            n_head = sum(event["event"] in ("JournalOpened", "DecisionPending") for event in events)
            self.begin(number, *events[:n_head])
            for event in events[n_head:]:
                self.happen(event)
            self.counts["journals"] += 1

    @property
    def from_nothing(self) -> list[str]:
        """The arms of the end that began without the evidence of another."""
        return [arm for arm in self.arms if arm not in self.like_another]

    def x(self, number: int) -> np.ndarray:
        return np.frombuffer(b64decode(self.decided[number]["x"]))

    def states(self) -> tuple[int, ...]:
        """Decisions in all, learned, waiting, expired and void."""
        numbers = len(self.decided), len(self.told), len(self.pending)
        return (*numbers, self.counts["expired"], self.counts["void"])

    def require(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)

    def begin(self, journal: int, opened: dict, *carried: dict) -> None:
        if journal == 0:
            self.limit = opened["max_pending"]
            self.arms = {arm: Ridge.empty() for arm in opened["arms"]}
        self.require(opened["arms"] == list(self.arms), f"journal {journal} has other arms")
        waiting = [event["id"] for event in carried]
        self.require(waiting == list(self.pending), f"journal {journal} carries other decisions")

    def happen(self, event: dict) -> None:
        self.counts[event["event"]] += 1
        match event["event"]:
            case "DecisionMade":
                self.decide(event)
            case "FeedbackAccepted":
                self.tell(event)
            case "ArmAdded":
                self.arms[event["arm"]] = Ridge.empty()
                if event["like"] is not None:
                    self.counts["like another"] += 1
                    self.like_another.add(event["arm"])
                    self.arms[event["arm"]] = self.arms[event["like"]].weighed(event["weight"])
            case "ArmRemoved":
                del self.arms[event["arm"]]
                gone = [k for k, d in self.pending.items() if d["arm"] == event["arm"]]
                self.forget(gone)
                self.counts["void"] += len(gone)

    def decide(self, event: dict) -> None:
        number = event["id"]
        self.require(number == len(self.decided), f"decision {number} is out of turn")
        self.decided[number] = self.pending[number] = event
        if len(self.pending) > self.limit:
            self.forget([next(iter(self.pending))])
            self.counts["expired"] += 1

    def tell(self, event: dict) -> None:
        number = event["id"]
        self.require(number not in self.told, f"decision {number} was learned twice")
        self.require(number in self.pending, f"decision {number} was learned, but did not wait")
        if number in self.pending:
            arm = self.arms[self.pending[number]["arm"]]
            arm.learn(self.x(number), event["quality"], event["cost"])
            self.counts["out of order"] += number < self.latest
            self.latest = max(self.latest, number)
            self.told[number] = event
            self.forget([number])

    def forget(self, numbers: list[int]) -> None:
        for number in numbers:
            del self.pending[number]


class Memory:
    """What the clients know."""

    def __init__(self, folder: Path) -> None:
        self.arm, self.query, self.receipts = {}, {}, Counter()
        self.accepted, self.faults = set(), []
        self.over_restarts = 0
        for k in range(N_CLIENTS):
            life, lives = None, {}
            for word, number, *rest in notes(folder / f"client-{k}.txt"):
                if word == "began":
                    life = number
                elif word == "decided":
                    if int(number) in self.arm:
                        self.faults.append(f"decision {number} was returned twice")
                    self.arm[int(number)], self.query[int(number)] = rest[0], int(rest[1])
                    lives[number] = life
                elif word == "receipt":
                    self.receipts[rest[0]] += 1
                    # An acknowledgement that a kill swallowed comes back as a duplicate.
                    if rest[0] in ("accepted", "duplicate") and int(number) not in self.accepted:
                        self.accepted.add(int(number))
                        self.over_restarts += lives[number] != life

    def ridge(self, arm) -> Ridge:
        """Return what an arm that began from nothing has learned, in the order of decisions."""
        made = Ridge.empty()
        for number in sorted(self.accepted):
            if self.arm[number] == arm:
                made.learn(context(self.query[number]), *outcome(number, arm))
        return made
