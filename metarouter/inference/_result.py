"""The base of results: what they all have in common, verdicts on a claim among it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import MISSING, dataclass, fields
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from metarouter.inference._limits import Verdict
from metarouter.utils.tables import Printed


class Finding(NamedTuple):
    """A verdict with its reason, and the labels that would settle an open one (None: unknown)."""

    verdict: Verdict
    needed: int | None
    reason: str


def renamed(now: str) -> Any:
    """Return a property under the former name of an attribute, which stays for one release."""
    return property(attrgetter(now), doc=f"Former name of `{now}`, kept for one release.")


class Result(Printed):
    """A result of this package: a frame, a text and a figure.

    Subclasses are frozen dataclasses that declare their frame and text (see `Printed`) and draw
    themselves in ``plot``.
    """

    @abstractmethod
    def plot(self, ax: Any = None) -> Any:
        """Draw the result on matplotlib Axes, by default those of a new figure; return them."""


@dataclass(frozen=True, kw_only=True)
class Judged(Result):
    """A result with a verdict: what was found, whether it settles the claim, and what would.

    With too few labels the numbers are NaN and the verdict is INCONCLUSIVE.

    Parameters
    ----------
    level : float
        Level of the intervals.
    verdict : Verdict
        On the claim that the subclass names.
    needed : int or None
        Gold labels that would settle an open verdict, all else equal; None where none is open, or
        where labels would not help.
    reason : str
        Why the verdict is what it is.
    """

    level: float
    verdict: Verdict
    needed: int | None
    reason: str

    _FACTS: ClassVar[dict[str, str]] = {"level": "{self.level:g}", "verdict": "{self.verdict}"}

    @classmethod
    def inconclusive(cls, finding: Finding, size: int = 0, **known: Any) -> Self:
        """Return the result that too few labels leave.

        Parameters
        ----------
        finding : Finding
        size : int, default=0
            Rows of its columns.
        **known
            Fields that are known all the same; of the others numbers are NaN, counts 0, columns
            hold NaN (or zeros, if they count), texts say "none", and what may be missing is None.
        """
        blank: dict[str, Any] = {
            "float": np.nan,
            "int": 0,
            "str": "none",
            "FloatArray": np.full(size, np.nan),
            "NDArray[np.intp]": np.zeros(size, dtype=np.intp),
            "NDArray[np.bool_]": np.zeros(size, dtype=bool),
        }
        known = finding._asdict() | known
        unknown: dict[str, Any] = {
            field.name: None if str(field.type).endswith("| None") else blank[str(field.type)]
            for field in fields(cls)
            if field.name not in known and field.default is MISSING
        }
        return cls(**unknown, **known)
