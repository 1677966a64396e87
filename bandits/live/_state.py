"""What events make of a router; the same whether they happen or are read from a journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bandits._arms import positions_of
from bandits.base import BanditRouter, Feedback
from bandits.live._events import (
    FORMAT,
    ArmAdded,
    ArmRemoved,
    CallMeasured,
    DecisionMade,
    DecisionPending,
    DecisionWithdrawn,
    Event,
    FeedbackAccepted,
    FeedbackIgnored,
    JournalOpened,
)
from bandits.live._ledger import Decision, Ledger
from bandits.live._validation import check_call, check_feedback, is_whole
from bandits.live.counts import Receipt
from metarouter.exceptions import RouterFileError

__all__ = ["LiveState"]

Array = NDArray[np.float64]


class LiveState:
    """A router, the ledger of its decisions, and accepted feedback that waits for its batch.

    One thread at a time.

    Parameters
    ----------
    router : BanditRouter
    max_pending, update_every : int
    """

    def __init__(self, router: BanditRouter, *, max_pending: int, update_every: int) -> None:
        self.router = router
        self.ledger = Ledger(max_pending)
        self.update_every = update_every
        self.waiting: list[tuple[DecisionMade | DecisionPending, FeedbackAccepted]] = []

    @classmethod
    def resumed(
        cls, router: BanditRouter, digest: str, events: Iterator[Event], path: Path
    ) -> Self:
        """Return what the events of a journal make of the router beside it.

        Raises
        ------
        RouterFileError
            If they do not belong together.
        """
        opened = next(events, None)
        if not isinstance(opened, JournalOpened):
            raise RouterFileError(
                f"{path} does not say how it begins: the journal is damaged, go back to a copy of "
                "its folder."
            )
        if opened.router != digest:
            raise RouterFileError(
                f"{path} begins with another router than the one beside it: the folder is damaged, "
                "go back to a copy of it."
            )
        state = cls(router, max_pending=opened.max_pending, update_every=opened.update_every)
        for number, event in enumerate(chain([opened], events), start=1):
            try:
                if event is not opened and isinstance(event, JournalOpened):
                    raise ValueError("it begins another journal")
                state._redo(event)
            except (KeyError, ValueError, TypeError) as error:
                raise RouterFileError(
                    f"Line {number} of {path} does not follow from those before it ({error}): the "
                    "journal is damaged, go back to a copy of its folder."
                ) from None
        return state

    def decide(
        self,
        x: Array,
        preference: Array,
        available: Sequence[Any] | None = None,
        request: str | None = None,
        version: str | None = None,
    ) -> DecisionMade:
        """Choose an arm for one context; nothing has happened yet.

        Parameters
        ----------
        x : ndarray of shape (n_features,)
        preference : ndarray of shape (2,)
        available : sequence of names, optional
            Arms that can be called.
        request, version : str, optional

        Raises
        ------
        DataError
            If an available arm is none of the router's.
        """
        router = self.router
        with router._lock:
            if available is None:
                arm, propensity = router._choose(x[None], preference)
            else:
                offered = np.unique(positions_of(available, router.arms_, "available"))
                arm, propensity = router._choose_among(x[None], preference, offered)
            name = router.arms_[int(arm[0])]
        chance = float(propensity[0])
        return DecisionMade(
            self.ledger.next_id, name, chance, preference, x, available, request, version
        )

    def find(self, request: str | None) -> Decision | None:
        """Return the decision of a request, if its arm is still there."""
        found = None if request is None else self.ledger.requests.get(request)
        return found if found is not None and found.arm in self.router.arms_ else None

    def judge(
        self, id: Any, quality: Any, cost: Any, latency: Any
    ) -> FeedbackAccepted | FeedbackIgnored:
        """Accept feedback, or say why it is ignored; nothing has happened yet.

        What it lacks of cost and latency is taken from what is known of the call.
        """
        n_outcomes = self.router.n_outcomes_
        known_cost, known_latency = self.ledger.costs(id) if is_whole(id) else (None, None)
        cost = known_cost if cost is None and n_outcomes > 1 else cost
        latency = known_latency if latency is None and n_outcomes > 2 else latency
        feedback = check_feedback(id, quality, cost, latency, n_outcomes=n_outcomes)
        receipt = self.ledger.judge(feedback)
        return feedback if receipt is Receipt.ACCEPTED else FeedbackIgnored(receipt)

    def measure(self, id: int, cost: float, latency: float) -> CallMeasured | None:
        """Return what a call took, None if its decision no longer waits for feedback."""
        measured = check_call(id, cost, latency)
        return measured if id in self.ledger.pending else None

    def withdraw(self, id: int) -> DecisionWithdrawn | None:
        """Take back a decision, None if it no longer waits for feedback."""
        return DecisionWithdrawn(int(id)) if id in self.ledger.pending else None

    def add_arm(self, arm: Any, like: Any, weight: float) -> ArmAdded:
        """Refuse an arm that cannot be added; nothing has happened yet."""
        self.router._with_arm(arm, like)
        return ArmAdded(arm, like, weight)

    def remove_arm(self, arm: Any) -> ArmRemoved:
        """Refuse to remove what is no arm, or the only one; nothing has happened yet."""
        self.router._removable(arm)
        return ArmRemoved(arm, self.ledger.waiting_for(arm))

    def apply(self, event: Event) -> None:
        """Let an event happen."""
        match event:
            case DecisionMade():
                self.ledger.decide(event)
            case FeedbackAccepted():
                self.waiting.append((self.ledger.settle(event), event))
                if len(self.waiting) >= self.update_every:
                    self.learn()
            case FeedbackIgnored():
                self.ledger.ignore(event.why)
            case ArmAdded():
                self.learn()
                self.router.add_arm(event.arm, like=event.like, weight=event.weight)
            case ArmRemoved():
                self.learn()
                self.router.remove_arm(event.arm)
                self.ledger.void(event.arm)
            case JournalOpened():
                self.ledger.restore(event.ledger)
            case DecisionPending():
                self.ledger.carry_over(event)
            case CallMeasured():
                self.ledger.measure(event)
            case DecisionWithdrawn():
                self.ledger.withdraw(event.id)

    def _redo(self, event: Event) -> None:
        if isinstance(event, DecisionMade | DecisionPending):
            self._require_decision(event)
        if isinstance(event, FeedbackAccepted):
            check_feedback(*event, n_outcomes=self.router.n_outcomes_)
        if isinstance(event, CallMeasured):
            check_call(*event)
        if isinstance(event, DecisionMade):
            # The generators move on as they did then, so that exploration does not repeat itself;
            # what was decided stands.
            self.decide(event.x, event.preference, event.available)
        self.apply(event)

    def _require_decision(self, event: DecisionMade | DecisionPending) -> None:
        """Refuse what this router cannot have decided."""
        of_shape = event.x.shape == (self.router.n_features_in_,)
        of_shape &= event.preference.shape == (max(self.router.n_outcomes_, 2),)
        finite = np.isfinite(event.x).all() and np.isfinite(event.preference).all()
        chance = 0 <= event.propensity <= 1 + 1e-9
        offered = self.router.arms_ if event.available is None else event.available
        known = event.arm in offered and event.arm in self.router.arms_
        if not (of_shape and finite and chance and known):
            raise ValueError("this router decides otherwise")

    def learn(self) -> None:
        """Learn the accepted feedback that waits."""
        if not self.waiting:
            return
        decisions, feedback = zip(*self.waiting, strict=True)
        outcomes = [f[1 : 1 + self.router.n_outcomes_] for f in feedback]
        with self.router._lock:
            self.router._learn(
                Feedback(
                    np.stack([d.x for d in decisions]),
                    positions_of([d.arm for d in decisions], self.router.arms_),
                    np.array(outcomes, dtype=np.float64),
                    np.array([d.propensity for d in decisions]),
                )
            )
        self.waiting = []

    def head(self, digest: str, after: str) -> list[Event]:
        """Return what a journal begins with, beside a router that has learned all.

        Parameters
        ----------
        digest : str
            Of the file of the router.
        after : str
            Link of the last line of the journal before, if there is one.
        """
        opened = JournalOpened(
            FORMAT,
            digest,
            after,
            list(self.router.arms_),
            self.ledger.max_pending,
            self.update_every,
            self.ledger.state(),
        )
        pending = [DecisionPending(*decision) for decision in self.ledger.pending.values()]
        return [opened, *pending, *self.ledger.measured]
