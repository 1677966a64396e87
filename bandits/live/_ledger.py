"""The ledger of decisions: which wait for feedback, and how the others were settled."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from bandits.live._events import CallMeasured, DecisionMade, DecisionPending, FeedbackAccepted
from bandits.live.counts import LiveCounts, Receipt

__all__ = ["Decision", "Ledger"]

_STATES = ("decided", "accepted", "expired", "void")


class Decision(NamedTuple):
    """Which arm to call, and the id to quote when its outcome is known."""

    id: int
    arm: Any
    propensity: float
    preference: tuple[float, ...]
    """The weights of quality, cost and latency that it was made with."""
    request: str | None = None
    """The caller's own id."""
    version: str | None = None
    """What the caller called the router when it decided."""


class Ledger:
    """Decisions by number; each is settled at most once.

    As many settled decisions are remembered as may be pending, and twice as many requests, so that
    the ledger stays bounded. Older decisions are known to be settled all the same, because numbers
    only grow.

    Parameters
    ----------
    max_pending : int
    """

    def __init__(self, max_pending: int) -> None:
        self.max_pending = max_pending
        self.next_id = 0
        self.pending: dict[int, DecisionMade | DecisionPending] = {}
        self.requests: dict[str, Decision] = {}
        self._measured: dict[int, CallMeasured] = {}
        self._settled: dict[int, FeedbackAccepted | Receipt] = {}
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> LiveCounts:
        """What has happened so far."""
        ignored: dict[Receipt, int] = {
            why: self._counts[f"ignored {why}"] for why in Receipt if why is not Receipt.ACCEPTED
        }
        states = {state: self._counts[state] for state in _STATES}
        return LiveCounts(**states, pending=len(self.pending), ignored=ignored)

    @property
    def measured(self) -> list[CallMeasured]:
        """What the calls of pending decisions took."""
        return list(self._measured.values())

    def decide(self, made: DecisionMade) -> None:
        """Enter a decision; the oldest expires where there are too many."""
        self.pending[made.id] = made
        self.next_id = made.id + 1
        self._counts["decided"] += 1
        if made.request is not None:
            self._remember(made.request, decision_of(made))
        if len(self.pending) > self.max_pending:
            self._close(next(iter(self.pending)), Receipt.EXPIRED)

    def measure(self, measured: CallMeasured) -> None:
        """Enter what the call of a pending decision took."""
        self._require_pending(measured.id)
        self._measured[measured.id] = measured

    def costs(self, number: int) -> tuple[float | None, float | None]:
        """Return the cost and latency that are known of a decision."""
        known = self._settled.get(number, self._measured.get(number))
        if known is None or isinstance(known, Receipt):
            return None, None
        return known.cost, known.latency

    def judge(self, feedback: FeedbackAccepted) -> Receipt:
        """Return the receipt of feedback, without entering it."""
        if feedback.id in self.pending:
            return Receipt.ACCEPTED
        if not 0 <= feedback.id < self.next_id:
            return Receipt.UNKNOWN
        settled = self._settled.get(feedback.id, Receipt.FORGOTTEN)
        if isinstance(settled, Receipt):
            return settled
        return Receipt.DUPLICATE if settled == feedback else Receipt.CONTRADICTION

    def settle(self, feedback: FeedbackAccepted) -> DecisionMade | DecisionPending:
        """Enter feedback and return the decision that it belongs to."""
        decision = self.pending[feedback.id]
        self._close(feedback.id, feedback)
        return decision

    def withdraw(self, number: int) -> None:
        """Settle a decision that was not followed, and forget its request."""
        self._require_pending(number)
        request = self.pending[number].request
        if request in self.requests and self.requests[request].id == number:
            del self.requests[request]
        self._close(number, Receipt.VOID)

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

    def _require_pending(self, number: int) -> None:
        if number not in self.pending:
            raise ValueError(f"decision {number} does not wait for feedback")

    def _close(self, number: int, how: FeedbackAccepted | Receipt) -> None:
        del self.pending[number]
        self._measured.pop(number, None)
        self._settled[number] = how
        self._counts[how.value if isinstance(how, Receipt) else "accepted"] += 1
        if len(self._settled) > self.max_pending:
            del self._settled[next(iter(self._settled))]

    def _remember(self, request: str, decision: Decision) -> None:
        self.requests.pop(request, None)  # the latest stands last
        self.requests[request] = decision
        if len(self.requests) > 2 * self.max_pending:
            del self.requests[next(iter(self.requests))]

    # Saving ------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return everything but the pending decisions and their calls, for JSON."""
        settled = [
            [number, str(how)] if isinstance(how, Receipt) else list(how)
            for number, how in self._settled.items()
        ]
        return {
            "next_id": self.next_id,
            "settled": settled,
            "requests": list(self.requests.values()),
            "counts": dict(self._counts),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        self.next_id = int(state["next_id"])
        self._counts = Counter(state["counts"])
        self._settled = {
            number: Receipt(how[0]) if len(how) == 1 else FeedbackAccepted(number, *how)
            for number, *how in state["settled"]
        }
        self.requests = {
            request: Decision(number, arm, propensity, tuple(preference), request, version)
            for number, arm, propensity, preference, request, version in state["requests"]
        }

    def carry_over(self, decision: DecisionPending) -> None:
        """Take back a pending decision."""
        self.pending[decision.id] = decision


def decision_of(made: DecisionMade) -> Decision:
    """Return what the caller of a decision gets."""
    preference = tuple(float(weight) for weight in made.preference)
    return Decision(made.id, made.arm, made.propensity, preference, made.request, made.version)
