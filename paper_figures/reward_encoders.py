"""Encoders of pairs (table 2): smaller, larger and fine-tuned, on published verdicts.

    METAROUTER_DATA_HOME=... python -m paper_figures --only reward_encoders --out DIR

The published tables hold prompts but no answers, so that the encoders see prompts alone. The paper
compares encoders of half a billion parameters and more; here the larger one is all-MiniLM-L6-v2
(22 million) and the smaller one its first three layers. Five folds, pairs of one prompt in one
fold; the encoder is tuned on the training folds only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from bandits.reward_models import OfflineRewardRouter, PairEncoder, RewardVerdicts
from metarouter.datasets import data_home
from metarouter.encoding import TfidfEncoder
from metarouter.evaluation import clustered_means
from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text
from metarouter.utils.groups import group_codes
from paper_figures.reward_verdicts import read_judgebench, read_llmbar

READERS = {"judgebench": read_judgebench, "llmbar": read_llmbar}
MAX_LENGTH = 128  # word pieces
REFERENCE = "MiniLM, 6 layers, frozen"
ENCODERS: dict[str, dict[str, Any] | None] = {
    "TF-IDF": None,
    "MiniLM, 3 layers, frozen": {"epochs": 0, "n_layers": 3},
    REFERENCE: {"epochs": 0},
    "MiniLM, 6 layers, fine-tuned": {"epochs": 1},
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/reward_encoders"))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rows", type=int, help="pairs of every table, for a quick look")
    options = parser.parse_args(arguments)
    sections = ["# Encoders of the offline router"]
    for name, read in READERS.items():
        verdicts = read(data_home() / name).verdicts
        if options.rows is not None:
            verdicts = verdicts.take(np.arange(min(options.rows, len(verdicts))))
        table = compared(verdicts, options.folds)
        sections += [f"## {name}: {len(verdicts)} pairs", markdown_table(table, decimals=3)]
        write_text(options.out / "reward_encoders.md", "\n\n".join(sections) + "\n")
    print("\n\n".join(sections))


def compared(verdicts: RewardVerdicts, n_folds: int) -> pd.DataFrame:
    """Return accuracy of the routed judge by encoder, and the difference to the frozen one."""
    groups = group_codes(np.asarray(verdicts.groups))
    prompts = np.asarray(verdicts.groups).astype(str)
    texts = np.column_stack([prompts, np.full((len(prompts), 2), "", dtype=object)])
    got = {name: np.empty(len(prompts)) for name in (*ENCODERS, "best single judge")}
    epochs: dict[str, list[int]] = {name: [] for name in ENCODERS}
    for train, test in GroupKFold(n_folds, shuffle=True, random_state=0).split(
        texts, groups=groups
    ):
        learned, fresh = verdicts.take(train), verdicts.take(test)
        known, credit = (np.nan_to_num(part.credit, nan=0.5) for part in (learned, fresh))
        got["best single judge"][test] = credit[:, known.mean(axis=0).argmax()]
        for name, settings in ENCODERS.items():
            encode = encoder(settings, prompts[train], texts[train], learned.correct)
            router = OfflineRewardRouter(8, weight_decay=0.1, random_state=0, device="cpu")
            router.fit(encode(train, prompts, texts), learned.correct, groups=groups[train])
            chosen = router.predict(encode(test, prompts, texts))
            got[name][test] = credit[np.arange(len(test)), chosen]
            epochs[name].append(router.n_epochs_)
    values = np.column_stack(list(got.values()))
    means = clustered_means(values, groups)
    gaps = clustered_means(values - got[REFERENCE][:, None], groups)
    low, high = gaps.interval()
    return pd.DataFrame(
        {
            "encoder": list(got),
            "accuracy": means.value,
            "s.e.": means.se,
            "minus frozen MiniLM": gaps.value,
            "95% interval": [f"[{a:+.3f}, {b:+.3f}]" for a, b in zip(low, high, strict=True)],
            "folds with epoch 0": [
                "" if name not in epochs else f"{sum(e == 0 for e in epochs[name])} of {n_folds}"
                for name in got
            ],
        }
    )


def encoder(
    settings: dict[str, Any] | None, prompts: Any, texts: Any, correct: Any
) -> Callable[[Any, Any, Any], Any]:
    """Fit an encoder on training rows; return what encodes some rows of all."""
    if settings is None:
        plain = TfidfEncoder(random_state=0).fit(prompts.tolist())
        return lambda rows, prompts, texts: plain.transform(prompts[rows].tolist())
    pair = PairEncoder(max_length=MAX_LENGTH, device="cpu", random_state=0, **settings)
    pair.fit(texts, correct)
    return lambda rows, prompts, texts: pair.transform(texts[rows])


if __name__ == "__main__":
    main()
