"""A document as files: each whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from metarouter.exceptions import MetaRouterError
from metarouter.reporting._document import Document
from metarouter.reporting._drawing import ImageFormat, drawn
from metarouter.reporting._to_html import to_html
from metarouter.reporting._to_json import to_json
from metarouter.reporting._to_latex import to_latex
from metarouter.reporting._to_markdown import to_markdown
from metarouter.utils.files import atomic_path, write_text

DocumentFormat = Literal["html", "md", "tex", "json"]

FORMATS: dict[str, DocumentFormat] = {
    ".html": "html",
    ".htm": "html",
    ".md": "md",
    ".tex": "tex",
    ".json": "json",
}
_PICTURES: dict[str, ImageFormat] = {"md": "png", "tex": "pdf"}


def format_of(path: Path) -> DocumentFormat:
    """Return the format that the ending of a file stands for.

    Raises
    ------
    MetaRouterError
        If it stands for none.
    """
    if path.suffix.lower() not in FORMATS:
        raise MetaRouterError(
            f"{path.name} ends in {path.suffix or 'nothing'!r}: give it one of the endings "
            f"{', '.join(FORMATS)}, or name a format."
        )
    return FORMATS[path.suffix.lower()]


def write_document(
    document: Document,
    out: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    format: DocumentFormat | None = None,
) -> list[Path]:
    """Write a document into one or several files.

    Parameters
    ----------
    document : Document
    out : path-like, or several
        Files; their endings choose the format: .html, .md, .tex or .json. Markdown and LaTeX keep
        their figures in a folder beside the file, ``<name>_figures``.
    format : {"html", "md", "tex", "json"}, optional
        The format of all files, whatever their endings.

    Returns
    -------
    list of pathlib.Path
        The files, without the figures.

    Raises
    ------
    MetaRouterError
        If a file's ending stands for no format.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (file,) = write_document(Document("Ours", "today", ()), Path(folder) / "report.json")
    ...     json.loads(file.read_text())["title"]
    'Ours'
    """
    paths = [Path(out)] if isinstance(out, str | os.PathLike) else [Path(path) for path in out]
    chosen = [format or format_of(path) for path in paths]
    # Everything is rendered before the first file is touched.
    rendered = [_rendered(document, path, kind) for path, kind in zip(paths, chosen, strict=True)]
    for path, (text, pictures) in zip(paths, rendered, strict=True):
        for place, picture in pictures.items():
            with atomic_path(place) as temporary:
                temporary.write_bytes(picture)
        write_text(path, text)
    return paths


def _rendered(
    document: Document, path: Path, kind: DocumentFormat
) -> tuple[str, dict[Path, bytes]]:
    folder = f"{path.stem}_figures"
    write: dict[DocumentFormat, Callable[[], str]] = {
        "html": lambda: to_html(document),
        "md": lambda: to_markdown(document, folder),
        "tex": lambda: to_latex(document, folder),
        "json": lambda: to_json(document),
    }
    pictures = {}
    if kind in _PICTURES:
        ending = _PICTURES[kind]
        pictures = {
            path.parent / folder / f"{figure.name}.{ending}": drawn(figure, ending)
            for figure in document.figures()
        }
    return write[kind](), pictures
