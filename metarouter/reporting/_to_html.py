"""A document as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING, Any

from metarouter._version import __version__
from metarouter.reporting._document import Document, Figure
from metarouter.reporting._drawing import drawn

if TYPE_CHECKING:
    import jinja2


def to_html(document: Document) -> str:
    """Write a document as HTML: figures inside, no script, nothing loaded from elsewhere.

    Parameters
    ----------
    document : Document

    Returns
    -------
    str
    """
    template = _environment().get_template("report.html.jinja")
    return template.render(document=document, version=__version__) + "\n"


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("metarouter.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(kind=_kind, image=_image)
    return environment


def _kind(block: Any) -> str:
    return type(block).__name__


def _image(figure: Figure) -> str:
    svg = base64.b64encode(drawn(figure, "svg")).decode("ascii")
    return f"data:image/svg+xml;base64,{svg}"
