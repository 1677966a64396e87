"""Verdicts of people: who sees which pair in which order, and a file that verdicts are added to.

A verdict is a line of CSV, on the disk before the next pair is shown. Of several by one person
about one pair the last counts. Pairs are known by a hash of their texts, so that a table may be
sorted anew, or grow, between two sittings.
"""

from __future__ import annotations

import csv
import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError
from metarouter.judging.calls import Pair

__all__ = ["Agreement", "Annotations", "agreement_of", "pair_id"]

_FIELDS = ["pair", "annotator", "verdict", "primary_first", "at"]
_VERDICTS = {"-1": -1, "0": 0, "1": 1}
_BOOTSTRAP = 1000


class Agreement(NamedTuple):
    """Krippendorff's alpha for ordinal verdicts, with a bootstrap interval over pairs."""

    alpha: float
    ci_low: float
    ci_high: float
    n_pairs: int


def pair_id(pair: Pair) -> str:
    """Return a name of a pair that follows from its texts."""
    text = "\x1f".join(pair)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


class Annotations:
    """Verdicts so far, in a file that is only ever added to.

    Parameters
    ----------
    path : Path
        Made when the first verdict comes.

    Raises
    ------
    DataError
        If the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.verdicts: dict[tuple[str, str], int] = {}
        if path.exists():
            self._read()

    def add(self, pair: str, annotator: str, verdict: int, primary_first: bool) -> None:
        """Keep a verdict, towards the primary; it is on the disk when this returns."""
        new = not self.path.exists() or self.path.stat().st_size == 0
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(_FIELDS)
            writer.writerow([pair, annotator, verdict, int(primary_first), f"{time.time():.0f}"])
            file.flush()
            os.fsync(file.fileno())
        self.verdicts[pair, annotator] = verdict

    def matrix(self, pairs: Sequence[str]) -> NDArray[np.float64]:
        """Return verdicts of shape (annotators, pairs), NaN where there is none."""
        people = sorted({annotator for _, annotator in self.verdicts})
        table = np.full((len(people), len(pairs)), np.nan)
        for row, person in enumerate(people):
            for column, pair in enumerate(pairs):
                table[row, column] = self.verdicts.get((pair, person), np.nan)
        return table

    def _read(self) -> None:
        text = self.path.read_text("utf-8")
        if text and not text.endswith("\n"):
            # A machine that stopped in the middle of a line: that verdict is asked for again.
            text = text[: text.rfind("\n") + 1]
            self.path.write_text(text, "utf-8")
        rows = list(csv.reader(text.splitlines()))
        if rows and rows[0] != _FIELDS:
            raise DataError(f"{self.path} holds no verdicts of people: name another --verdicts.")
        for number, row in enumerate(rows[1:], start=2):
            if len(row) != len(_FIELDS) or row[2] not in _VERDICTS:
                raise DataError(
                    f"Line {number} of {self.path} is no verdict: correct or remove it."
                )
            self.verdicts[row[0], row[1]] = _VERDICTS[row[2]]


def agreement_of(verdicts: NDArray[np.float64], seed: int = 0) -> Agreement | None:
    """Return how far people agree; None where fewer than two have judged two pairs in common.

    Parameters
    ----------
    verdicts : ndarray of shape (annotators, pairs)
        NaN where there is none.
    seed : int, default=0

    Returns
    -------
    Agreement or None
    """
    shared = verdicts[:, np.sum(~np.isnan(verdicts), axis=0) >= 2]
    if shared.shape[1] < 2:
        return None
    rng = np.random.default_rng(seed)
    n = shared.shape[1]
    draws = [_alpha(shared[:, rng.integers(n, size=n)]) for _ in range(_BOOTSTRAP)]
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Agreement(_alpha(shared), float(low), float(high), n)


def _alpha(verdicts: NDArray[np.float64]) -> float:
    import krippendorff

    present = verdicts[~np.isnan(verdicts)]
    if np.ptp(present) == 0:
        return 1.0
    given: Any = krippendorff.alpha(
        reliability_data=verdicts, level_of_measurement="ordinal", value_domain=[-1.0, 0.0, 1.0]
    )
    return float(given)


def primary_is_first(pair: str, annotator: str, seed: int) -> bool:
    """Whether a person sees the primary's answer first: a coin that falls the same each time."""
    return bool(_coin(pair, annotator, seed, "side")[0] & 1)


def shown_order(pairs: Sequence[str], annotator: str, seed: int) -> list[int]:
    """Return the positions of pairs in the order in which a person sees them."""
    return sorted(range(len(pairs)), key=lambda k: _coin(pairs[k], annotator, seed, "place"))


def _coin(pair: str, annotator: str, seed: int, what: str) -> bytes:
    return hashlib.sha256(f"{seed}\x1f{annotator}\x1f{pair}\x1f{what}".encode()).digest()
