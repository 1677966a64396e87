"""What the commands print."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from metarouter.utils.markdown import format_cell

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

__all__ = ["console", "print_frame"]

_WIDTH_IN_FILES = 110
_NO_LIMIT = 10_000


def console(*, stderr: bool = False) -> Console:
    """Return the console for standard output; in a pipe or a file, wide enough for tables."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        width=None if stream.isatty() else _WIDTH_IN_FILES,
        highlight=False,
        soft_wrap=False,
        stderr=stderr,
    )


def print_frame(
    to: Console, frame: pd.DataFrame, *, title: str, caption: str = "", decimals: int = 4
) -> None:
    """Print a frame as a table, numbers to the right."""
    from rich import box
    from rich.markup import escape
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        table.add_column(
            escape(str(name)), justify="right" if dtype.kind in "fiu" else "left", no_wrap=True
        )
    for row in frame.itertuples(index=False):
        table.add_row(*(escape(format_cell(value, decimals)) for value in row))
    # A table that is wider than the terminal is left to the terminal: cells and heads stay whole.
    natural = Measurement.get(to, to.options.update(max_width=_NO_LIMIT), table).maximum
    if natural > to.width:
        table.width = natural
    # A title or a caption inside the table would be broken to its width.
    to.print(f"\n{title}", markup=False, style="italic", soft_wrap=True)
    to.print(table, crop=False)
    if caption:
        to.print(caption, markup=False, style="dim", soft_wrap=True)
