"""The base of results that end in a verdict on a claim."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, Protocol, Self

import numpy as np

from metarouter.inference._limits import Verdict
from metarouter.utils.tables import Printed


class Shortage(Protocol):
    """Labels that are needed before anything is estimated, and why."""

    @property
    def needed(self) -> int: ...

    @property
    def reason(self) -> str: ...


class Judged(Printed):
    """A result with a verdict: what was found, whether it settles the claim, and what would.

    Subclasses are frozen dataclasses with at least the fields below.

    Parameters
    ----------
    verdict : Verdict
    needed : int or None
        Labels that would settle an open verdict, all else equal.
    reason : str
        Why the verdict is what it is.
    """

    verdict: Verdict
    needed: int | None
    reason: str

    @classmethod
    def inconclusive(cls, shortage: Shortage, size: int = 0, **known: Any) -> Self:
        """Return the result that too few labels leave.

        Parameters
        ----------
        shortage : Shortage
        size : int, default=0
            Rows of its columns.
        **known
            Fields that are known all the same; of the others numbers are NaN, counts 0, columns
            hold NaN (or zeros, if they count), and texts say "none".
        """
        blank: dict[str, Any] = {
            "float": np.nan,
            "int": 0,
            "str": "none",
            "FloatArray": np.full(size, np.nan),
            "NDArray[np.intp]": np.zeros(size, dtype=np.intp),
            "NDArray[np.bool_]": np.zeros(size, dtype=bool),
        }
        open_verdict = {
            "verdict": Verdict.INCONCLUSIVE,
            "needed": shortage.needed,
            "reason": shortage.reason,
        }
        unknown = {
            field.name: blank[str(field.type)]
            for field in fields(cls)  # type: ignore[arg-type]
            if field.name not in known | open_verdict and field.default is MISSING
        }
        return cls(**unknown, **open_verdict, **known)
