"""Draw worlds with known truth again and again, and count what was covered or rejected."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn import config_context
from threadpoolctl import threadpool_limits

from metarouter.utils.files import write_text

__all__ = ["count_hits", "count_unfinished"]

Counts = dict[str, list[float]]
World = Callable[[np.random.Generator, int], Mapping[tuple[str, str], float]]


def count_hits(world: World, n: int, rounds: int, entropy: Sequence[int]) -> Counts:
    """Count hits: ``measure|quantity`` -> [sum of hits, rounds in which it could be judged]."""
    counts: Counts = {}
    source = np.random.SeedSequence(entropy)
    # scikit-learn's own checks of inputs that we have just drawn take half of the time.
    with threadpool_limits(1), config_context(skip_parameter_validation=True, assume_finite=True):
        for child in source.spawn(rounds):
            for (measure, name), hit in world(np.random.default_rng(child), n).items():
                count = counts.setdefault(f"{measure}|{name}", [0.0, 0])
                count[0] += float(hit)
                count[1] += 1
    return counts


def count_unfinished(kept: Path, cells: Mapping[str, Callable[[], Counts]]) -> dict[str, Counts]:
    """Run the cells that a file does not hold yet; it grows with each, and all are returned."""
    results: dict[str, Counts] = json.loads(kept.read_text()) if kept.exists() else {}
    for name, run in cells.items():
        if name in results:
            continue
        start = time.process_time()
        results[name] = run()
        write_text(kept, json.dumps(results, indent=1))
        print(f"{name.replace('|', ', n=')}: {time.process_time() - start:.0f} s", flush=True)
    return results
