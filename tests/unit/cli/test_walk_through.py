"""The commands and the snippets of ``docs/own_table.md`` work as they stand there."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "own_table.md").read_text()
_COMMAND = r"^    ((?:metarouter|bandits) .*)$"
EXPORTS = re.findall(_COMMAND, PAGE.split("## Tables of other tools")[1].split("\n## ")[0], re.M)
COMMANDS = [words for words in re.findall(_COMMAND, PAGE, re.M) if words not in EXPORTS]
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


def _served(command: str, prompt: str) -> dict[str, object]:
    """Serve a router as the page says, at a free port, and return what it answers to a prompt."""
    import httpx

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = re.sub(r"--port \d+", f"--port {port}", command).split()
    server = subprocess.Popen([sys.executable, "-m", *words])
    try:
        for _ in range(300):
            try:
                answer = httpx.post(f"http://127.0.0.1:{port}/route", json={"prompt": prompt})
                return answer.raise_for_status().json()
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the service has not started")
    finally:
        server.terminate()
        server.wait(30)


def test_the_walk_to_a_served_router_takes_ten_commands() -> None:
    ten = [words.split()[:2] for words in COMMANDS[:10]]
    assert [words for _, words in ten] == [
        *("fit", "route", "report", "route", "serve", "fit", "route", "serve"),
        *("value", "compare"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("command", EXPORTS)
def test_the_export_of_another_tool_is_read_as_it_stands(checkout: Path, command: str) -> None:
    said = _run(command + (" --n-jobs 1" if command.startswith("metarouter") else ""))
    if command.startswith("bandits"):
        assert "large-model" in Path("routerbench_study/table.csv").read_text()
        return
    assert "Saved to" in said
    n_gold, n_preference = map(int, re.findall(r"(\d+) with a (?:gold|preference) label", said))
    assert n_gold >= 28
    assert n_preference >= 28 or "the router learns from gold labels alone" in said


@pytest.mark.slow
def test_all_commands_run_in_their_order(checkout: Path) -> None:
    pytest.importorskip("starlette")
    said = [_run(command) for command in COMMANDS[:4]]
    routed = pd.read_csv("routed.csv")
    assert len(routed) == 200
    sent = (pd.read_csv("routed_again.csv")["route"] == "primary").mean()
    assert f"({sent:.1%}) go to primary" in said[3]
    assert f"it sends {sent:.1%}" in Path("report.html").read_text()
    assert _served(COMMANDS[4], routed["prompt"][0])["model"] in ("primary", "alternative")
    for command in COMMANDS[5:7]:
        _run(command)
    arena = pd.read_csv("routed_arena.csv")
    assert _served(COMMANDS[7], arena["prompt"][0])["model"] == arena["route"][0]
    exec(SNIPPETS[0], {})
    assert "empirical likelihood" in _run(COMMANDS[8])
    assert _run(COMMANDS[9]).split()[0] in ("PROMOTE", "KEEP", "WAIT")
    further = [words for words in COMMANDS[10:] if "OUTCOMES" not in words]
    assert len([_run(command) for command in further]) == 3
