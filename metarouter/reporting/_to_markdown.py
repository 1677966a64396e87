"""A document as markdown."""

from __future__ import annotations

import re

from metarouter.reporting._document import (
    Block,
    Bullets,
    Document,
    Figure,
    Findings,
    Paragraph,
    Table,
)


def to_markdown(document: Document, figures: str = "") -> str:
    """Write a document as GitHub-flavoured markdown.

    Parameters
    ----------
    document : Document
    figures : str, default=""
        Folder of the figures, as links name it; they are called ``<name>.png``.

    Returns
    -------
    str
    """
    parts = [f"# {_text(document.title)}", _text(document.subtitle)]
    for depth, section in document.walk():
        parts.append(f"{'#' * (depth + 1)} {_text(section.title)}")
        parts += [_block(block, figures) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block, figures: str) -> str:
    if isinstance(block, Paragraph):
        return _text(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {_text(item)}" for item in block.items)
    if isinstance(block, Findings):
        lines = [
            f"- {_text(item.text)}" if item.verdict is None
            else f"- **{item.verdict}** {_text(item.text)}"
            for item in block.items
        ]  # fmt: skip
        return "\n".join(lines)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        where = f"{figures}/{block.name}.png" if figures else f"{block.name}.png"
        return f"![{_text(block.alt)}](<{where}>)\n\n*{_text(block.caption)}*"
    return "\n".join(f"- **{_text(name)}**: {_text(means)}" for name, means in block.pairs.items())


def _table(table: Table) -> str:
    aligned = ["---:" if table.to_the_right(k) else ":---" for k in range(len(table.columns))]
    lines = [
        [_text(column.head) for column in table.columns],
        aligned,
        *([_text(str(cell)) for cell in row] for row in table.rows),
    ]
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n\n".join(
        part for part in (f"**{_text(table.caption)}**", body, _text(table.note)) if part
    )


def _text(text: str) -> str:
    """Escape what markdown, or HTML within it, would read as a command."""
    flat = " ".join(text.split())
    flat = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", flat.replace("&", "&amp;"))  # not in "p < 0.001"
    flat = re.sub(r"([\\`*_|\[\]])", r"\\\1", flat)
    return re.sub(r"^(\s*)([#>+-]|\d+[.)])(?=\s)", r"\1\\\2", flat)
