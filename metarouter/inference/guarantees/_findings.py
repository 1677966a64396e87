"""The verdict on a search for a threshold, and what would mend one that found nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from metarouter.inference._limits import MINIMA, Verdict
from metarouter.inference.guarantees._needed import most_promising, needed_at
from metarouter.inference.guarantees._path import RoutingPath
from metarouter.inference.guarantees._tested import Tested, worst_distance

__all__ = ["Search", "finding_of"]


class Search(NamedTuple):
    """What came of a search."""

    verdict: Verdict
    closest: int
    needed_gold: int | None
    needed_queries: int | None
    reason: str


def finding_of(
    tests: Sequence[Tested], path: RoutingPath, level: float, certified: bool, search: str
) -> Search:
    """Judge a search that tested at `level`, and count the labels that are missing."""
    closest = most_promising(tests, search)
    names = " and ".join(test.demand.name for test in tests)
    if certified:
        on_average = tests[0].method == "conformal"
        verdict = Verdict.CAUTION if on_average else Verdict.PASS
        return Search(verdict, closest, None, None, f"{names}: {_WORDS[on_average]}.")
    scarce = _scarce(tests)
    if scarce is not None:
        least = MINIMA["gold_rows"].count
        words = f"{scarce} gold labels are too few to judge this; {least} would do."
        return Search(Verdict.INCONCLUSIVE, closest, least, None, words)
    if any(test.has_no_gap for test in tests):
        words = (
            "Always asking the primary model gains nothing on these queries, so that there is no "
            "gap to recover a share of; demand min_gain instead."
        )
        return Search(Verdict.INCONCLUSIVE, closest, None, None, words)
    silent = " and ".join(test.demand.name for test in tests if test.is_silent)
    if silent:
        words = (
            f"All that the gold labels say about {silent} is 0, which does not tell how far their "
            "mean may be off; give more labels, or gain_bounds."
        )
        return Search(Verdict.INCONCLUSIVE, closest, None, None, words)
    rests_on_few = " and ".join(test.demand.name for test in tests if test.rests_on_few)
    if rests_on_few:
        words = (
            f"{rests_on_few}: the labels are all alike, or a few rare and large ones decide, so "
            "that what has not been seen yet may break it; give gain_bounds, or more labels."
        )
        return Search(Verdict.INCONCLUSIVE, closest, None, None, words)
    needed = needed_at(tests, closest, level, search)
    w = f"w = {path.w[closest]:.4g}"
    if needed.unmet:
        missed = " and ".join(needed.unmet)
        if (worst_distance(tests) < 0).any():
            words = (
                f"No w is certified: {missed} is missed at the safe end, where the walk begins, "
                "though not everywhere; search='split' may find a place."
            )
        else:
            words = (
                f"No w meets {names} even as observed: where they come closest, at {w}, {missed} "
                "is missed, and more labels promise nothing."
            )
        return Search(Verdict.INCONCLUSIVE, closest, None, None, words)
    counts = [
        f"about {wanted} {noun} ({there} are there)"
        for wanted, noun, there in _wanted(tests, needed.gold, needed.queries)
        if wanted > there
    ]
    enough = " and ".join(counts or ["a few more labels"])
    words = f"No w is certified. If what is observed up to {w} is right, {enough} "
    return Search(Verdict.INCONCLUSIVE, closest, needed.gold, needed.queries, f"{words}would do.")


_WORDS = {
    False: "kept on new queries, but for an unlucky sample, which delta allows for",
    True: "kept on average over samples like this one; with this sample it may well be broken",
}


def _scarce(tests: Sequence[Tested]) -> int | None:
    """Return the number of gold labels where it is too small for the central limit theorem."""
    counts = [test.demand.n for test in tests if test.method == "clt" and not test.demand.is_budget]
    return min(counts) if counts and min(counts) < MINIMA["gold_rows"].count else None


def _wanted(
    tests: Sequence[Tested], gold: int | None, queries: int | None
) -> list[tuple[int, str, int]]:
    there = {test.demand.is_budget: test.demand.n for test in tests}
    rows = ((gold, "gold labels", False), (queries, "queries", True))
    return [(wanted, noun, there[kind]) for wanted, noun, kind in rows if wanted is not None]
