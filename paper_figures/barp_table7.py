"""BaRP's table 7 (classical bandits at balanced weights) beside the same routers on our data.

    METAROUTER_DATA_HOME=... python -m paper_figures.barp_table7 --out DIR

The published figures are averages over GSM8K, MMLU, ARC-C, Winogrande and NQ with zero-shot
prompts; the data here hold ARC-C and Winogrande with few-shot prompts. The paper does not state its
cost cap, its exploration settings, or any standard error. The rows are put side by side to be read,
not to be compared digit by digit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from metarouter._files import write_text
from metarouter.reporting import markdown_table

# Learning to Route LLMs from Bandit Feedback (arXiv:2510.07429), table 7: score, US dollars.
PUBLISHED = {
    "lints": ("LinTS", 0.6430, 0.00046),
    "linucb": ("LinUCB", 0.6166, 0.00044),
    "epsilon_greedy": ("ε-greedy", 0.6556, 0.00056),
    "reinforce": ("REINFORCE (BaRP)", 0.7432, 0.00070),
}
OURS_ALONE = {
    "full_information": "ridge on all outcomes",
    "best_constant": "best constant model",
    "oracle": "oracle",
}


def run_study(folder: Path, seeds: int) -> pd.DataFrame:
    """Run the study and return its balanced rows over all tasks learned from."""
    command = [sys.executable, "-m", "bandits", "study", "--dataset", "routerbench_fewshot"]
    routers = [
        word for name in ("lints", "linucb", "epsilon_greedy") for word in ("--router", name)
    ]
    subprocess.run([*command, *routers, "--seeds", str(seeds), "--out", str(folder)], check=True)
    table = pd.read_csv(folder / "table_with_errors.csv")
    here = (table.split == "in_distribution") & (table.task == "all") & (table.w_cost == 0.5)
    return table[here].set_index("router")


def side_by_side(ours: pd.DataFrame) -> pd.DataFrame:
    """Put published and own rows side by side; costs in US dollars per 1000 queries."""
    published = pd.DataFrame.from_dict(
        PUBLISHED, orient="index", columns=["router", "score, published", "cost, published"]
    )
    here = pd.DataFrame(
        {
            "score, here": with_error(ours.score, ours.se_score),
            "cost, here": with_error(1000 * ours.cost, 1000 * ours.se_cost),
        },
        index=ours.index,
    )
    wanted = [*PUBLISHED, *OURS_ALONE]
    both = published.join(here, how="outer").loc[wanted]
    both["router"] = both["router"].fillna(pd.Series(OURS_ALONE))
    both["cost, published"] *= 1000
    return both.fillna({"score, here": "–", "cost, here": "–"})


def with_error(value: pd.Series, se: pd.Series) -> list[str]:
    return [f"{v:.4f} ({e:.4f})" for v, e in zip(value, se, strict=True)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/barp_table7"))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(arguments)
    table = side_by_side(run_study(options.out / "study", options.seeds))
    write_text(options.out / "barp_table7.md", markdown_table(table) + "\n")
    print(markdown_table(table))


if __name__ == "__main__":
    main()
