"""How far the bias of a judge depends on the query: HealthBench's categories beside the generator.

    python -m paper_figures.healthbench_judge --out DIR

For 34 categories of criteria, healthbench_judge_published.csv holds the share that physicians and
two LLM judges hold met (29,511 criteria of HealthBench's meta-evaluation; from
github.com/cimo-labs/healthbench-judge-audit, results, MIT licence). With p and j the two shares of
a category, Delta = p - j is the bias to be added to the judge's label, psi = p, eta = j. Three
moments over categories, weighted by criteria, have no unit and so can be asked of the generator's
queries too: the standard deviation of Delta in that of a label, the correlation of Delta with psi,
and the share of the variance of the judge's labels that lies between categories. The first two fix
the judge "by_category" of `make_healthbench_like`; the third, and the judge "assumed", are for
comparison. DIR/figure_s2.png is the counterpart of figure S2 of Meta-Router: the differences of
gold and preference label of all simulated queries, with gold labels brought to the variance of the
preference labels.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metarouter.datasets import make_healthbench_like
from metarouter.inference import mean_shift_test
from metarouter.utils.files import atomic_path, write_text

PUBLISHED = Path(__file__).with_name("healthbench_judge_published.csv")


class Moments(NamedTuple):
    """Moments of a judge's bias that have no unit."""

    mean: float  # of Delta, in standard deviations of a gold label
    spread: float  # standard deviation of Delta, likewise
    correlation: float  # of Delta with psi
    predictable: float  # share of the variance of the judge's labels that the query decides


def published_shares() -> pd.DataFrame:
    """Return the table: judge, category, n, physician_met, judge_met, accuracy."""
    return pd.read_csv(PUBLISHED)


def judge_moments(shares: pd.DataFrame) -> Moments:
    """Return the moments of one judge over its categories.

    The sampling variance of a share, some 1e-4, is taken out of the variance of Delta.
    """
    weight = (shares["n"] / shares["n"].sum()).to_numpy()
    psi, eta = shares["physician_met"].to_numpy(), shares["judge_met"].to_numpy()
    delta = psi - eta
    disagreement = 1 - shares["accuracy"].to_numpy() - delta**2
    noise = weight @ (disagreement / shares["n"].to_numpy())
    label = np.sqrt(_binary_variance(weight @ psi))
    return Moments(
        mean=float(weight @ delta / label),
        spread=float(np.sqrt(_variance(delta, weight) - noise) / label),
        correlation=_correlation(delta, psi, weight),
        predictable=float(_variance(eta, weight) / _binary_variance(weight @ eta)),
    )


def generator_moments(judge: Any, n_queries: int = 200_000) -> Moments:
    """Return the same moments of the generator's judge, over queries."""
    data = make_healthbench_like(n_queries, 64, judge=judge, random_state=0)
    if data.truth is None:
        raise RuntimeError("the generator gives no truth")
    weight = np.full(n_queries, 1 / n_queries)
    label = float(np.std(data.gold) * data.truth.gold_scale)
    delta = data.truth.delta
    return Moments(
        mean=float(weight @ delta / label),
        spread=float(np.sqrt(_variance(delta, weight)) / label),
        correlation=_correlation(delta, data.truth.psi, weight),
        predictable=float(_variance(data.truth.eta, weight) / np.var(data.preference)),
    )


def to_markdown(rows: dict[str, Moments]) -> str:
    """Return the moments as a table in Markdown."""
    lines = [
        "| | mean of Delta / sd of a label | sd of Delta / sd of a label | correlation of Delta "
        "and psi | share of the votes' variance that the query decides |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, found in rows.items():
        cells = " | ".join(f"{value:.2f}" for value in found)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/healthbench_judge"))
    options = parser.parse_args(arguments)
    rows = {
        f"{judge}, 34 categories": judge_moments(shares)
        for judge, shares in published_shares().groupby("judge")
    }
    rows |= {
        f'generator, judge="{judge}"': generator_moments(judge)
        for judge in ("by_category", "assumed")
    }
    write_text(options.out / "healthbench_judge.md", to_markdown(rows))
    print(to_markdown(rows))
    draw_differences(options.out / "figure_s2.png")


def draw_differences(path: Path) -> None:
    """Draw the differences of the two labels of every simulated query (figure S2)."""
    queries = make_healthbench_like(random_state=0)
    ax = mean_shift_test(queries, method="paired", scaling="variance").plot()
    with atomic_path(path) as unfinished:
        ax.figure.savefig(unfinished, dpi=110, bbox_inches="tight", format="png")


def _binary_variance(share: float) -> float:
    return float(share * (1 - share))


def _variance(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    return float(weight @ (values - weight @ values) ** 2)


def _correlation(
    first: NDArray[np.float64], second: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    product = (first - weight @ first) * (second - weight @ second)
    return float(weight @ product / np.sqrt(_variance(first, weight) * _variance(second, weight)))


if __name__ == "__main__":
    main()
