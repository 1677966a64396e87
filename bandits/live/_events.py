"""What can happen to a live router, and how it stands in the journal: one JSON object a line.

The state of a live router is what its events make of its last checkpoint, in their order.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.live.counts import Receipt

__all__ = [
    "ArmAdded",
    "ArmRemoved",
    "Carried",
    "Decided",
    "Event",
    "Ignored",
    "Opened",
    "Told",
    "decode",
    "encode",
]


class Opened(NamedTuple):
    """A journal begins: what the checkpoint beside it does not hold."""

    format: str
    arms: list[Any]
    max_pending: int
    update_every: int
    ledger: dict[str, Any]


class Decided(NamedTuple):
    """An arm was chosen."""

    id: int
    arm: Any
    propensity: float
    preference: NDArray[np.float64]  # (2,), with latencies (3,)
    x: NDArray[np.float64]  # (n_features,)


class Carried(NamedTuple):
    """A decision of an earlier journal still waits for its feedback."""

    id: int
    arm: Any
    propensity: float
    preference: NDArray[np.float64]
    x: NDArray[np.float64]


class Told(NamedTuple):
    """Feedback was accepted."""

    id: int
    quality: float
    cost: float | None
    latency: float | None = None


class Ignored(NamedTuple):
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


Event = Opened | Decided | Carried | Told | Ignored | ArmAdded | ArmRemoved

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Opened, Decided, Carried, Told, Ignored, ArmAdded, ArmRemoved)
}


def encode(event: Event) -> bytes:
    """Return the line of an event; numbers keep every bit."""
    fields = event._asdict()
    for name in ("x", "preference"):
        if name in fields:
            fields[name] = b64encode(np.asarray(fields[name], dtype="<f8").tobytes()).decode()
    line = json.dumps({"event": type(event).__name__, **fields}, allow_nan=False)
    return line.encode() + b"\n"


def decode(line: bytes) -> Event:
    """Return the event of a line.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        If it holds none.
    """
    fields = json.loads(line)
    kind = _KINDS[fields.pop("event")]
    for name in ("x", "preference"):
        if name in fields:
            fields[name] = np.frombuffer(b64decode(fields[name], validate=True), dtype="<f8")
    if kind is Ignored:
        fields["why"] = Receipt(fields["why"])
    return kind(**fields)
