"""What to label next (Meta-Router, A.4): areas against random labelling, and the level of a test.

    METAROUTER_DATA_HOME=... python -m paper_figures.labelling --out DIR

The router is a Bayesian ridge regression of the gold labels on 20 principal components and on the
preference label that these lead one to expect. It begins with 40 gold labels at random and gets 20
at a time, up to 200.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import BayesianRidge, RidgeCV

from metarouter.datasets import (
    LabelledQueries,
    fetch_llmrouter_14task,
    fetch_wmt_mt,
    make_judged_queries,
)
from metarouter.evaluation import efficiency_gain_curve
from metarouter.inference import efficiency_gain_band, mean_shift_test
from metarouter.inference.planning import suggest_labels
from metarouter.utils.files import write_text
from metarouter.utils.markdown import markdown_table

FIRST, BATCH, LAST = 40, 20, 200
STRATEGIES = ("random", "threshold", "uncertainty", "variance")
TABLES: dict[str, Callable[[int], LabelledQueries]] = {
    "llmrouter_14task": lambda seed: fetch_llmrouter_14task(random_state=seed),
    "wmt_mt": lambda seed: fetch_wmt_mt(("Claude-3.5", "Llama3-70B"), judge="judge_chrf"),
    "judged_queries": lambda seed: make_judged_queries(
        3000, 20, gold_share=1.0, pairing=1.0, random_state=seed
    ),
}


def split(name: str, seed: int) -> tuple[LabelledQueries, LabelledQueries]:
    """Draw the pool and the test queries, described by components and the expected preference."""
    data = TABLES[name](seed)
    rng = np.random.default_rng(seed)
    groups = np.arange(data.n_queries) if data.groups is None else data.groups
    names, code = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    is_test = rng.random(len(names))[code] < 0.35
    X = np.asarray(data.X, dtype=np.float64)
    X = PCA(min(20, X.shape[1]), random_state=0).fit(X[~is_test]).transform(X)
    ridge = RidgeCV(np.logspace(-2, 4, 7)).fit(X[~is_test], data.preference[~is_test])
    data = replace(data, X=np.column_stack([X, ridge.predict(X)]), feature_names=None)
    return data.subset(~is_test), data.subset(is_test)


def regress(queries: LabelledQueries, *, weighed: bool) -> BayesianRidge:
    gold = queries.has_gold
    weight = queries.weight[gold] if weighed and queries.weight is not None else None
    return BayesianRidge().fit(queries.X[gold], queries.gold[gold], sample_weight=weight)


def areas(name: str, strategy: str, seed: int, *, weighed: bool) -> dict[int, float]:
    """Area on the test queries after every batch."""
    full, test = split(name, seed)
    rng = np.random.default_rng(1000 + seed)
    known = np.zeros(full.n_queries, dtype=bool)
    known[rng.permutation(full.n_queries)[:FIRST]] = True
    pool = replace(full, gold=np.where(known, full.gold, np.nan), weight=None)
    result = {}
    while True:
        model = regress(pool, weighed=weighed)
        result[pool.n_gold] = float(efficiency_gain_curve(test.gold, model.predict(test.X)).area)
        if pool.n_gold >= LAST:
            return result
        suggestion = suggest_labels(
            replace(pool, weight=None),
            model,
            BATCH,
            strategy=strategy,
            random_state=rng,  # type: ignore[arg-type]
        )
        pool = suggestion.with_labels(replace(pool, weight=None), full.gold[suggestion.rows])


def area_table(rounds: int) -> pd.DataFrame:
    lines = []
    for name in TABLES:
        random = pd.DataFrame(
            [areas(name, "random", seed, weighed=False) for seed in range(rounds)]
        )
        target, few = random[LAST], int(0.6 * LAST)
        lines.append((name, "random", *_cells(random, target, few)))
        for strategy in STRATEGIES[1:]:
            for weighed in (False, True):
                found = pd.DataFrame(
                    [areas(name, strategy, seed, weighed=weighed) for seed in range(rounds)]
                )
                label = f"{strategy}, weighed" if weighed else strategy
                lines.append((name, label, *_cells(found, target, few)))
    columns = [
        "data",
        "strategy",
        f"area at {few}",
        f"area at {LAST}",
        f"area at {few} minus random at {LAST} (2 s.e.)",
        f"area at {LAST} minus random at {LAST} (2 s.e.)",
    ]
    return pd.DataFrame(lines, columns=columns)


def _cells(found: pd.DataFrame, target: pd.Series, few: int) -> tuple[str, ...]:
    differences = [found[n] - target for n in (few, LAST)]
    return (
        f"{found[few].mean():.4f}",
        f"{found[LAST].mean():.4f}",
        *(f"{d.mean():+.4f} ({2 * d.sem():.4f})" for d in differences),
    )


def band_table(repetitions: int) -> pd.DataFrame:
    """How often 95% bands of the efficiency gain cover the curve of all 3,000 queries.

    At nine usages; queries are ranked by their first feature, whatever labels there are.
    """
    covered: dict[tuple[str, bool], list[bool]] = {}
    for seed in range(repetitions):
        full, drawn = _labelled_by_strategy(3000, 200, seed)
        score = np.asarray(full.X)[:, 0]
        usage = np.linspace(0.1, 0.9, 9)
        truth = np.interp(usage, *_curve(full.gold, score))
        for strategy, labelled in drawn:
            gold, weights = labelled.has_gold, labelled.weight
            assert weights is not None
            for weighed in (True, False) if strategy == "threshold" else (True,):
                band = efficiency_gain_band(
                    labelled.gold[gold],
                    score[gold],
                    sample_weight=weights[gold] if weighed else None,
                    grid=usage,
                    method="influence",
                    random_state=seed,
                )
                inside = (band.band_lower <= truth) & (truth <= band.band_upper)
                covered.setdefault((strategy, weighed), []).append(bool(inside.all()))
    return _rates(covered, "bands that cover the curve (s.e. at 0.95)")


def _curve(gold: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    curve = efficiency_gain_curve(gold, score)
    return np.asarray(curve.usage), np.asarray(curve.efficiency_gain)


def level_table(repetitions: int) -> pd.DataFrame:
    """Rejections of a true mean shift at 5%, with and without the weights."""
    rejections: dict[tuple[str, bool], list[bool]] = {}
    for seed in range(repetitions):
        for strategy, labelled in _labelled_by_strategy(600, 90, seed)[1]:
            for weighed in (True, False):
                rows = labelled if weighed else replace(labelled, weight=None)
                test = mean_shift_test(rows, method="paired", scaling=None, null=-0.5)
                rejections.setdefault((strategy, weighed), []).append(bool(test.p_value < 0.05))
    return _rates(rejections, "rejections at 5% (s.e. at 0.05)")


def _labelled_by_strategy(
    n: int, n_new: int, seed: int
) -> tuple[LabelledQueries, Iterator[tuple[str, LabelledQueries]]]:
    """Return queries whose gold labels are all known, and what is labelled beyond a pilot of 60."""
    full = make_judged_queries(
        n, 6, gold_share=1.0, pairing=1.0, heterogeneity=1.0, random_state=seed
    )
    rng = np.random.default_rng(seed)
    known: NDArray[np.bool_] = np.zeros(n, dtype=bool)
    known[rng.permutation(n)[:60]] = True
    pool = replace(full, gold=np.where(known, full.gold, np.nan), truth=None)
    model = regress(pool, weighed=False)

    def labelled() -> Iterator[tuple[str, LabelledQueries]]:
        for strategy in STRATEGIES:
            suggestion = suggest_labels(
                pool,
                model,
                n_new,
                strategy=strategy,  # type: ignore[arg-type]
                threshold=1.0,
                random_state=rng,
            )
            yield strategy, suggestion.with_labels(pool, full.gold[suggestion.rows])

    return full, labelled()


def _rates(found: Mapping[tuple[str, bool], list[bool]], what: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (
                strategy,
                "1 / inclusion probability" if weighed else "none",
                f"{np.mean(hits):.3f} ({np.sqrt(0.05 * 0.95 / len(hits)):.3f})",
            )
            for (strategy, weighed), hits in found.items()
        ],
        columns=["strategy", "weights", what],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/labelling"))
    options = parser.parse_args(arguments)
    level = markdown_table(level_table(options.repetitions))
    write_text(options.out / "level.md", level + "\n")
    print(level, flush=True)
    bands = markdown_table(band_table(options.repetitions))
    write_text(options.out / "bands.md", bands + "\n")
    print(bands, flush=True)
    text = markdown_table(area_table(options.rounds))
    write_text(options.out / "areas.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
