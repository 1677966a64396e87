"""What to label next (Meta-Router, A.4): areas against random labelling, and the level of a test.

    METAROUTER_DATA_HOME=... python -m paper_figures.labelling --out DIR

The router is a Bayesian ridge regression of the gold labels on 20 principal components and on the
preference label that these lead one to expect. It begins with 40 gold labels at random and gets 20
at a time, up to 200.

A design needs no labels to begin with. It is compared with random labelling on more pairs of
models, by the share of the labels that it needs for the area of random labelling at 100; the
learner is the same, on 20 components alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import BayesianRidge, RidgeCV

from metarouter.datasets import (
    LabelledQueries,
    fetch_cascades_9model,
    fetch_llmrouter_14task,
    fetch_llmrouter_14task_matrix,
    fetch_routellm_evals,
    fetch_routerbench_fewshot,
    fetch_wmt_mt,
    make_judged_queries,
    make_prompted_queries,
)
from metarouter.encoding import TfidfEncoder
from metarouter.evaluation import efficiency_gain_curve
from metarouter.inference import efficiency_gain_band, mean_shift_test
from metarouter.inference.planning import suggest_labels
from metarouter.utils.files import write_text
from metarouter.utils.markdown import markdown_table

FIRST, BATCH, LAST = 40, 20, 200
STRATEGIES = ("random", "threshold", "uncertainty", "variance")
SOUND = (*STRATEGIES, "design")  # whose weights are tested
TABLES: dict[str, Callable[[int], LabelledQueries]] = {
    "llmrouter_14task": lambda seed: fetch_llmrouter_14task(random_state=seed),
    "wmt_mt": lambda seed: fetch_wmt_mt(("Claude-3.5", "Llama3-70B"), judge="judge_chrf"),
    "judged_queries": lambda seed: make_judged_queries(
        3000, 20, gold_share=1.0, pairing=1.0, random_state=seed
    ),
}

# Strong models, and others that are better on some queries.
PAIRS: dict[str, tuple[Any, ...]] = {
    "llmrouter_14task": (
        fetch_llmrouter_14task_matrix,
        ("llama-3.3-nemotron-super-49b-v1", "llama-3.1-nemotron-51b-instruct"),
        ("llama-3.1-nemotron-51b-instruct", "qwen2.5-7b-instruct"),
        ("llama-3.1-nemotron-51b-instruct", "llama-3.1-8b-instruct"),
        ("llama-3.3-nemotron-super-49b-v1", "qwen2.5-7b-instruct"),
        ("llama-3.3-nemotron-super-49b-v1", "gemma-2-9b-it"),
    ),
    "routerbench_fewshot": (
        fetch_routerbench_fewshot,
        ("gpt-4-1106-preview", "mixtral-8x7b-chat"),
        ("gpt-4-1106-preview", "gpt-3.5-turbo-1106"),
        ("gpt-4-1106-preview", "Yi-34B-Chat"),
        ("gpt-4-1106-preview", "claude-instant-v1"),
    ),
    "routellm_evals": (
        fetch_routellm_evals,
        ("gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"),
    ),
    "cascades_9model": (
        fetch_cascades_9model,
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o", "llama3.2-3b"),
        ("llama3.1-405b", "llama3.2-1b"),
    ),
}
SIZES = (20, 40, 60, 80, 100, 150, 200)
AT = 100


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


def design_pools() -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield names, features and gold gains of all queries."""
    judged = make_judged_queries(4000, 20, gold_share=1.0, pairing=1.0, random_state=0)
    yield "`make_judged_queries`", np.asarray(judged.X), judged.gold
    prompted = make_prompted_queries(4000, gold_share=1.0, random_state=0)
    vectors = TfidfEncoder(random_state=0).fit_transform(prompted.X)
    yield "`make_prompted_queries`", np.asarray(vectors), prompted.gold
    wmt = fetch_wmt_mt(("Claude-3.5", "Llama3-70B"), judge="judge_chrf")
    yield "WMT24: Claude-3.5, Llama3-70B", np.asarray(wmt.X), wmt.gold
    for name, (fetch, *pairs) in PAIRS.items():
        matrix = fetch()
        for pair in pairs:
            data = matrix.pair(*pair)
            yield f"{name}: {', '.join(pair)}", np.asarray(data.X), data.gold


def design_table(rounds: int) -> pd.DataFrame:
    """Labels that a design needs for the area of random labelling at 100, as a share."""
    lines = []
    rng = np.random.default_rng(0)
    draws = [rng.integers(rounds, size=rounds) for _ in range(1000)]
    at = SIZES.index(AT)
    for name, X, gold in design_pools():
        found = np.array([_design_areas(X, gold, seed) for seed in range(rounds)])
        cells = [f"{found[:, 0, at].mean():.4f}", f"{found[:, 0, -1].mean():.4f}"]
        for how in (1, 2):
            ratio = _share_needed(found[:, [0, how]].mean(axis=0))
            some = [_share_needed(found[rows][:, [0, how]].mean(axis=0)) for rows in draws]
            low, high = np.quantile(some, [0.025, 0.975])
            lead = found[:, how, at] - found[:, 0, at]
            cells += [
                f"{ratio:.2f} [{low:.2f}, {high:.2f}]",
                f"{lead.mean():+.4f} ({2 * lead.std(ddof=1) / np.sqrt(rounds):.4f})",
            ]
        lines.append((name, *cells))
        print(*lines[-1], sep=" | ", flush=True)
    columns = ["data", f"random at {AT}", f"random at {SIZES[-1]}"]
    for how in ("a quarter at random", "one at random"):
        columns += [f"design, {how}: share needed", f"{how}: lead at {AT} (2 s.e.)"]
    return pd.DataFrame(lines, columns=columns)


def _design_areas(
    X: NDArray[np.float64], gold: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Areas of random labelling and of two designs at every size, in standard deviations."""
    rng = np.random.default_rng(seed)
    pool, test = np.split(rng.permutation(len(X)), [int(0.6 * len(X))])
    values, vectors = np.linalg.eigh(np.cov(X[pool].T))
    Z = (X - X[pool].mean(axis=0)) @ vectors[:, np.argsort(-values)[:20]]
    unlabelled = LabelledQueries(Z[pool], np.full(len(pool), np.nan), np.zeros(len(pool)))
    found = np.zeros((3, len(SIZES)))
    for column, n in enumerate(SIZES):
        chosen = [rng.permutation(len(pool))[:n]]
        for floor in (0.25, 1 / n):
            suggestion = suggest_labels(
                unlabelled, None, n, strategy="design", floor=floor, random_state=rng
            )
            chosen.append(suggestion.rows)
        for row, rows in enumerate(chosen):
            model = BayesianRidge().fit(Z[pool[rows]], gold[pool[rows]])
            curve = efficiency_gain_curve(gold[test], model.predict(Z[test]))
            found[row, column] = float(curve.area) / gold.std()
    return found


def _share_needed(areas: NDArray[np.float64]) -> float:
    """Share of 100 labels at which the second curve reaches the first one's area at 100.

    Curves are made to rise; where 200 labels do not suffice the share is 2.
    """
    random, other = np.maximum.accumulate(areas, axis=1)
    target = random[SIZES.index(AT)]
    if other[-1] < target:
        return SIZES[-1] / AT
    after = int(np.argmax(other >= target))
    if after == 0:
        return SIZES[0] / AT
    around = slice(after - 1, after + 1)
    return float(np.interp(target, other[around], SIZES[around])) / AT


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
        for strategy in SOUND:
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


PARTS: dict[str, Callable[[int], pd.DataFrame]] = {
    "level": level_table,
    "bands": band_table,
    "design": design_table,
    "areas": area_table,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/labelling"))
    options = parser.parse_args(arguments)
    size = {"areas": options.rounds, "design": options.rounds}
    for part in options.parts:
        text = markdown_table(PARTS[part](size.get(part, options.repetitions)))
        write_text(options.out / f"{part}.md", text + "\n")
        print(text, flush=True)


if __name__ == "__main__":
    main()
