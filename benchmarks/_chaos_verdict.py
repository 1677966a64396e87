"""What was lost or doubled in some chaos, and whether the posterior is what it must be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bandits.live import LiveCounts, Receipt
from benchmarks._chaos_check import Journals, Memory, Ridge
from benchmarks._chaos_service import N_CLIENTS, N_FEATURES, context, outcome

__all__ = ["Verdict"]

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Verdict:
    """A live router after some chaos, and what the witnesses say.

    Parameters
    ----------
    router : LinTS
        Resumed from the folder once more.
    counts, resumed : LiveCounts
        Those of the last process, and those after resuming.
    memory : Memory
    journals : Journals
    seen : Counter
        What was done to the processes.
    """

    router: Any
    counts: LiveCounts
    resumed: LiveCounts
    memory: Memory
    journals: Journals
    seen: Counter[str]

    @cached_property
    def differences(self) -> dict[str, float]:
        """The largest relative difference of the posterior, by witness."""
        known = {arm: self.memory.ridge(arm) for arm in self.journals.from_nothing}
        return {
            "what clients know": _difference(self.router, known),
            "the journals": _difference(self.router, self.journals.arms),
        }

    @property
    def lost_decisions(self) -> set[int]:
        """Decisions that were returned and are not in the journals."""
        return set(self.memory.arm) - set(self.journals.decided)

    @property
    def lost_outcomes(self) -> set[int]:
        """Outcomes that were acknowledged and are not in the journals."""
        return self.memory.accepted - set(self.journals.told)

    def faults(self) -> list[str]:
        """Return every promise that was broken, in words."""
        promises = {**self._promises_of_the_record(), **self._promises_of_the_router()}
        broken = [fault for fault, holds in promises.items() if not holds]
        return [*self.memory.faults, *self.journals.faults, *broken]

    def _promises_of_the_record(self) -> dict[str, bool]:
        memory, journals = self.memory, self.journals
        cut_short = self.seen["kills"] * N_CLIENTS  # calls that a kill may have swallowed
        ignored = self.counts.ignored.items()
        return {
            "decisions were lost": not self.lost_decisions,
            "outcomes were lost": not self.lost_outcomes,
            "outcomes were learned that nobody told": set(journals.told) == memory.accepted,
            "outcomes were learned otherwise than told": all(map(self._is_as_told, journals.told)),
            "more decisions were made than kills can have hidden": len(journals.decided)
            <= len(memory.arm) + cut_short,
            "feedback was counted otherwise than acknowledged": all(
                0 <= number - memory.receipts[why] <= cut_short for why, number in ignored
            ),
        }

    def _promises_of_the_router(self) -> dict[str, bool]:
        counts, journals = self.counts, self.journals
        told = [event["cost"] for event in journals.told.values()]
        return {
            "the counts changed on resuming": self.resumed == counts,
            "the counts are not those of the journals": journals.states()
            == (counts.decided, counts.accepted, counts.pending, counts.expired, counts.void),
            "outcomes were learned twice or not at all": self.router.n_updates_ == len(told),
            "the arms are others": self.router.arms_ == list(journals.arms),
            "the cost cap is another": self.router.cost_cap_ == max(told),
            **{
                f"the posterior differs from that of {witness} by {difference:.1e}": difference
                <= TOLERANCE
                for witness, difference in self.differences.items()
            },
        }

    def _is_as_told(self, number: int) -> bool:
        decision, told = self.journals.decided[number], self.journals.told[number]
        arm = self.memory.arm[number]
        return (
            decision["arm"] == arm
            and (self.journals.x(number) == context(self.memory.query[number])).all()
            and (told["quality"], told["cost"]) == outcome(number, arm)
        )

    def rows(self) -> dict[str, object]:
        """Return what happened, counted."""
        counts, happened, ignored = self.counts, self.journals.counts, self.counts.ignored
        twice = sum("learned twice" in fault for fault in self.journals.faults)
        return {
            **self.seen,
            "checkpoints": happened["journals"] - 1,
            "arms added": happened["ArmAdded"],
            "arms added that begin like another": happened["like another"],
            "arms removed": happened["ArmRemoved"],
            "decisions": counts.decided,
            "outcomes learned": counts.accepted,
            "outcomes learned out of order": happened["out of order"],
            "outcomes told to another process than the one that decided": self.memory.over_restarts,
            "feedback told twice": ignored[Receipt.DUPLICATE],
            "feedback that contradicts": ignored[Receipt.CONTRADICTION],
            "feedback too late": ignored[Receipt.EXPIRED] + ignored[Receipt.FORGOTTEN],
            "feedback for an arm that is gone": ignored[Receipt.VOID],
            "decisions expired, void or still waiting": counts.expired
            + counts.void
            + counts.pending,
            "decisions lost": len(self.lost_decisions),
            "outcomes lost": len(self.lost_outcomes),
            "outcomes learned twice": twice,
            "arms in the end": len(self.journals.arms),
            "arms in the end that began from nothing": len(self.journals.from_nothing),
            **{
                f"largest difference of the posterior from {witness}": f"{difference:.1e}"
                for witness, difference in self.differences.items()
            },
        }

    def to_markdown(self) -> str:
        """Return counts and verdict."""
        said = "; ".join(self.faults()) or "nothing lost, nothing doubled, the same posterior"
        rows = [f"| {name} | {value} |" for name, value in self.rows().items()]
        return "\n".join(["| what happened | |", "| :--- | ---: |", *rows, "", f"Verdict: {said}."])


def _difference(router: Any, expected: dict[str, Ridge]) -> float:
    """Compare means and variances at many contexts: together they are the posterior."""
    X = np.random.default_rng(1).normal(size=(200, N_FEATURES))
    design = np.column_stack([X, np.ones(len(X))])
    held = np.stack(
        [router.predict_quality(X), router.predict_cost(X), router.posterior_.variances(design)]
    )
    found = [0.0]
    for arm, ridge in expected.items():
        by_hand = ridge.at(design)
        gap = np.abs(held[:, :, router.arms_.index(arm)] - by_hand)
        found.append(float(np.max(gap / np.maximum(1.0, np.abs(by_hand)))))
    return max(found)
