"""The commands and the snippets of ``docs/own_table.md`` work as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "own_table.md").read_text()
COMMANDS = re.findall(r"^    ((?:metarouter|bandits) .*)$", PAGE, re.M)
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def _run(command: str) -> str:
    from bandits.cli._app import app as bandits
    from metarouter.cli._app import app as metarouter

    program, *words = shlex.split(command)
    app = {"metarouter": metarouter, "bandits": bandits}[program]
    result = CliRunner().invoke(app, words, prog_name=program)
    assert result.exit_code == 0, (command, result.stderr)
    return result.stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_snippet_of_a_search_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(SNIPPETS[1], {})
    assert "model__shift" in capsys.readouterr().out


@pytest.mark.slow
def test_all_commands_run_in_their_order(checkout: Path) -> None:
    said = [_run(command) for command in COMMANDS[:9]]
    assert len(pd.read_csv("routed.csv")) == 200
    sent = (pd.read_csv("routed_again.csv")["route"] == "primary").mean()
    assert f"({sent:.1%}) go to primary" in said[6]
    assert f"it sends {sent:.1%}" in Path("report.html").read_text()
    exec(SNIPPETS[0], {})
    assert "empirical likelihood" in _run(COMMANDS[9])
    assert _run(COMMANDS[10]).split()[0] in ("PROMOTE", "KEEP", "WAIT")
