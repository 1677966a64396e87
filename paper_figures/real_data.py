"""The seven routers on published data, and where the meta-routers win and lose.

    METAROUTER_DATA_HOME=... python -m paper_figures.real_data --out DIR

Each study is one ``metarouter study`` command, which leaves its own report in a folder of ``DIR``
and goes on where it was interrupted; ``DIR/real_data.md`` puts their tables side by side.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from metarouter.utils.files import write_text
from metarouter.utils.style import ROUTER_ORDER, router_label

# folder: (title, options of `metarouter study`)
STUDIES = {
    "xstest_gpt4": (
        "XSTest: llama2orig over mistralinstruct, GPT-4 as judge",
        "--dataset xstest --pair llama2orig mistralinstruct --judge judge_gpt4 --n-gold 50 "
        "--n-gold 100 --n-gold 150 --rounds 50 --pca 20",
    ),
    "evouna_lexical": (
        "EVOUNA: ChatGPT-4 over DPR+FiD, lexical match as judge (almost unbiased)",
        "--dataset evouna --pair ChatGPT-4 DPR+FiD --judge judge_lexical --n-gold 100 "
        "--n-gold 500 --rounds 30 --pca 50",
    ),
    "evouna_f1": (
        "EVOUNA: ChatGPT-4 over DPR+FiD, token F1 as judge (turns the sign of the mean gain)",
        "--dataset evouna --pair ChatGPT-4 DPR+FiD --judge judge_f1 --n-gold 100 --n-gold 500 "
        "--rounds 30 --pca 50",
    ),
    "llmrouter": (
        "LLMRouter, 14 tasks: nemotron-51b over llama-3.1-8b, simulated judge",
        "--dataset llmrouter_14task --n-gold 100 --n-gold 500 --rounds 30 --pca 50",
    ),
    "wmt_mt": (
        "WMT24: Claude-3.5 over Llama3-70B, chrF as judge",
        "--dataset wmt_mt --pair Claude-3.5 Llama3-70B --judge judge_chrf --n-gold 100 "
        "--n-gold 300 --rounds 30 --pca 30",
    ),
}


def run_study(options: str, n_jobs: int, folder: Path) -> None:
    command = [sys.executable, "-m", "metarouter", "study", *options.split()]
    subprocess.run([*command, "--n-jobs", str(n_jobs), "--out", str(folder)], check=True)


def section(title: str, options: str, folder: Path) -> str:
    """Tables of one study: areas, by group and at random, and the meta-routers' leads."""
    grouped = (folder / "areas_random_split.csv").exists()
    lines = [f"## {title}", "", f"    metarouter study {options} --out DIR", ""]
    lines += [f"Area under the efficiency gain{' (splits by group)' if grouped else ''}:", ""]
    lines += areas_table(pd.read_csv(folder / "areas_intervals.csv"))
    if grouped:
        lines += ["", "The same with random splits, which leave queries of one source on both "]
        lines[-1] += "sides:"
        lines += ["", *areas_table(pd.read_csv(folder / "areas_random_split.csv"))]
    lines += ["", "Lead of the meta-routers, paired [corrected 95% interval]:", ""]
    lines += leads_table(pd.read_csv(folder / "paired_differences.csv"))
    return "\n".join(lines)


def areas_table(areas: pd.DataFrame) -> list[str]:
    sizes = list(dict.fromkeys(areas.n_gold))
    corrected = "se_corrected" in areas
    lines = ["| router | " + " | ".join(f"{n} gold labels" for n in sizes) + " |"]
    lines.append("|---" * (len(sizes) + 1) + "|")
    for router in [name for name in ROUTER_ORDER if name in set(areas.router)]:
        rows = areas[areas.router == router]
        cells = [
            f"{row.area:.4f} ({row.se:.4f})" + (f" [{row.se_corrected:.4f}]" if corrected else "")
            for row in rows.itertuples()
        ]
        lines.append(f"| {router_label(router)} | " + " | ".join(cells) + " |")
    return lines


def leads_table(pairs: pd.DataFrame) -> list[str]:
    """Meta-router minus baseline, whichever way round the pair was written."""
    turned = pairs.assign(
        router=pairs.reference,
        reference=pairs.router,
        difference=-pairs.difference,
        ci_low=-pairs.ci_high,
        ci_high=-pairs.ci_low,
    )
    both = pd.concat([pairs, turned], ignore_index=True)
    lines = ["| gold labels | against | R-learner | DR-learner |", "|---|---|---|---|"]
    for n_gold in dict.fromkeys(pairs.n_gold):
        for base in ("gold_only", "pooled", "preference_only", "linear_scaling"):
            cells = []
            for meta in ("r_learner", "dr_learner"):
                row = both[
                    (both.router == meta) & (both.reference == base) & (both.n_gold == n_gold)
                ].iloc[0]
                verdict = "**" if row.ci_low > 0 else ("_" if row.ci_high < 0 else "")
                cells.append(
                    f"{verdict}{row.difference:+.4f}{verdict} "
                    f"[{row.ci_low:+.4f}, {row.ci_high:+.4f}] (s.e. {row.se:.4f})"
                )
            lines.append(f"| {n_gold} | {router_label(base)} | " + " | ".join(cells) + " |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/real_data"))
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    options = parser.parse_args(arguments)
    sections = []
    for name in options.only:
        title, settings = STUDIES[name]
        run_study(settings, options.n_jobs, options.out / name)
        sections.append(section(title, settings, options.out / name))
    write_text(options.out / "real_data.md", "\n\n".join(sections) + "\n")


if __name__ == "__main__":
    main()
