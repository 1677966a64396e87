"""BaRP's table 5: the frozen encoder of the prompts.

    METAROUTER_DATA_HOME=... python -m paper_figures.barp_table5 --out DIR

Of the published encoders MiniLM alone is at hand: its embeddings come with the data. Beside it
stand word weights reduced by a singular value decomposition, fitted on the training texts of each
seed. No package was found that brings the weights of BERT-base or E5-large-v2.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from bandits.evaluation import study_table
from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text
from paper_figures._barp_cells import score_and_cost
from paper_figures._barp_encoders import NumberedTexts, lsa
from paper_figures._barp_published import ENCODERS
from paper_figures._barp_rows import tested_queries
from paper_figures._barp_study import BALANCED, DATASETS, add_options, barp, play

PUBLISHED = {"minilm": ENCODERS["MiniLM-L6-v2"]}
NAMES = {"minilm": "MiniLM-L6-v2", "lsa": "TF-IDF + SVD"}


def table_of(dataset: str, options: argparse.Namespace) -> pd.DataFrame:
    """Train BaRP on every encoder's features, on the same splits."""
    texts = list(map(str, study_table(dataset, options.data_home).matrix.text))
    numbers = np.arange(len(texts), dtype=float)[:, None]
    on_words = {"barp": NumberedTexts(barp(), lsa(), texts)}
    results = {
        "minilm": play(dataset, {"barp": barp()}, options),
        "lsa": play(dataset, on_words, options, numbers),
    }
    found = {k: tested_queries(r, BALANCED, "in_distribution") for k, r in results.items()}
    queries = replace(found["minilm"], arms={k: q.arms["barp"] for k, q in found.items()})
    return score_and_cost(queries, results["minilm"].cost_cap, NAMES, PUBLISHED, "minilm")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, "barp_table5")
    options = parser.parse_args(arguments)
    sections = []
    for dataset in options.only:
        sections += [f"## {DATASETS[dataset]}", markdown_table(table_of(dataset, options))]
    text = "\n\n".join(sections) + "\n"
    write_text(options.out / "barp_table5.md", text)
    print(text)


if __name__ == "__main__":
    main()
