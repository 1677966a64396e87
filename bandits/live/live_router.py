"""What a service holds: a router that decides, and learns whenever feedback comes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from bandits.base import BanditRouter
from bandits.live._events import DecisionMade, FeedbackIgnored
from bandits.live._ledger import Decision, decision_of
from bandits.live._recorder import Recorder
from bandits.live._state import LiveState
from bandits.live._store import LiveStore
from bandits.live._validation import check_router, plain_name
from bandits.live.counts import LiveCounts, Receipt
from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_weight, check_whole

__all__ = ["Decision", "LiveRouter", "OtherOutcomeError"]


class OtherOutcomeError(DataError):
    """A decision has a different outcome, which stands."""


class LiveRouter:
    """Decide and learn from many threads, with feedback that is late, repeated or never comes.

    With a folder, nothing is lost by a crash: a decision is on the disk before it is returned, and
    feedback before it is acknowledged. A process that was killed goes on with `resume`, and ends
    with the same posterior as one that was not.

    Parameters
    ----------
    router : BanditRouter
        One that knows its arms: fitted, or started by `cold`. It belongs to the live router now;
        reading from it is safe.
    journal : str or path-like, optional
        A folder for checkpoints and the journal. Contexts and ids of requests are written to it
        as they are given, and nothing else of a query. None keeps everything in memory.
    max_pending : int, default=10_000
        Decisions that may wait for feedback; beyond that the oldest expires. As many settled ones
        are remembered, to recognise feedback that is repeated.
    update_every : int, default=1
        Accepted feedback is learned in batches of this many. What waits is in the journal.
    fsync : bool, default=True
        Whether to wait for the disk. Without it a killed process loses nothing, but a power cut
        may take the last lines.

    Raises
    ------
    NotFittedError
        If the router does not know its arms.
    RouterFileError
        If the folder holds a live router already, or another process uses it.

    Examples
    --------
    >>> from bandits import LinUCB
    >>> live = LiveRouter.cold(LinUCB(arms=("small", "large"), random_state=0), n_features=2)
    >>> decision = live.choose([0.3, 0.7], preference=(0.8, 0.2))
    >>> live.feedback(decision.id, quality=1.0, cost=0.002).value
    'accepted'
    >>> live.feedback(decision.id, quality=1.0, cost=0.002).value
    'duplicate'
    >>> live.router.n_updates_
    1
    """

    _recorder: Recorder

    def __init__(
        self,
        router: BanditRouter,
        journal: str | os.PathLike[str] | None = None,
        *,
        max_pending: int = 10_000,
        update_every: int = 1,
        fsync: bool = True,
    ) -> None:
        check_router(router)
        check_whole("max_pending", max_pending)
        check_whole("update_every", update_every)
        check_is_fitted(router, "arms_")
        for arm in router.arms_:
            plain_name(arm)
        state = LiveState(router, max_pending=int(max_pending), update_every=int(update_every))
        store = None if journal is None else LiveStore.create(journal, state, fsync=fsync)
        self._recorder = Recorder(state, store)

    @classmethod
    def cold(
        cls,
        router: BanditRouter,
        n_features: int,
        *,
        has_cost: bool = True,
        has_latency: bool = False,
        **options: Any,
    ) -> Self:
        """Initialise without data, from the names of the arms alone.

        Parameters
        ----------
        router : BanditRouter
            With ``arms=``; never fitted.
        n_features : int
        has_cost : bool, default=True
            Whether feedback will hold costs.
        has_latency : bool, default=False
            Whether it will hold latencies too.
        **options
            As for the constructor.
        """
        check_router(router)
        check_whole("n_features", n_features)
        if hasattr(router, "arms_"):
            raise DataError("The router has learned already: hand it to LiveRouter as it is.")
        if has_latency and not has_cost:
            raise DataError(
                "has_latency is True but has_cost is not: where nothing else is paid, pass the "
                "latencies as cost."
            )
        before = router.__dict__
        with router._anew() as fresh:
            fresh._begin_with(np.zeros((1, n_features)), None, 1 + has_cost + has_latency)
        try:
            return cls(router, **options)
        except BaseException:
            router.__dict__ = before
            raise

    @classmethod
    def resume(cls, folder: str | os.PathLike[str], *, fsync: bool = True) -> Self:
        """Go on where a process stopped, was killed, or lost its power.

        Parameters
        ----------
        folder : str or path-like
        fsync : bool, default=True

        Raises
        ------
        RouterFileError
            If the folder holds no live router, a file in it is damaged, or another process uses it.
        """
        live = cls.__new__(cls)
        store, state = LiveStore.resume(folder, fsync=fsync)
        live._recorder = Recorder(state, store)
        return live

    # What a service calls ----------------------------------------------------------------------

    def choose(
        self,
        x: Any,
        preference: ArrayLike | None = None,
        *,
        available: Iterable[Any] | None = None,
        request: str | None = None,
        version: str | None = None,
        again: bool = False,
        flush: bool = True,
    ) -> Decision:
        """Choose an arm for one query.

        Parameters
        ----------
        x : array of shape (n_features,) or (1, n_features), or frame of one row
        preference : weights, optional
            Of quality, cost and, where it is learned, latency.
        available : iterable of names, optional
            Arms that can be called now; by default all. What is known of the others stays.
        request : str, optional
            The caller's own id, by which `find` returns the decision. The same id gets the same
            decision, also after a restart, for twice ``max_pending`` requests.
        version : str, optional
            What the caller calls the router as it is; it comes back with the decision.
        again : bool, default=False
            Decide anew where the request is known.
        flush : bool, default=True
            Whether to return when the decision is on the disk. If not, it survives the end of the
            process, but a power cut only after `flush`.

        Returns
        -------
        Decision

        Raises
        ------
        DataError
            If the context or the preference is malformed, or no arm is available.
        RouterFileError
            If the journal cannot be written.
        """
        row = x if hasattr(x, "columns") or issparse(x) else np.atleast_2d(np.asarray(x))
        features, pair = self.router._query(row, preference)
        if len(features) != 1:
            raise DataError(f"x has {len(features)} rows; choose for one query at a time.")
        offered = None if available is None else [plain_name(arm) for arm in available]
        if offered is not None and not offered:
            raise DataError("available names no arm; name those that can be called.")
        for name, text in (("request", request), ("version", version)):
            if text is not None and not isinstance(text, str):
                raise DataError(f"{name} is {text!r}; give text.")
        state, context, weights = self._recorder.state, features[0].copy(), np.ravel(pair)

        def decide() -> Decision | DecisionMade:
            known = None if again else state.find(request)
            return known or state.decide(context, weights, offered, request, version)

        made = self._recorder.record(decide, wait=flush)
        return decision_of(made) if isinstance(made, DecisionMade) else made

    def find(self, request: str) -> Decision | None:
        """Return the decision of a request, None if there is none, or its arm was removed."""
        with self._recorder.reading() as state:
            return state.find(request)

    def feedback(
        self, id: int, quality: float, cost: float | None = None, latency: float | None = None
    ) -> Receipt:
        """Report the outcome of a decision.

        Parameters
        ----------
        id : int
            That of the decision.
        quality : float
        cost, latency : float, optional
            At least 0. Pass each on every call or on none; by default what `measured` was given.

        Returns
        -------
        Receipt
            Whether it is learned, or why not.

        Raises
        ------
        DataError
            If there was no such decision, it has a different outcome, or a number is malformed.
            Nothing is learned then.
        RouterFileError
            If the journal cannot be written.
        """
        state = self._recorder.state
        event = self._recorder.record(lambda: state.judge(id, quality, cost, latency))
        receipt = event.why if isinstance(event, FeedbackIgnored) else Receipt.ACCEPTED
        if receipt is Receipt.UNKNOWN:
            raise DataError(
                f"There is no decision {id}: quote the id that choose returned, to the live "
                "router that returned it."
            )
        if receipt is Receipt.CONTRADICTION:
            raise OtherOutcomeError(
                f"Decision {id} has a different outcome, which stands; send one outcome each."
            )
        return receipt

    def measured(self, id: int, *, cost: float, latency: float) -> None:
        """Keep what the call of a decision took, for feedback that gives its quality alone.

        It does not wait for the disk: the next decision or feedback does, for both.
        """
        state = self._recorder.state
        self._recorder.record(lambda: state.measure(id, cost, latency), wait=False)

    def withdraw(self, id: int) -> None:
        """Take back a decision that was not followed; feedback for it is `Receipt.VOID`."""
        state = self._recorder.state
        self._recorder.record(lambda: state.withdraw(id))

    def flush(self) -> None:
        """Return when everything that has happened is on the disk."""
        self._recorder.record(lambda: None)

    def add_arm(self, name: str | int, *, like: Any = None, weight: float = 1.0) -> None:
        """Add an arm while decisions go on; see `BanditRouter.add_arm`."""
        check_weight(weight)
        arm, origin = plain_name(name), None if like is None else plain_name(like)
        state = self._recorder.state
        self._recorder.record(lambda: state.add_arm(arm, origin, float(weight)))

    def remove_arm(self, name: str | int) -> list[int]:
        """Remove an arm for good; one that is out for a while is left out by `choose`.

        Returns
        -------
        list of int
            Decisions for it that waited for feedback. They are void: what comes of them teaches
            nothing, and `feedback` says so.
        """
        arm, state = plain_name(name), self._recorder.state
        removed = self._recorder.record(lambda: state.remove_arm(arm))
        return list(removed.void)

    def learn(self) -> None:
        """Learn what waits for its batch."""
        self._recorder.learn()

    def checkpoint(self) -> None:
        """Write the state, so that resuming need not read the journal from its beginning.

        Decisions wait while it is written. A crash meanwhile leaves the checkpoint before.

        Raises
        ------
        RouterFileError
            If there is no folder to write to, or it cannot be written.
        """
        self._recorder.checkpoint()

    def close(self) -> None:
        """Let go of the folder; what waits for its batch is in the journal."""
        self._recorder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def router(self) -> BanditRouter:
        """The router, to read from."""
        return self._recorder.state.router

    @property
    def stopped(self) -> str | None:
        """Why nothing is decided any more, None while the router decides."""
        return self._recorder.stopped

    @property
    def counts(self) -> LiveCounts:
        """What became of all decisions and feedback so far."""
        return self._recorder.counts
