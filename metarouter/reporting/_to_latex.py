"""A document as LaTeX."""

from __future__ import annotations

from metarouter.inference import Verdict
from metarouter.reporting._cells import Cell
from metarouter.reporting._document import (
    Block,
    Bullets,
    Document,
    Figure,
    Findings,
    Paragraph,
    Table,
)
from metarouter.utils.tables import escaped

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
        rf"\title{{{_text(document.title)}}}",
        rf"\author{{{_text(document.subtitle)}}}",
        r"\date{}",
        r"\begin{document}",
        r"\maketitle",
        r"\tableofcontents",
    ]
    for depth, section in document.walk():
        head = _HEADS[min(depth, len(_HEADS)) - 1]
        parts.append(rf"\{head}{{{_text(section.title)}}}")
        parts += [_block(block, figures) for block in section.blocks]
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _block(block: Block, figures: str) -> str:
    if isinstance(block, Paragraph):
        return _text(block.text)
    if isinstance(block, Bullets):
        return _list("itemize", [rf"\item {_text(item)}" for item in block.items])
    if isinstance(block, Findings):
        verdicts = [
            "" if item.verdict is None else rf"\textbf{{{item.verdict}}} " for item in block.items
        ]
        items = [
            rf"\item {verdict}{_text(item.text)}"
            for verdict, item in zip(verdicts, block.items, strict=True)
        ]
        return _list("itemize", items)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        where = f"{figures}/{block.name}.pdf" if figures else f"{block.name}.pdf"
        return "\n".join(
            [
                r"\begin{center}",
                rf"\includegraphics[width=0.82\linewidth]{{{where}}}",
                "",
                rf"\small {_text(block.caption)}",
                r"\end{center}",
            ]
        )
    items = [rf"\item[{{{_text(name)}}}] {_text(means)}" for name, means in block.pairs.items()]
    return _list("description", items)


def _list(environment: str, items: list[str]) -> str:
    return "\n".join([rf"\begin{{{environment}}}", *items, rf"\end{{{environment}}}"])


def _table(table: Table) -> str:
    columns = "".join(
        rf"{'R' if table.to_the_right(k) else 'L'}{{{width:.2f}}}"
        for k, width in enumerate(_widths(table))
    )
    head = " & ".join(rf"\textbf{{{_text(column.head)}}}" for column in table.columns)
    rows = [" & ".join(_text(str(cell)) for cell in row) + r" \\" for row in table.rows]
    lines = [
        rf"\textbf{{{_text(table.caption)}}}",
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
    return "\n".join(lines + ([rf"{{\small {_text(table.note)}}}"] if table.note else []))


def _widths(table: Table) -> list[float]:
    """Share the line among columns by their longest cells; the widths average one."""
    longest = [max(_length(row[k]) for row in table.rows) for k in range(len(table.columns))]
    # Heads are bold, and may break between words.
    word = [1.3 * max(map(len, column.head.split())) for column in table.columns]
    wanted = [min(max(*pair, 7), 42) for pair in zip(longest, word, strict=True)]
    return [len(wanted) * width / sum(wanted) for width in wanted]


def _length(cell: Cell) -> float:
    return 1.5 * len(cell) if isinstance(cell, Verdict) else len(str(cell))  # capitals are wide


def _text(text: str) -> str:
    flat = " ".join(text.split())
    return "".join(_PLAIN.get(letter) or _letter(letter) for letter in flat)


def _letter(letter: str) -> str:
    if ord(letter) > _MOST_AS_TEXT or not letter.isprintable():
        return f"{{[U+{ord(letter):04X}]}}"
    return escaped(letter)
