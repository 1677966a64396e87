"""A domain that no label was collected in (Meta-Router, A.1 and A.4), on published tables.

    METAROUTER_DATA_HOME=... python -m paper_figures.new_domains --out DIR

Each domain in turn is left out of training. Half of its queries are for testing; from the other
half 0, 20, 50 or 100 get gold labels. The value of a router is the gold quality gained over the
alternative, less 0.1 or 0.5 standard deviations of the gold gain for every call of the primary. One
fallback looks at distances, another at the domain as well, of which it wants 50 labelled queries,
and a third wants evidence that routing pays there. A label costs as much as ten calls of the
primary, which are spread over a thousand queries of the domain.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import BayesianRidge

from metarouter import DomainMetaRouter, MetaRouter, ThresholdRouter
from metarouter.datasets import LabelledQueries, fetch_routerbench_fewshot, fetch_wmt_mt
from metarouter.routing import FallbackRouter
from metarouter.utils.files import write_text
from metarouter.utils.markdown import markdown_table

# Demanded of a call of the primary. On RouterBench 0.1 calls it always: 0.5 leaves a choice.
PRICES = {"wmt_mt": (0.1,), "routerbench_fewshot": (0.5, 0.1)}
CALLS_PER_LABEL, TRAFFIC = 10, 1000
BY_DISTANCE, BY_DOMAIN = "fallback by distance", "fallback by distance and domain"
BY_EVIDENCE = "fallback by evidence"
ROUTERS = ("router", BY_DISTANCE, BY_DOMAIN, BY_EVIDENCE, "domains by evidence")
TABLES: dict[str, Callable[[], LabelledQueries]] = {
    "routerbench_fewshot": lambda: fetch_routerbench_fewshot().pair(
        "gpt-4-1106-preview", "mixtral-8x7b-chat"
    ),
    "wmt_mt": lambda: fetch_wmt_mt(("Claude-3.5", "Llama3-70B"), judge="judge_chrf"),
}


def leads(
    data: LabelledQueries, domain: object, seed: int, w: float, routers: Sequence[str]
) -> pd.DataFrame:
    """Return what every router gains over always calling the primary, on each test query."""
    rng = np.random.default_rng(seed)
    gold = data.gold / data.gold.std()
    inside = np.flatnonzero(np.asarray(data.domain) == domain)
    outside = np.flatnonzero(np.asarray(data.domain) != domain)
    inside = rng.permutation(inside)
    half = len(inside) // 2
    test, pool = inside[:half], inside[half:]
    parts = []
    for n in (0, 20, 50, 100):
        if n > len(pool):
            continue
        train = np.concatenate([outside, pool[:n]])
        X = np.asarray(data.X, dtype=np.float64)
        Z = X @ np.linalg.eigh(np.cov(X[train].T))[1][:, :-21:-1]
        code = np.unique(np.asarray(data.domain, dtype=str), return_inverse=True)[1]
        Z = np.column_stack([Z, code.astype(float)])
        pooled = threshold_router("pooled", w).fit(Z[train], gold[train])
        by_distance = FallbackRouter(pooled, level=0.05, domain=-1, min_labels=1)
        by_domain = FallbackRouter(pooled, level=0.05, domain=-1)
        fallbacks = {BY_DISTANCE: by_distance.fit(Z[train]), BY_DOMAIN: by_domain.fit(Z[train])}
        by_evidence = FallbackRouter(pooled, 0.05, domain=-1, min_labels=20, cv=5, random_state=0)
        groups = None if data.groups is None else np.asarray(data.groups)[train]
        fallbacks[BY_EVIDENCE] = by_evidence.fit(Z[train], gold[train], groups=groups)
        # A domain without labels is met by its distance alone.
        by_distance.domains_ = np.unique(code).astype(float)
        to_primary = {
            "router": pooled.predict(Z[test]) == "primary",
            **{name: each.predict(Z[test]) == "primary" for name, each in fallbacks.items()},
        }
        lead = {name: np.where(chosen, 0.0, w - gold[test]) for name, chosen in to_primary.items()}
        unlike = float(by_distance.needs_label(Z[test]).mean())
        admitted = float(code[inside[0]] in by_evidence.domains_)
        about = {"domain": domain, "labels": n, "query": test}
        parts.append(pd.DataFrame({**about, **lead, "unlike": unlike, "admitted": admitted}))
    return pd.concat(parts)


def threshold_router(method: str, w: float) -> ThresholdRouter:
    model = DomainMetaRouter(MetaRouter(regressor=BayesianRidge()), method=method, random_state=0)
    return ThresholdRouter(model, w=w)


def table(name: str, w: float, seeds: int, routers: Sequence[str]) -> pd.DataFrame:
    data = TABLES[name]()
    counts = pd.Series(np.asarray(data.domain)).value_counts()
    domains = sorted(counts[counts >= 100].index)
    frame = pd.concat([leads(data, d, seed, w, routers) for seed in range(seeds) for d in domains])
    # One number per query, whatever the number of seeds in which it was for testing.
    queries = frame.groupby(["labels", "domain", "query"]).mean()
    by_domain = queries.groupby(["labels", "domain"])
    mean, error = by_domain.mean(), by_domain.sem()
    lines = []
    for n, part in mean.groupby("labels"):
        worst = [(router, part[router].idxmin()) for router in routers]
        lines.append(
            (
                name,
                w,
                n,
                len(part),
                f"{n * CALLS_PER_LABEL * w / TRAFFIC:.3f}",
                f"{part.unlike.mean():.2f}",
                f"{part.admitted.mean():.2f}",
                *(
                    f"{part[router].mean():+.3f} ({2 * part[router].sem():.3f})"
                    for router in routers
                ),
                *(
                    f"{mean.loc[place, router]:+.3f} ({2 * error.loc[place, router]:.3f})"
                    for router, place in worst
                ),
            )
        )
    return pd.DataFrame(
        lines,
        columns=[
            "data",
            "price of a call",
            "labels in the domain",
            "domains",
            "cost of the labels per query",
            "share unlike",
            "share admitted by evidence",
            *(f"{router} minus always primary (2 s.e.)" for router in routers),
            *(f"worst domain, {router} (2 s.e.)" for router in routers),
        ],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/new_domains"))
    parser.add_argument(
        "--quick", action="store_true", help="leave DomainMetaRouter out, which takes the longest"
    )
    options = parser.parse_args(arguments)
    routers = ROUTERS[:-1] if options.quick else ROUTERS
    parts = []
    for name, prices in PRICES.items():
        for w in prices:
            parts.append(table(name, w, options.seeds, routers))
            print(markdown_table(parts[-1]), flush=True)
    write_text(options.out / "new_domains.md", markdown_table(pd.concat(parts)) + "\n")


if __name__ == "__main__":
    main()
