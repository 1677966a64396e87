"""What can happen to a live router, and how it stands in the journal: one JSON object a line.

The state of a live router is what its events make of its last checkpoint, in their order.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from bandits.live.counts import Receipt

__all__ = [
    "FORMAT",
    "ArmAdded",
    "ArmRemoved",
    "CallMeasured",
    "DecisionMade",
    "DecisionPending",
    "DecisionWithdrawn",
    "Event",
    "FeedbackAccepted",
    "FeedbackIgnored",
    "JournalOpened",
    "decode",
    "encode",
]


FORMAT = "live-router-3"


class JournalOpened(NamedTuple):
    """A journal begins: what the checkpoint beside it does not hold."""

    format: str
    router: str  # digest of the file beside it
    after: str  # link of the last line of the journal before
    arms: list[Any]
    max_pending: int
    update_every: int
    ledger: dict[str, Any]


class DecisionMade(NamedTuple):
    """An arm was chosen."""

    id: int
    arm: Any
    propensity: float
    preference: NDArray[np.float64]  # (2,), with latencies (3,)
    x: NDArray[np.float64]  # (n_features,)
    available: Sequence[Any] | None = None  # arms that could be called; None is all
    request: str | None = None  # the caller's own id
    version: str | None = None  # the caller's name for the router as it was


class DecisionPending(NamedTuple):
    """A decision of an earlier journal still waits for its feedback."""

    id: int
    arm: Any
    propensity: float
    preference: NDArray[np.float64]
    x: NDArray[np.float64]
    available: Sequence[Any] | None = None
    request: str | None = None
    version: str | None = None


class DecisionWithdrawn(NamedTuple):
    """A decision was not followed: whatever comes of it is another arm's."""

    id: int


class CallMeasured(NamedTuple):
    """What the call of a decision took, for feedback that names its quality alone."""

    id: int
    cost: float
    latency: float


class FeedbackAccepted(NamedTuple):
    """Feedback was accepted."""

    id: int
    quality: float
    cost: float | None
    latency: float | None = None


class FeedbackIgnored(NamedTuple):
    """Feedback taught nothing."""

    why: Receipt


class ArmAdded(NamedTuple):
    """An arm was added."""

    arm: Any
    like: Any
    weight: float


class ArmRemoved(NamedTuple):
    """An arm was removed."""

    arm: Any
    void: Sequence[int] = ()  # decisions for it that were waiting for feedback


Event = (
    JournalOpened
    | DecisionMade
    | DecisionPending
    | DecisionWithdrawn
    | CallMeasured
    | FeedbackAccepted
    | FeedbackIgnored
    | ArmAdded
    | ArmRemoved
)

_END = 32 + 3  # characters of a link, and what closes the line
_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}
_LEFT_OUT = ("available", "request", "version")  # where they are None


def encode(event: Event, link: str) -> tuple[bytes, str]:
    """Return the line of an event and its link; numbers keep every bit.

    Parameters
    ----------
    event : Event
    link : str
        That of the line before, or of the file that the journal begins with: the link of a line
        is a digest of it and of all before.
    """
    fields = event._asdict()
    for name in ("x", "preference"):
        if name in fields:
            fields[name] = b64encode(np.asarray(fields[name], dtype="<f8").tobytes()).decode()
    for name in _LEFT_OUT:
        if fields.get(name, ()) is None:
            del fields[name]
    text = json.dumps({"event": type(event).__name__, **fields}, allow_nan=False).encode()
    link = _link(link, text)
    return b'%b, "link": "%b"}\n' % (text[:-1], link.encode()), link


def decode(line: bytes, link: str) -> tuple[Event, str]:
    """Return the event of a line and its link.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        If it holds none, or does not follow from the line before.
    """
    head, found, end = line[:-_END], line[-_END:-3].decode(), line[-3:]
    text = head.removesuffix(b', "link": "') + b"}"
    if end != b'"}\n' or len(text) == len(head) + 1 or found != _link(link, text):
        raise ValueError("it does not follow from the line before")
    fields = json.loads(text)
    kind = _KINDS[fields.pop("event")]
    for name in ("x", "preference"):
        if name in fields:
            fields[name] = np.frombuffer(b64decode(fields[name], validate=True), dtype="<f8")
    if kind is FeedbackIgnored:
        fields["why"] = Receipt(fields["why"])
    return kind(**fields), found


def _link(before: str, text: bytes) -> str:
    return blake2b(before.encode() + text, digest_size=16).hexdigest()
