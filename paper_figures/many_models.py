"""Many models (Meta-Router, A.2) on published tables, with a simulated biased judge.

    METAROUTER_DATA_HOME=... python -m paper_figures.many_models --out DIR

Each split draws test queries, and from the others 500 gold and 5,000 preference comparisons. All
routers see the same comparisons and the same 20 principal components of the embeddings, and are
judged by the area below their cost-quality curve on the same test queries. Rows of finished splits
are kept in ``DIR`` and not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeCV

from metarouter import (
    ConstantShift,
    DRLearner,
    MetaRouter,
    MultiModelMetaRouter,
    ZeroShift,
)
from metarouter.datasets import (
    ModelMatrix,
    PairedComparisons,
    fetch_cascades_9model,
    fetch_llmrouter_14task_matrix,
    fetch_routerbench_fewshot,
    simulate_comparisons,
)
from metarouter.evaluation import cost_quality_curve
from metarouter.exceptions import MetaRouterError
from metarouter.utils.files import write_text
from metarouter.utils.markdown import markdown_table

FloatArray = NDArray[np.float64]

N_GOLD, N_PREFERENCE, N_TEST = 500, 5000, 1000
N_COMPONENTS = 20
LONGEST_WAIT = 10.0  # seconds: a stalled call of a minute and a half would set the scale alone
DIAL = np.concatenate([[0.0], np.geomspace(1e-3, 10, 24), [1e6]])
REFERENCE = "scores"
PENALTIES = np.logspace(-2, 4, 13)

# US dollars per million tokens, as the card of the data set gives them.
PRICES = {
    "codegemma-7b": 0.2,
    "gemma-2-9b-it": 0.1,
    "llama-3.1-8b-instruct": 0.2,
    "llama-3.1-nemotron-51b-instruct": 0.9,
    "llama-3.3-nemotron-super-49b-v1": 0.9,
    "llama3-chatqa-1.5-70b": 0.9,
    "llama3-chatqa-1.5-8b": 0.2,
    "mistral-7b-instruct-v0.3": 0.2,
    "qwen2.5-7b-instruct": 0.2,
}


def llmrouter() -> ModelMatrix:
    matrix = fetch_llmrouter_14task_matrix()
    price = np.array([PRICES[name] for name in matrix.models])
    return replace(matrix, cost=np.tile(price, (matrix.n_queries, 1)))


TABLES: dict[str, Callable[[], ModelMatrix]] = {
    "llmrouter_14task": llmrouter,
    "routerbench_fewshot": fetch_routerbench_fewshot,
    "cascades_9model": fetch_cascades_9model,
}


class Split(NamedTuple):
    """One draw of test queries and of comparisons of the others."""

    matrix: ModelMatrix
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    data: PairedComparisons
    features: FloatArray  # of all queries


def draw_split(matrix: ModelMatrix, seed: int) -> Split:
    """Draw test queries, with those of one wording on one side, and comparisons of the others."""
    rng = np.random.default_rng(seed)
    groups = np.arange(matrix.n_queries) if matrix.groups is None else matrix.groups
    names, code = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    place = rng.permutation(len(names))[code]
    order = np.argsort(place, kind="stable")
    n_test = min(N_TEST, matrix.n_queries // 4)
    test, train = order[:n_test], order[n_test:]
    train = train[~np.isin(place[train], place[test])]
    data = simulate_comparisons(matrix, N_GOLD, N_PREFERENCE, queries=train, random_state=seed)
    return Split(matrix, train, test, data, leading_components(matrix.X, train))


def leading_components(X: NDArray[np.floating], train: NDArray[np.intp]) -> FloatArray:
    """Project all queries on the leading components of the training queries."""
    X = np.asarray(X, dtype=np.float64) - X[train].mean(axis=0)
    projected = X @ np.linalg.eigh(np.cov(X[train].T))[1][:, : -N_COMPONENTS - 1 : -1]
    return projected / np.sqrt((projected[train] ** 2).sum(axis=1).mean())


# Routers: each gives scores of shape (n_test, n_models). -----------------------------------------


def many(split: Split, *, gold_only: bool = False, **parameters: object) -> FloatArray:
    router = MultiModelMetaRouter(random_state=0, **parameters)  # type: ignore[arg-type]
    rows = split.data.training_rows()
    X = split.features[split.data.query]
    kept = rows.is_gold if gold_only else np.ones(len(rows.y), dtype=bool)
    router.fit(
        X[kept],
        rows.pairs[kept],
        rows.y[kept],
        is_gold=None if gold_only else rows.is_gold,
        groups=rows.groups[kept],
    )
    return in_order(router, split)


def in_order(router: MultiModelMetaRouter, split: Split) -> FloatArray:
    columns = [router.models_.index(name) for name in split.matrix.models]
    return router.scores(split.features[split.test])[:, columns]


def regressor_per_model(split: Split) -> FloatArray:
    """Fit one ridge regression per model to its gold comparisons, each with whatever it met."""
    data, gold = split.data, split.data.is_gold
    scores = []
    for name in split.matrix.models:
        first, second = gold & (data.first == name), gold & (data.second == name)
        X = split.features[np.concatenate([data.query[first], data.query[second]])]
        y = np.concatenate([data.y[first], -data.y[second]])
        scores.append(RidgeCV(PENALTIES).fit(X, y).predict(split.features[split.test]))
    return np.column_stack(scores)


def pooled_bradley_terry(split: Split, *, with_features: bool) -> FloatArray:
    """Logistic regression of who won, gold and preference alike; a tie is half a win for each."""
    data, models = split.data, np.asarray(split.matrix.models)
    features = split.features
    if not with_features:
        features = features[:, :0]
    features = np.column_stack([np.ones(len(features)), features])
    contrast = (data.first[:, None] == models).astype(float) - (data.second[:, None] == models)
    design = (contrast[:, :, None] * features[data.query][:, None, :]).reshape(data.n, -1)
    win = np.concatenate([np.ones(data.n), np.zeros(data.n)])
    weight = np.concatenate([(1 + np.sign(data.y)) / 2, (1 - np.sign(data.y)) / 2])
    kept = weight > 0
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=500)
    model.fit(np.vstack([design, design])[kept], win[kept], sample_weight=weight[kept])
    return features[split.test] @ model.coef_.reshape(len(models), -1).T


def threshold_router(split: Split, *, all_on_one_pair: bool) -> FloatArray:
    """Meta-Router (DR) between the costliest of the good models and the cheapest."""
    matrix, data = split.matrix, split.data
    assert matrix.cost is not None
    primary, alternative = (
        int(gold_levels(data).argmax()),
        int(matrix.cost[split.train].mean(axis=0).argmin()),
    )
    if primary == alternative:
        primary = int(matrix.cost[split.train].mean(axis=0).argmax())
    if all_on_one_pair:
        two = replace(
            matrix,
            quality=matrix.quality[:, [primary, alternative]],
            cost=None,
            latency=None,
            models=(matrix.models[primary], matrix.models[alternative]),
        )
        data = simulate_comparisons(
            two, N_GOLD, N_PREFERENCE, queries=split.train, random_state=int(split.test[0])
        )
    names = matrix.models[primary], matrix.models[alternative]
    forward = (data.first == names[0]) & (data.second == names[1])
    backward = (data.first == names[1]) & (data.second == names[0])
    rows = forward | backward
    y = np.where(forward, data.y, -data.y)[rows]
    ridge = RidgeCV(PENALTIES)
    learner = DRLearner(ridge, "constant", ridge)
    X, is_gold = split.features[data.query[rows]], data.is_gold[rows]
    try:
        model = MetaRouter(learner, ridge, random_state=0).fit(X, y, is_gold=is_gold)
    except MetaRouterError:  # too few gold labels of this pair for folds or for a variance
        model = MetaRouter(ConstantShift(), ridge, scaling=None, random_state=0)
        model.fit(X, y, is_gold=is_gold if is_gold.any() else None)
    scores = np.full((len(split.test), len(matrix.models)), -1e3)
    scores[:, alternative] = 0.0
    scores[:, primary] = model.predict(split.features[split.test])
    return scores


def gold_levels(data: PairedComparisons) -> FloatArray:
    """Level of every model, from gold comparisons without features."""
    first, second = (
        side[data.is_gold, None] == np.asarray(data.models) for side in (data.first, data.second)
    )
    contrast = first.astype(float) - second
    return np.linalg.lstsq(contrast, data.y[data.is_gold], rcond=None)[0]


def single_models(split: Split) -> FloatArray:
    """Give every query the models' gold levels: no routing."""
    return np.tile(gold_levels(split.data), (len(split.test), 1))


ROUTERS: dict[str, Callable[[Split], FloatArray]] = {
    "scores": lambda s: many(s),
    "bradley_terry": lambda s: many(s, structure="bradley_terry"),
    "low_rank": lambda s: many(s, structure="low_rank"),
    "scores, gold only": lambda s: many(s, gold_only=True),
    "scores, pooled": lambda s: many(s, shift=ZeroShift()),
    "regressor per model, gold only": regressor_per_model,
    "pooled Bradley-Terry with features": lambda s: pooled_bradley_terry(s, with_features=True),
    "pooled Bradley-Terry": lambda s: pooled_bradley_terry(s, with_features=False),
    "threshold router of one pair": lambda s: threshold_router(s, all_on_one_pair=False),
    "threshold router, all labels on its pair": lambda s: threshold_router(s, all_on_one_pair=True),
    "no routing": single_models,
}


# What is measured -----------------------------------------------------------------------------


def area(split: Split, scores: FloatArray, charges: FloatArray | None = None) -> float:
    """AIQ over the dial, from the least to the largest mean charge of a model: of cost, by default.

    What a call will be charged is not known beforehand: the dial weighs the training queries' mean.
    """
    charges = split.matrix.cost if charges is None else charges
    assert charges is not None
    cost, quality = charges[split.test], split.matrix.quality[split.test]
    expected = charges[split.train].mean(axis=0)
    unit = expected.max()
    chosen = np.array([(scores - w * expected / unit).argmax(axis=1) for w in DIAL])
    rows = np.arange(len(split.test))
    means = cost.mean(axis=0)
    curve = cost_quality_curve(
        np.column_stack([cost[rows, choice] for choice in chosen]),
        np.column_stack([quality[rows, choice] for choice in chosen]),
        cost_range=(float(means.min()), float(means.max())),
    )
    return float(curve.aiq.value[0])


def gain_error(split: Split, scores: FloatArray) -> float:
    """Mean squared error of the gains of all pairs, of realised qualities."""
    quality = split.matrix.quality[split.test]
    centred = (scores - scores.mean(axis=1, keepdims=True)) - (
        quality - quality.mean(axis=1, keepdims=True)
    )
    return float(2 * (centred**2).sum(axis=1).mean() / (scores.shape[1] - 1))


def never_compared(split: Split) -> dict[str, float]:
    """Error of the gains of pairs that no comparison took, with a fifth of the pairs left out."""
    seed = int(split.test[0])
    data = simulate_comparisons(
        split.matrix,
        N_GOLD,
        N_PREFERENCE,
        queries=split.train,
        never_compared=0.2,
        random_state=seed,
    )
    gap = split._replace(data=data)
    met = {frozenset(pair) for pair in zip(data.first, data.second, strict=True)}
    names = split.matrix.models
    absent = [
        (k, m)
        for k in range(len(names))
        for m in range(k + 1, len(names))
        if frozenset((names[k], names[m])) not in met
    ]
    quality = split.matrix.quality[split.test]

    def error(scores: FloatArray) -> float:
        gains = [scores[:, k] - scores[:, m] - (quality[:, k] - quality[:, m]) for k, m in absent]
        return float(np.mean(np.square(gains)))

    with_gap = many(gap)
    return {
        "error of absent pairs, absent": error(with_gap),
        "error of absent pairs, compared": error(many(split)),
        "error of absent pairs, no features": error(single_models(split)),
        "area, a fifth of the pairs absent": area(split, with_gap),
    }


def newcomer(split: Split, seed: int) -> dict[str, float]:
    """Leave one model out, add it with 30 gold comparisons, or fit all anew with all of its own."""
    names = split.matrix.models
    new = names[seed % len(names)]
    rows, X = split.data.training_rows(), split.features[split.data.query]
    of_new = (rows.pairs == new).any(axis=1)
    router = MultiModelMetaRouter(random_state=0)
    router.fit(X[~of_new], rows.pairs[~of_new], rows.y[~of_new], is_gold=rows.is_gold[~of_new])
    test = split.features[split.test]
    others = [name for name in names if name != new]
    quality = split.matrix.quality[split.test]
    truth = quality[:, [names.index(new)]] - quality[:, [names.index(name) for name in others]]
    known = router.scores(test)[:, [router.models_.index(name) for name in others]]
    found = {"average of the others": -known}
    handful = np.flatnonzero(of_new & rows.is_gold)[:30]
    router.add_model(new, X[handful], rows.pairs[handful], rows.y[handful])
    found["added with 30"] = np.column_stack(
        [router.predict_gain(test, new, name) for name in others]
    )
    full = many(split)
    found["fitted with all of its own"] = (
        full[:, [names.index(new)]] - full[:, [names.index(name) for name in others]]
    )
    return {f"newcomer, {how}": float(np.mean((g - truth) ** 2)) for how, g in found.items()}


def study(name: str, splits: int, folder: Path) -> pd.DataFrame:
    matrix = TABLES[name]()
    parts = []
    for seed in range(splits):
        path = folder / f"{name}_{seed}.csv"
        if not path.exists():
            split = draw_split(matrix, seed)
            rows = []
            for router, scores_of in ROUTERS.items():
                scores = scores_of(split)
                rows.append((name, seed, router, "area", area(split, scores)))
                if matrix.latency is not None:
                    waits = np.minimum(matrix.latency, LONGEST_WAIT)
                    rows.append((name, seed, router, "area, latency", area(split, scores, waits)))
                if not router.startswith(("threshold", "pooled Bradley", "regressor")):
                    rows.append((name, seed, router, "error", gain_error(split, scores)))
            rows += [(name, seed, "scores", *item) for item in never_compared(split).items()]
            rows += [(name, seed, "scores", *item) for item in newcomer(split, seed).items()]
            rows.append((name, seed, "", "n_train", float(len(split.train))))
            rows.append((name, seed, "", "n_test", float(len(split.test))))
            columns = ["data", "split", "router", "quantity", "value"]
            write_text(path, pd.DataFrame(rows, columns=columns).to_csv(index=False))
        parts.append(pd.read_csv(path, keep_default_na=False))
    return pd.concat(parts)


def paired(values: pd.DataFrame, reference: pd.Series, ratio: float) -> pd.DataFrame:
    """Means and paired differences, with intervals corrected for splits that share queries."""
    from scipy.stats import t

    rows = []
    for router in values.columns:
        lead = (reference - values[router]).to_numpy()
        half = t.ppf(0.975, len(lead) - 1) * np.sqrt((1 / len(lead) + ratio) * lead.var(ddof=1))
        plain = t.ppf(0.975, len(lead) - 1) * np.sqrt(lead.var(ddof=1) / len(lead))
        own = router == reference.name
        rows.append(
            (
                router,
                f"{values[router].mean():.4f}",
                "" if own else f"{lead.mean():+.4f}",
                "" if own else f"[{lead.mean() - plain:+.4f}, {lead.mean() + plain:+.4f}]",
                "" if own else f"[{lead.mean() - half:+.4f}, {lead.mean() + half:+.4f}]",
            )
        )
    columns = ["router", "mean", "lead of scores", "95%, these queries", "95%, corrected"]
    return pd.DataFrame(rows, columns=columns)


def _latency_section(wide: pd.DataFrame, ratio: float) -> list[str]:
    if "area, latency" not in wide or wide["area, latency"].isna().all(axis=None):
        return []
    areas = wide["area, latency"][list(ROUTERS)]
    title = "The same, with seconds of latency in the place of cost:"
    return [title, markdown_table(paired(areas, areas[REFERENCE], ratio))]


def report(result: pd.DataFrame) -> str:
    sections = []
    for name, part in result.groupby("data", sort=False):
        wide = part.pivot_table(index="split", columns=["quantity", "router"], values="value")
        n_test, n_train = (float(np.mean(wide[name])) for name in ("n_test", "n_train"))
        ratio = n_test / n_train
        areas = wide["area"][list(ROUTERS)]
        errors = wide["error"]
        errors = errors[[router for router in ROUTERS if router in errors]]
        others = part[
            (part.router == "scores") & ~part.quantity.isin(["area", "area, latency", "error"])
        ]
        more = others.groupby("quantity", sort=False).value.agg(["mean", "sem"]).reset_index()
        sections += [
            f"## {name}: {len(areas)} splits, {N_GOLD} gold and {N_PREFERENCE} preference "
            "comparisons",
            "Area below the cost-quality curve (AIQ):",
            markdown_table(paired(areas, areas[REFERENCE], ratio)),
            *_latency_section(wide, ratio),
            "Mean squared error of the gains of all pairs (a lead below 0 is a smaller error):",
            markdown_table(paired(errors, errors[REFERENCE], ratio)),
            "Pairs that were never compared, and a model added with 30 gold comparisons (mean "
            "squared errors of gains; mean and standard error over splits):",
            markdown_table(more),
        ]
    return "\n\n".join(sections) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/many_models"))
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    options = parser.parse_args(arguments)
    results = [study(name, options.splits, options.out) for name in options.only]
    text = report(pd.concat(results))
    write_text(options.out / "many_models.md", text)
    print(text)


if __name__ == "__main__":
    main()
