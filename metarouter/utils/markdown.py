"""Tables of numbers as markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["format_cell", "markdown_table", "signed", "with_interval"]


def markdown_table(frame: pd.DataFrame, *, decimals: int = 4) -> str:
    """Lay out a frame as a markdown table, numbers to the right.

    Parameters
    ----------
    frame : DataFrame
        Printed without its index; the column names are the head.
    decimals : int, default=4
        Decimals of floats.

    Returns
    -------
    str
        Lines without a newline at the end.

    Examples
    --------
    >>> import pandas as pd
    >>> print(markdown_table(pd.DataFrame({"router": ["pooled"], "area": [0.25]})))
    | router | area |
    | :--- | ---: |
    | pooled | 0.2500 |
    """
    aligned = ["---:" if dtype.kind in "fiu" else ":---" for dtype in frame.dtypes]
    rows = [
        [format_cell(value, decimals) for value in row] for row in frame.itertuples(index=False)
    ]
    lines = [[_escaped(name) for name in frame.columns], aligned, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def settings_table(settings: Mapping[str, str]) -> str:
    """Lay out names and values as a markdown table of two columns."""
    lines = [f"| {_escaped(name)} | {_escaped(value)} |" for name, value in settings.items()]
    return "\n".join(["| setting | value |", "| :--- | :--- |", *lines])


def format_cell(value: Any, decimals: int = 4) -> str:
    """Write one value; a number that is not known is a dash.

    Examples
    --------
    >>> format_cell(0.5), format_cell(3), format_cell(float("nan"))
    ('0.5000', '3', '–')
    """
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.{decimals}f}"
    return _escaped(value)


def signed(value: float, decimals: int = 4) -> str:
    """Write a difference with its sign.

    Examples
    --------
    >>> signed(0.01), signed(-0.02)
    ('+0.0100', '-0.0200')
    """
    return "–" if math.isnan(value) else f"{value:+.{decimals}f}"


def with_interval(value: float, low: float, high: float, decimals: int = 4) -> str:
    """Write a difference with its interval.

    Examples
    --------
    >>> with_interval(0.01, -0.01, 0.03)
    '+0.0100 (-0.0100 to +0.0300)'
    """
    return f"{signed(value, decimals)} ({signed(low, decimals)} to {signed(high, decimals)})"


def _escaped(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
