"""Run every script of this folder: ``python -m paper_figures --out DIR``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

# Each of these modules has main(arguments), which understands --out DIR.
SCRIPTS = (
    "barp_tables_2_to_4",
    "barp_table5",
    "barp_table6",
    "barp_table7",
    "barp_figure3",
    "bayesian_router",
    "dpo_loop",
    "dueling",
    "dueling_votes",
    "ep_learner",
    "healthbench_judge",
    "judge_profiles",
    "labelling",
    "many_models",
    "meta_router",
    "new_domains",
    "nie_wager",
    "overlap",
    "real_data",
    "reward_encoders",
    "reward_prices",
    "reward_verdicts",
    "unlabelled",
    "no_harm",
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m paper_figures", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out"))
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=SCRIPTS, metavar="NAME")
    options = parser.parse_args(arguments)
    for name in options.only:
        print(f"== {name}")
        import_module(f"paper_figures.{name}").main(["--out", str(options.out / name)])


if __name__ == "__main__":
    main()
