"""The book of decisions: which wait for feedback, and how the others were settled."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bandits.live._events import Carried, Decided, Told
from bandits.live.counts import LiveCounts, Receipt

__all__ = ["Ledger"]

_STATES = ("decided", "accepted", "expired", "void")


class Ledger:
    """Decisions by number; each is settled once at most.

    As many settled decisions are remembered as may be pending, so that the book stays bounded.
    Older ones are known to be settled all the same, because numbers only grow.

    Parameters
    ----------
    max_pending : int
    """

    def __init__(self, max_pending: int) -> None:
        self.max_pending = max_pending
        self.next_id = 0
        self.pending: dict[int, Decided | Carried] = {}
        self._settled: dict[int, Told | Receipt] = {}
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> LiveCounts:
        """What has happened so far."""
        ignored: dict[Receipt, int] = {
            why: self._counts[f"ignored {why}"] for why in Receipt if why is not Receipt.ACCEPTED
        }
        states = {state: self._counts[state] for state in _STATES}
        return LiveCounts(**states, pending=len(self.pending), ignored=ignored)

    def decide(self, decision: Decided) -> None:
        """Enter a decision; the oldest expires where there are too many."""
        self.pending[decision.id] = decision
        self.next_id = decision.id + 1
        self._counts["decided"] += 1
        if len(self.pending) > self.max_pending:
            self._close(next(iter(self.pending)), Receipt.EXPIRED)

    def judge(self, told: Told) -> Receipt:
        """Say what a piece of feedback is, without entering it."""
        if told.id in self.pending:
            return Receipt.ACCEPTED
        if not 0 <= told.id < self.next_id:
            return Receipt.UNKNOWN
        settled = self._settled.get(told.id, Receipt.FORGOTTEN)
        if isinstance(settled, Receipt):
            return settled
        return Receipt.DUPLICATE if settled == told else Receipt.CONTRADICTION

    def settle(self, told: Told) -> Decided | Carried:
        """Enter feedback and return the decision that it belongs to."""
        decision = self.pending[told.id]
        self._close(told.id, told)
        return decision

    def void(self, arm: Any) -> None:
        """Settle the decisions for an arm that is gone."""
        for number in self.waiting_for(arm):
            self._close(number, Receipt.VOID)

    def waiting_for(self, arm: Any) -> list[int]:
        """Return the decisions for an arm that wait for feedback."""
        return [d.id for d in self.pending.values() if d.arm == arm]

    def ignore(self, why: Receipt) -> None:
        """Count feedback that taught nothing."""
        self._counts[f"ignored {why}"] += 1

    def _close(self, number: int, how: Told | Receipt) -> None:
        del self.pending[number]
        self._settled[number] = how
        self._counts[how.value if isinstance(how, Receipt) else "accepted"] += 1
        if len(self._settled) > self.max_pending:
            del self._settled[next(iter(self._settled))]

    # Saving ------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return everything but the pending decisions, for JSON."""
        settled = [
            [number, str(how)] if isinstance(how, Receipt) else list(how)
            for number, how in self._settled.items()
        ]
        return {"next_id": self.next_id, "settled": settled, "counts": dict(self._counts)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        self.next_id = int(state["next_id"])
        self._counts = Counter(state["counts"])
        self._settled = {
            number: Receipt(how[0]) if len(how) == 1 else Told(number, *how)
            for number, *how in state["settled"]
        }

    def carry(self, decision: Carried) -> None:
        """Take back a pending decision."""
        self.pending[decision.id] = decision
