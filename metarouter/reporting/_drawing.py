"""Figures of a report as bytes, without a screen and without touching global settings."""

from __future__ import annotations

import io
import warnings
from typing import Any, Literal

from metarouter.reporting._document import Figure

ImageFormat = Literal["svg", "png", "pdf"]

_DOTS_PER_INCH = 160
STYLE: Any = {
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#4D4D4D",
    "text.parse_math": False,  # names of columns may hold dollar signs
    "svg.fonttype": "path",  # letters look the same wherever the report is opened
    "svg.hashsalt": "metarouter",
}


def drawn(figure: Figure, kind: ImageFormat) -> bytes:
    """Draw a figure; the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
    kind : {"svg", "png", "pdf"}

    Returns
    -------
    bytes
    """
    import matplotlib

    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": None}
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes; the tables hold the names too.
        warnings.filterwarnings("ignore", message="Glyph")
        into = io.BytesIO()
        canvas_of(figure).savefig(into, format=kind, dpi=_DOTS_PER_INCH, metadata=undated[kind])
    return into.getvalue()


def canvas_of(figure: Figure) -> Any:
    """Draw a figure on a matplotlib figure of its size, which no window shows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=figure.size, layout="constrained")
    FigureCanvasAgg(canvas)
    figure.draw(canvas.subplots())
    return canvas
