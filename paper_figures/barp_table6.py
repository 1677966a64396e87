"""BaRP's table 6: the decision head, linear, bilinear or a perceptron.

    METAROUTER_DATA_HOME=... python -m paper_figures.barp_table6 --out DIR

Cells are "published / here (standard error)"; see `barp_tables_2_to_4` for what sets them apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text
from paper_figures._barp_cells import score_and_cost
from paper_figures._barp_published import HEADS
from paper_figures._barp_rows import tested_queries
from paper_figures._barp_study import BALANCED, DATASETS, NAMES, add_options, barp, barp_heads, play

ROWS = {
    **{name: f"{NAMES[name]}, REINFORCE" for name in HEADS},
    "barp": "trade-off head, doubly robust (our settings)",
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, "barp_table6")
    options = parser.parse_args(arguments)
    routers = {**barp_heads(), "barp": barp()}
    sections = []
    for dataset in options.only:
        result = play(dataset, routers, options)
        queries = tested_queries(result, BALANCED, "in_distribution")
        table = score_and_cost(queries, result.cost_cap, ROWS, HEADS, "barp_mlp")
        sections += [f"## {DATASETS[dataset]}", markdown_table(table)]
    text = "\n\n".join(sections) + "\n"
    write_text(options.out / "barp_table6.md", text)
    print(text)


if __name__ == "__main__":
    main()
