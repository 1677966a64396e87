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
    Carried,
    Decided,
    Event,
    Ignored,
    Opened,
    Told,
)
from bandits.live._ledger import Ledger
from bandits.live._validation import check_told
from bandits.live.counts import Receipt
from metarouter.exceptions import RouterFileError

__all__ = ["LiveState"]

Array = NDArray[np.float64]


class LiveState:
    """A router, the book of its decisions, and accepted feedback that waits for its batch.

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
        self.waiting: list[tuple[Decided | Carried, Told]] = []

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
        if not isinstance(opened, Opened):
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
                if event is not opened and isinstance(event, Opened):
                    raise ValueError("it begins another journal")
                state._redo(event)
            except (KeyError, ValueError, TypeError) as error:
                raise RouterFileError(
                    f"Line {number} of {path} does not follow from those before it ({error}): the "
                    "journal is damaged, go back to a copy of its folder."
                ) from None
        return state

    def decide(
        self, x: Array, preference: Array, available: Sequence[Any] | None = None
    ) -> Decided:
        """Choose an arm for one context; nothing has happened yet.

        Parameters
        ----------
        x : ndarray of shape (n_features,)
        preference : ndarray of shape (2,)
        available : sequence of names, optional
            Arms that can be called.

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
                offered = np.unique(positions_of(available, router.arms_))
                arm, propensity = router._choose_among(x[None], preference, offered)
            name = router.arms_[int(arm[0])]
        chance = float(propensity[0])
        return Decided(self.ledger.next_id, name, chance, preference, x, available)

    def judge(self, told: Told) -> Told | Ignored:
        """Accept feedback, or say why it is ignored; nothing has happened yet."""
        receipt = self.ledger.judge(told)
        return told if receipt is Receipt.ACCEPTED else Ignored(receipt)

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
            case Decided():
                self.ledger.decide(event)
            case Told():
                self.waiting.append((self.ledger.settle(event), event))
                if len(self.waiting) >= self.update_every:
                    self.learn()
            case Ignored():
                self.ledger.ignore(event.why)
            case ArmAdded():
                self.learn()
                self.router.add_arm(event.arm, like=event.like, weight=event.weight)
            case ArmRemoved():
                self.learn()
                self.router.remove_arm(event.arm)
                self.ledger.void(event.arm)
            case Opened():
                self.ledger.restore(event.ledger)
            case Carried():
                self.ledger.carry(event)

    def _redo(self, event: Event) -> None:
        if isinstance(event, Decided | Carried):
            self._require_decision(event)
        if isinstance(event, Told):
            check_told(*event, n_outcomes=self.router.n_outcomes_)
        if isinstance(event, Decided):
            # The generators move on as they did then, so that exploration does not repeat itself;
            # what was decided stands.
            self.decide(event.x, event.preference, event.available)
        self.apply(event)

    def _require_decision(self, event: Decided | Carried) -> None:
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
        decisions, told = zip(*self.waiting, strict=True)
        outcomes = [t[1 : 1 + self.router.n_outcomes_] for t in told]
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
        opened = Opened(
            FORMAT,
            digest,
            after,
            list(self.router.arms_),
            self.ledger.max_pending,
            self.update_every,
            self.ledger.state(),
        )
        return [opened, *(Carried(*decision) for decision in self.ledger.pending.values())]
