"""A document as files: HTML, markdown, LaTeX or JSON, each whole or not at all."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from metarouter._version import __version__
from metarouter.exceptions import MetaRouterError
from metarouter.inference import Verdict
from metarouter.reporting._document import (
    Block,
    Cell,
    Document,
    Estimate,
    Figure,
    Limits,
    PValue,
    Section,
    Table,
    Verbatim,
)
from metarouter.utils.arguments import validated
from metarouter.utils.files import atomic_path
from metarouter.utils.markdown import format_cell, with_interval
from metarouter.utils.style import router_label
from metarouter.utils.tables import escaped

if TYPE_CHECKING:
    import jinja2

ImageFormat = Literal["svg", "png", "pdf"]
DocumentFormat = Literal["html", "md", "tex", "json"]

FORMATS: dict[str, DocumentFormat] = {
    ".html": "html",
    ".htm": "html",
    ".md": "md",
    ".tex": "tex",
    ".json": "json",
}
_PICTURES: dict[DocumentFormat, ImageFormat] = {"md": "png", "tex": "pdf"}
_SCHEMA = "metarouter-report/1"

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


@validated()
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
    forms = [format or _format_of(path) for path in paths]
    # Everything is rendered before the first file is touched.
    files: dict[Path, bytes] = {}
    for path, form in zip(paths, forms, strict=True):
        folder = path.with_name(f"{path.stem}_figures")
        if form in _PICTURES:
            kind = _PICTURES[form]
            for figure in document.figures():
                files[folder / f"{figure.name}.{kind}"] = drawn(figure, kind)
        files[path] = render(document, form, folder.name).encode("utf-8", "backslashreplace")
    for path, content in files.items():
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    return paths


def _format_of(path: Path) -> DocumentFormat:
    """Return the format that the ending of a file stands for."""
    if path.suffix.lower() not in FORMATS:
        raise MetaRouterError(
            f"{path.name} ends in {path.suffix or 'nothing'!r}: give it one of the endings "
            f"{', '.join(FORMATS)}, or name a format."
        )
    return FORMATS[path.suffix.lower()]


def render(document: Document, form: DocumentFormat, figures: str = ".") -> str:
    """Write a document as text; `figures` is the folder where markdown and LaTeX find theirs.

    HTML holds its figures, runs no script and loads nothing from elsewhere. LaTeX is for pdflatex;
    characters that its usual fonts lack are written by their number, as in ``[U+4E2D]``. JSON is an
    object with ``schema``, ``title``, ``subtitle`` and ``sections``; each section holds ``blocks``
    that say their ``type``, estimates are objects with ``value``, ``low``, ``high`` and ``unit``,
    and what is not known is null.
    """
    if form == "json":
        content = {"schema": _SCHEMA} | _plain(document)
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return fill(f"report.{form}", document=document, figures=figures, version=__version__)


def fill(name: str, **content: Any) -> str:
    """Fill in a template, such as "report.html"; one line at most is left blank."""
    return re.sub(r"\n{3,}", "\n\n", _template(name).render(content)).strip() + "\n"


@cache
def _template(name: str) -> jinja2.Template:
    import jinja2

    # LaTeX is full of braces.
    start, end = ("<<", ">>") if name.endswith("tex") else ("{{", "}}")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("metarouter.reporting"),
        autoescape=name.endswith("html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        variable_start_string=start,
        variable_end_string=end,
    )
    environment.filters.update(
        kind=lambda block: type(block).__name__,
        image=lambda figure: base64.b64encode(drawn(figure, "svg")).decode(),
        md=_markdown,
        tex=_latex,
        tex_columns=_latex_columns,
        cell=format_cell,
        label=router_label,
        with_interval=with_interval,
    )
    return environment.get_template(f"{name}.jinja")


def _markdown(text: Any) -> str:
    """Escape what markdown, or HTML within it, would read as a command."""
    flat = " ".join(str(text).split())
    flat = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", flat.replace("&", "&amp;"))  # not in "p < 0.001"
    flat = re.sub(r"([\\`*_|\[\]])", r"\\\1", flat)
    return re.sub(r"^(\s*)([#>+-]|\d+[.)])(?=\s)", r"\1\\\2", flat)


_PLAIN = {"–": "--", "—": "---", "’": "'", "‘": "`", "“": "``", "”": "''", "…": r"\ldots{}"}
_STRAIGHT = {"'": r"\textquotesingle{}", "`": r"\textasciigrave{}"}
_MOST_AS_TEXT = 0x17F  # Latin letters with accents, which fonts in the encoding T1 hold


def _latex(text: Any) -> str:
    """Escape commands of LaTeX, and name the characters that fonts lack."""
    is_verbatim = isinstance(text, Verbatim)
    written = _PLAIN | _STRAIGHT if is_verbatim else _PLAIN
    # Hyphens and commas in a row would become a dash and a quotation mark.
    parts = re.split("(?<=-)(?=-)|(?<=,)(?=,)", " ".join(str(text).split()))
    escaped_parts = ("".join(written.get(c) or _latex_letter(c) for c in part) for part in parts)
    joined = "{}".join(escaped_parts)
    return rf"\texttt{{{joined}}}" if is_verbatim else joined


def _latex_letter(letter: str) -> str:
    if ord(letter) > _MOST_AS_TEXT or not letter.isprintable():
        return f"{{[U+{ord(letter):04X}]}}"
    return escaped(letter)


def _latex_columns(table: Table) -> str:
    """Share the line among columns by their longest cells; the widths average one."""
    wanted = []
    for k, column in enumerate(table.columns):
        # Heads are bold, and may break between words.
        word = 1.3 * max(map(len, column.head.split()))
        wanted.append(min(max(word, 7, *(_length(row[k]) for row in table.rows)), 42))
    return "".join(
        rf"{'R' if table.to_the_right(k) else 'L'}{{{len(wanted) * width / sum(wanted):.2f}}}"
        for k, width in enumerate(wanted)
    )


def _length(cell: Cell) -> float:
    return 1.5 * len(cell) if isinstance(cell, Verdict) else len(str(cell))  # capitals are wide


def _plain(part: Any, unit: str = "") -> Any:
    """Return a part of a document as dicts, lists, texts, and numbers or None."""
    match part:
        case float():
            return part if math.isfinite(part) else None
        case str():
            return str(part)
        case int() | None:
            return part
        case PValue():
            return _plain(part.value)
        case Limits():
            return {"low": _plain(part.low), "high": _plain(part.high), "unit": unit}
        case Estimate():
            value = _plain(part.value) if part.is_known else None
            return {"value": value} | _plain(Limits(part.low, part.high), unit)
        case Figure():
            words = {"type": "figure", "caption": part.caption, "alt": part.alt}
            return words | {"data": _plain(part.data)}
        case Mapping():
            return {name: _plain(one) for name, one in part.items()}
    if not is_dataclass(part):
        return [_plain(one) for one in part]
    shown = {field.name: _plain(getattr(part, field.name)) for field in fields(part)}
    if isinstance(part, Section):
        return {"id": part.anchor} | shown
    if isinstance(part, Table):
        units = [column.unit for column in part.columns]
        shown["rows"] = [list(map(_plain, row, units)) for row in part.rows]
    kind = {"Bullets": "list"}.get(type(part).__name__, type(part).__name__.lower())
    return {"type": kind} | shown if isinstance(part, Block) else shown


def drawn(figure: Figure, kind: ImageFormat) -> bytes:
    """Draw a figure; the same figure gives the same bytes."""
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
