"""BaRP's table 7: policy gradients beside classical bandits, at balanced weights.

    METAROUTER_DATA_HOME=... python -m paper_figures.barp_table7 --out DIR

Cells are "published / here (standard error)". The published figures are averages over GSM8K, MMLU,
ARC-C, Winogrande and NQ with zero-shot prompts. The paper does not state its cost cap, its
exploration settings, or any standard error. The rows are put side by side to be read, not to be
compared digit by digit.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text
from paper_figures._barp_cells import score_and_cost
from paper_figures._barp_published import LEARNERS
from paper_figures._barp_rows import tested_queries
from paper_figures._barp_study import (
    BALANCED,
    DATASETS,
    NAMES,
    add_options,
    bandits,
    barp,
    barp_full,
    barp_published,
    play,
)

OURS_ALONE = ("barp", "barp_full", "full_information", "best_constant", "oracle")
ROWS = {name: NAMES[name] for name in (*LEARNERS, *OURS_ALONE)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, "barp_table7")
    options = parser.parse_args(arguments)
    sections = []
    for dataset in options.only:
        ours = {"barp_published": barp_published(), "barp": barp(), "barp_full": barp_full()}
        result = play(dataset, {**bandits(), **ours}, options)
        queries = tested_queries(result, BALANCED, "in_distribution")
        table = score_and_cost(queries, result.cost_cap, ROWS, LEARNERS, "barp")
        sections += [f"## {DATASETS[dataset]}", markdown_table(table)]
    text = "\n\n".join(sections) + "\n"
    write_text(options.out / "barp_table7.md", text)
    print(text)


if __name__ == "__main__":
    main()
