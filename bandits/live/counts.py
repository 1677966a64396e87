"""What became of decisions and of feedback, counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["LiveCounts", "Receipt"]


class Receipt(StrEnum):
    """What became of one piece of feedback."""

    ACCEPTED = "accepted"
    """It is learned, once."""
    DUPLICATE = "duplicate"
    """The same feedback was accepted before."""
    VOID = "void"
    """The arm has been removed since, or the decision was withdrawn."""
    EXPIRED = "expired"
    """It came after the decision had to make room for later ones."""
    FORGOTTEN = "forgotten"
    """The decision was settled too long ago to know how."""
    CONTRADICTION = "contradiction"
    """The decision has a different outcome, which stands (an error is raised)."""
    UNKNOWN = "unknown"
    """There never was such a decision (an error is raised)."""


@dataclass(frozen=True)
class LiveCounts:
    """What has happened since the very beginning, over all restarts.

    Every decision is in one of four states:
    ``decided == accepted + pending + expired + void``.

    Parameters
    ----------
    decided : int
        Decisions made.
    accepted : int
        Those whose feedback was accepted.
    pending : int
        Those that wait for feedback.
    expired : int
        Those that had to make room for later ones.
    void : int
        Those whose arm was removed, or that were withdrawn, before any feedback.
    ignored : mapping of Receipt to int
        Feedback that taught nothing, by reason.
    """

    decided: int
    accepted: int
    pending: int
    expired: int
    void: int
    ignored: Mapping[Receipt, int]
