"""Names with an underscore stay in their own package."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted(path for room in ("metarouter", "bandits") for path in (ROOT / room).rglob("*.py"))


def private_imports(path: Path) -> list[str]:
    """Private modules and names that a file takes from the other package."""
    home = path.relative_to(ROOT).parts[0]
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        package = node.module.split(".")[0]
        if package in {"metarouter", "bandits"} - {home}:
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
            found += [name for name in names if name.startswith("_") and not name.endswith("__")]
    return found


def test_no_private_name_crosses_the_packages():
    crossing = {str(path.relative_to(ROOT)): private_imports(path) for path in FILES}
    assert len(crossing) > 300
    assert {path: names for path, names in crossing.items() if names} == {}
