"""A document as files: HTML, markdown, LaTeX or JSON, each whole or not at all."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from metarouter._version import __version__
from metarouter.exceptions import MetaRouterError
from metarouter.inference import Verdict
from metarouter.reporting._document import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Estimate,
    Figure,
    Findings,
    Limits,
    Paragraph,
    PValue,
    Section,
    Table,
)
from metarouter.utils.arguments import validated
from metarouter.utils.files import atomic_path, write_text
from metarouter.utils.tables import escaped

if TYPE_CHECKING:
    import jinja2

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


def to_html(document: Document) -> str:
    """Write a document as HTML: figures inside, no script, nothing loaded from elsewhere."""
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
    environment.filters.update(kind=lambda block: type(block).__name__, image=_image)
    return environment


def _image(figure: Figure) -> str:
    svg = base64.b64encode(drawn(figure, "svg")).decode("ascii")
    return f"data:image/svg+xml;base64,{svg}"


def to_markdown(document: Document, figures: str = "") -> str:
    """Write a document as GitHub-flavoured markdown.

    Parameters
    ----------
    document : Document
    figures : str, default=""
        Folder of the figures, as links name it; they are called ``<name>.png``.
    """
    parts = [f"# {_md_text(document.title)}", _md_text(document.subtitle)]
    for depth, section in document.walk():
        parts.append(f"{'#' * (depth + 1)} {_md_text(section.title)}")
        parts += [_md_block(block, figures) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _md_block(block: Block, figures: str) -> str:
    if isinstance(block, Paragraph):
        return _md_text(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {_md_text(item)}" for item in block.items)
    if isinstance(block, Findings):
        lines = [
            f"- {_md_text(item.text)}" if item.verdict is None
            else f"- **{item.verdict}** {_md_text(item.text)}"
            for item in block.items
        ]  # fmt: skip
        return "\n".join(lines)
    if isinstance(block, Table):
        return _md_table(block)
    if isinstance(block, Figure):
        where = f"{figures}/{block.name}.png" if figures else f"{block.name}.png"
        return f"![{_md_text(block.alt)}](<{where}>)\n\n*{_md_text(block.caption)}*"
    return "\n".join(
        f"- **{_md_text(name)}**: {_md_text(means)}" for name, means in block.pairs.items()
    )


def _md_table(table: Table) -> str:
    aligned = ["---:" if table.to_the_right(k) else ":---" for k in range(len(table.columns))]
    lines = [
        [_md_text(column.head) for column in table.columns],
        aligned,
        *([_md_text(str(cell)) for cell in row] for row in table.rows),
    ]
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n\n".join(
        part for part in (f"**{_md_text(table.caption)}**", body, _md_text(table.note)) if part
    )


def _md_text(text: str) -> str:
    """Escape what markdown, or HTML within it, would read as a command."""
    flat = " ".join(text.split())
    flat = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", flat.replace("&", "&amp;"))  # not in "p < 0.001"
    flat = re.sub(r"([\\`*_|\[\]])", r"\\\1", flat)
    return re.sub(r"^(\s*)([#>+-]|\d+[.)])(?=\s)", r"\1\\\2", flat)


_PREAMBLE = r"""\documentclass[a4paper,10pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{lmodern,textcomp}
\usepackage[margin=22mm]{geometry}
\usepackage{booktabs,xltabular,graphicx,ragged2e,microtype}
\usepackage[hidelinks]{hyperref}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
\setlength{\emergencystretch}{3em}
\newcolumntype{L}[1]{>{\RaggedRight\arraybackslash\hsize=#1\hsize}X}
\newcolumntype{R}[1]{>{\RaggedLeft\arraybackslash\hsize=#1\hsize}X}"""
_HEADS = ("section", "subsection", "subsubsection")
_PLAIN = {"–": "--", "—": "---", "’": "'", "‘": "`", "“": "``", "”": "''", "…": r"\ldots{}"}
_MOST_AS_TEXT = 0x17F  # Latin letters with accents, which fonts in the encoding T1 hold


def to_latex(document: Document, figures: str = "") -> str:
    """Write a document as LaTeX, for pdflatex.

    Parameters
    ----------
    document : Document
    figures : str, default=""
        Folder of the figures; they are called ``<name>.pdf``.

    Returns
    -------
    str
        Characters that the usual fonts lack are written by their number, as in ``[U+4E2D]``.
    """
    parts = [
        _PREAMBLE,
        rf"\title{{{_tex_text(document.title)}}}",
        rf"\author{{{_tex_text(document.subtitle)}}}",
        r"\date{}",
        r"\begin{document}",
        r"\maketitle",
        r"\tableofcontents",
    ]
    for depth, section in document.walk():
        head = _HEADS[min(depth, len(_HEADS)) - 1]
        parts.append(rf"\{head}{{{_tex_text(section.title)}}}")
        parts += [_tex_block(block, figures) for block in section.blocks]
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _tex_block(block: Block, figures: str) -> str:
    if isinstance(block, Paragraph):
        return _tex_text(block.text)
    if isinstance(block, Bullets):
        return _list("itemize", [rf"\item {_tex_text(item)}" for item in block.items])
    if isinstance(block, Findings):
        verdicts = [
            "" if item.verdict is None else rf"\textbf{{{item.verdict}}} " for item in block.items
        ]
        items = [
            rf"\item {verdict}{_tex_text(item.text)}"
            for verdict, item in zip(verdicts, block.items, strict=True)
        ]
        return _list("itemize", items)
    if isinstance(block, Table):
        return _tex_table(block)
    if isinstance(block, Figure):
        where = f"{figures}/{block.name}.pdf" if figures else f"{block.name}.pdf"
        return "\n".join(
            [
                r"\begin{center}",
                rf"\includegraphics[width=0.82\linewidth]{{{where}}}",
                "",
                rf"\small {_tex_text(block.caption)}",
                r"\end{center}",
            ]
        )
    items = [
        rf"\item[{{{_tex_text(name)}}}] {_tex_text(means)}" for name, means in block.pairs.items()
    ]
    return _list("description", items)


def _list(environment: str, items: list[str]) -> str:
    return "\n".join([rf"\begin{{{environment}}}", *items, rf"\end{{{environment}}}"])


def _tex_table(table: Table) -> str:
    columns = "".join(
        rf"{'R' if table.to_the_right(k) else 'L'}{{{width:.2f}}}"
        for k, width in enumerate(_widths(table))
    )
    head = " & ".join(rf"\textbf{{{_tex_text(column.head)}}}" for column in table.columns)
    rows = [" & ".join(_tex_text(str(cell)) for cell in row) + r" \\" for row in table.rows]
    lines = [
        rf"\textbf{{{_tex_text(table.caption)}}}",
        "",
        r"{\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\begin{{xltabular}}{{\linewidth}}{{{columns}}}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        r"\endhead",
        *rows,
        r"\bottomrule",
        r"\end{xltabular}}",
    ]
    return "\n".join(lines + ([rf"{{\small {_tex_text(table.note)}}}"] if table.note else []))


def _widths(table: Table) -> list[float]:
    """Share the line among columns by their longest cells; the widths average one."""
    longest = [max(_length(row[k]) for row in table.rows) for k in range(len(table.columns))]
    # Heads are bold, and may break between words.
    word = [1.3 * max(map(len, column.head.split())) for column in table.columns]
    wanted = [min(max(*pair, 7), 42) for pair in zip(longest, word, strict=True)]
    return [len(wanted) * width / sum(wanted) for width in wanted]


def _length(cell: Cell) -> float:
    return 1.5 * len(cell) if isinstance(cell, Verdict) else len(str(cell))  # capitals are wide


def _tex_text(text: str) -> str:
    flat = " ".join(text.split())
    return "".join(_PLAIN.get(letter) or _letter(letter) for letter in flat)


def _letter(letter: str) -> str:
    if ord(letter) > _MOST_AS_TEXT or not letter.isprintable():
        return f"{{[U+{ord(letter):04X}]}}"
    return escaped(letter)


_SCHEMA = "metarouter-report/1"


def to_json(document: Document) -> str:
    """Write a document as JSON: an object with ``schema``, ``title``, ``subtitle``, ``sections``.

    Each section holds ``blocks`` that say their ``type``. Estimates are objects with ``value``,
    ``low``, ``high`` and ``unit``; what is not known is null.
    """
    content = {
        "schema": _SCHEMA,
        "title": document.title,
        "subtitle": document.subtitle,
        "sections": [_json_section(section) for section in document.sections],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _json_section(section: Section) -> dict[str, Any]:
    return {
        "id": section.anchor,
        "title": section.title,
        "blocks": [_json_block(block) for block in section.blocks],
        "sections": [_json_section(below) for below in section.sections],
    }


def _json_block(block: Block) -> dict[str, Any]:
    if isinstance(block, Paragraph):
        return {"type": "paragraph", "text": block.text}
    if isinstance(block, Bullets):
        return {"type": "list", "items": list(block.items)}
    if isinstance(block, Findings):
        items = [
            {"text": item.text, "verdict": None if item.verdict is None else str(item.verdict)}
            for item in block.items
        ]
        return {"type": "findings", "items": items}
    if isinstance(block, Table):
        return {
            "type": "table",
            "caption": block.caption,
            "columns": [{"name": column.name, "unit": column.unit} for column in block.columns],
            "rows": [
                [_json_cell(*pair) for pair in zip(row, block.columns, strict=True)]
                for row in block.rows
            ],
            "note": block.note,
        }
    if isinstance(block, Figure):
        columns = {
            name: [_number(float(value)) for value in values] for name, values in block.data.items()
        }
        return {"type": "figure", "caption": block.caption, "alt": block.alt, "data": columns}
    return {"type": "terms", "terms": dict(block.pairs)}


def _json_cell(cell: Cell, column: Column) -> Any:
    if isinstance(cell, Verdict):
        return str(cell)
    if isinstance(cell, PValue):
        return _number(cell.value)
    if isinstance(cell, Limits):
        ends = {"low": _number(cell.low), "high": _number(cell.high)}
        return ends | {"unit": cell.unit or column.unit}
    if isinstance(cell, Estimate):
        return {
            "value": _number(cell.value) if cell.is_known else None,
            "low": _number(cell.low),
            "high": _number(cell.high),
            "unit": cell.unit or column.unit,
        }
    return cell


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
