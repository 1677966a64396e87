"""How near collecting comes to an endpoint's limit, and whether memory stays flat.

A local endpoint serves so many calls a second, by a token bucket, and answers 429 to all above it.
Printed: calls per second as a share of that limit, with and without pacing, and the growth of the
peak of memory from a tenth of the calls to all of them.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from judging_server import JudgingServer

from metarouter.judging import Budget, Endpoint, Limits, Price, load_template, open_store, run_calls
from metarouter.judging.calls import Pair, verdict_calls

PER_SECOND = 40.0
PRICES = {"small": Price(Decimal("0.25"), Decimal("2"))}


def calls(n: int, start: int):
    template = load_template("general", "pairwise")
    for k in range(start, start + n // 2):
        pair = Pair(f"question {k}", "quality 1 " * 200, "quality 2 " * 200)
        for _, call in verdict_calls("small", template, pair, draws=1, limit=20, settings={}):
            yield call


def collect(n: int, start: int, per_minute: float | None) -> float:
    """Return calls per second."""
    with (
        JudgingServer(PRICES["small"], per_second=PER_SECOND, latency=0.1) as server,
        tempfile.TemporaryDirectory() as folder,
        open_store(Path(folder) / "replies.sqlite") as store,
    ):
        server.tokens = 0.0  # a full bucket would let the first second exceed the limit
        began = time.perf_counter()
        limits = Limits(concurrency=16, per_minute=per_minute)
        run_calls(calls(n, start), store, Endpoint(server.url, "none"), PRICES,
                  Budget(10**12), limits)  # fmt: skip
        assert len(server.served) == n
        return n / (time.perf_counter() - began)


def peak() -> float:
    """Return the largest memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    collect(200, 0, None)
    small = peak()
    for name, per_minute in (("paced", 60 * PER_SECOND), ("not paced", None)):
        share = collect(1600, 1000, per_minute) / PER_SECOND
        print(f"{name}: {share:.3f} of the limit of {PER_SECOND:g} calls a second")
    print(f"peak of memory: {small:.1f} MiB after 200 calls, {peak():.1f} MiB after 3400")


if __name__ == "__main__":
    main()
