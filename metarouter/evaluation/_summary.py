"""Tables as text, in the manner of a regression printout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["text_table"]


def text_table(
    title: str,
    frame: pd.DataFrame,
    *,
    facts: Mapping[str, str],
    notes: Sequence[str] = (),
    decimals: int = 4,
) -> str:
    """Lay out a title, facts, a table and footnotes.

    Parameters
    ----------
    title : str
    frame : DataFrame
        Printed without its index.
    facts : dict of str to str
        Printed above the table, two per line.
    notes : sequence of str
        Printed below the table.
    decimals : int, default=4

    Returns
    -------
    str
    """
    body = frame.to_string(index=False, float_format=lambda value: f"{value:.{decimals}f}")
    lines = body.splitlines()
    width = max(len(line) for line in [*lines, title, *notes])
    pairs = [f"{name}: {value}" for name, value in facts.items()]
    half = (width + 1) // 2
    if any(len(pair) >= half for pair in pairs):
        laid_out = pairs
    else:
        laid_out = [
            "".join(pair.ljust(half) for pair in pairs[i : i + 2]).rstrip()
            for i in range(0, len(pairs), 2)
        ]
    double, single = "=" * width, "-" * width
    head = [title.center(width).rstrip(), double, *laid_out, single, lines[0], single]
    return "\n".join([*head, *lines[1:], double, *notes])
