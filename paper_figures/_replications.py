"""Replications of a simulation, kept in a table as they finish, so that a run may go on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.progress import track

from metarouter.exceptions import MetaRouterError
from metarouter.utils.files import write_text

Errors = tuple[float, ...]


def run_replications(
    wanted: Sequence[Any],
    compute: Callable[[Sequence[Any]], Iterable[Errors]],
    columns: list[str],
    *,
    what: str,
    checkpoint: Path | None,
) -> pd.DataFrame:
    """Return one row per replication, those first that `checkpoint` does not hold computed.

    Parameters
    ----------
    wanted : sequence of namedtuples
        What identifies each replication.
    compute : callable
        Yields the errors of replications, in their order.
    columns : list of str
        The fields of a replication, then the names of its errors.
    what : str
        Said beside the bar.
    checkpoint : Path or None
        Written after every replication.
    """
    done = {} if checkpoint is None else _read(checkpoint, type(wanted[0]), columns)
    missing = [replication for replication in wanted if replication not in done]
    pairs = zip(missing, compute(missing), strict=True)
    for replication, errors in track(pairs, what, total=len(missing), transient=True):
        done[replication] = errors
        if checkpoint is not None:
            write_text(checkpoint, _frame(done, columns).to_csv(index=False))
    return _frame({replication: done[replication] for replication in wanted}, columns)


def two_or_more(text: str) -> int:
    """Read a number of rounds that a standard error can be taken of."""
    if (number := int(text)) < 2:
        raise argparse.ArgumentTypeError("a standard error takes at least 2 rounds")
    return number


def _frame(errors: Mapping[Any, Errors], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame([(*key, *values) for key, values in errors.items()], columns=columns)


def _read(path: Path, kind: Any, columns: list[str]) -> dict[Any, Errors]:
    if not path.exists():
        return {}
    as_text = {name: str for name, hint in kind.__annotations__.items() if hint in (str, "str")}
    frame = pd.read_csv(path, dtype=as_text)
    if list(frame.columns) != columns:
        raise MetaRouterError(
            f"{path} has the columns {', '.join(map(str, frame.columns))} instead of "
            f"{', '.join(columns)}; move it away, or choose another --out."
        )
    n = len(kind._fields)
    return {kind(*row[:n]): tuple(row[n:]) for row in frame.itertuples(index=False, name=None)}
