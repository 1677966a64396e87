"""The command line that studies of worlds with known truth share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks._repetitions import Counts, count_unfinished
from metarouter.utils.files import write_text
from metarouter.utils.markdown import markdown_table

__all__ = ["parser_of", "run_worlds", "write_tables"]

Plan = Mapping[str, tuple[Sequence[int], int]]
Run = Callable[[str, int, int, int], Counts]
Tables = Callable[[dict[str, Counts]], Iterable[pd.DataFrame]]


def parser_of(doc: str, out: str) -> argparse.ArgumentParser:
    """Return a parser of where to write, how often to draw, and from which seed.

    Parameters
    ----------
    doc : str
        Of the study; its first line is its description.
    out : str
        File of the tables, unless another is given.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--rounds", type=int, help="draws of everything; its own number else")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def write_tables(out: Path, tables: Iterable[pd.DataFrame]) -> str:
    """Write tables below each other as markdown, and return the text."""
    text = "\n\n".join(markdown_table(table, decimals=3) for table in tables) + "\n"
    write_text(out, text)
    return text


def run_worlds(
    parser: argparse.ArgumentParser,
    plan: Plan,
    run: Run,
    tables: Tables,
    arguments: Sequence[str] | None = None,
) -> None:
    """Run what is asked for and not finished yet, and write the tables of all that is.

    Parameters
    ----------
    parser : ArgumentParser
        To which the choice of worlds and sizes is added.
    plan : mapping of str to (sequence of int, int)
        Sample sizes and rounds of every world.
    run : callable
        Counts hits, given the world, the sample size, the rounds and the seed.
    tables : callable
        Lays out the counts of ``world|size``.
    arguments : sequence of str, optional
        Of the command line, by default those that it was called with.
    """
    sizes = sorted({n for of_world, _ in plan.values() for n in of_world})
    parser.add_argument("--world", choices=[*plan], action="append", help="else all")
    parser.add_argument("--size", type=int, choices=sizes, action="append", help="else as planned")
    given = parser.parse_args(arguments)
    cells = {
        f"{world}|{n}": partial(run, world, n, given.rounds or plan[world][1], given.seed)
        for world in given.world or plan
        for n in given.size or plan[world][0]
    }
    results = count_unfinished(given.out.with_suffix(".json"), cells)
    write_tables(given.out, tables(results))
