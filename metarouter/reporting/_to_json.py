"""A document as JSON: every number with its limits and its unit, readable without this package."""

from __future__ import annotations

import json
import math
from typing import Any

from metarouter.inference import Verdict
from metarouter.reporting._cells import Cell, Estimate, Limits, PValue
from metarouter.reporting._document import (
    Block,
    Bullets,
    Column,
    Document,
    Figure,
    Findings,
    Paragraph,
    Section,
    Table,
)

_SCHEMA = "metarouter-report/1"


def to_json(document: Document) -> str:
    """Write a document as JSON.

    Parameters
    ----------
    document : Document

    Returns
    -------
    str
        An object with ``schema``, ``title``, ``subtitle`` and ``sections``; each section holds
        ``blocks`` that say their ``type``. Estimates are objects with ``value``, ``low``, ``high``
        and ``unit``; what is not known is null.
    """
    content = {
        "schema": _SCHEMA,
        "title": document.title,
        "subtitle": document.subtitle,
        "sections": [_section(section) for section in document.sections],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _section(section: Section) -> dict[str, Any]:
    return {
        "id": section.anchor,
        "title": section.title,
        "blocks": [_block(block) for block in section.blocks],
        "sections": [_section(below) for below in section.sections],
    }


def _block(block: Block) -> dict[str, Any]:
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
                [_cell(*pair) for pair in zip(row, block.columns, strict=True)]
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


def _cell(cell: Cell, column: Column) -> Any:
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
