"""The walk of docs/collecting_labels.md: prompts, answers, labels, router, report, served."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import run
from judging_server import Faults, JudgingServer

pytest.importorskip("openai")
pytest.importorskip("tenacity")
pytest.importorskip("uvicorn")

from bandits.serving import open_service
from metarouter.judging import Price

MODELS = {"primary", "alternative"}
PAGE = Path(__file__).parents[3] / "docs" / "collecting_labels.md"


def commands_of_the_walk() -> list[list[str]]:
    """The commands of the first section, as they stand on the page."""
    section = PAGE.read_text("utf-8").split("## ")[1]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    shown = "".join(text for language, text in blocks if not language)
    return [shlex.split(line) for line in shown.replace("\\\n", " ").splitlines()]


def rubric_of_the_walk() -> str:
    return re.findall(r"^```json\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)[0]


@pytest.mark.slow
def test_the_page_leads_from_prompts_to_a_served_router(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    faults = Faults(busy=0.1, broken_server=0.1, half=0.05, malformed=0.1)
    fit, report, route, serve, ask = collect_as_the_page_says(monkeypatch, faults)
    labels = pd.read_csv("labels.csv")
    assert labels["gold"].notna().sum() >= 30  # a grade that is malformed twice is lost
    assert labels["preference"].notna().sum() >= 50
    for command in (fit, report, route):
        code, _, error = run(*command[1:])
        assert code == 0, error
    assert set(pd.read_csv("routed.csv")["route"]) <= MODELS
    page = Path("report.html").read_text("utf-8")
    assert 'id="the-judges"' in page
    assert "moved towards the answer shown first" in page
    assert answer_of(serve, ask)["model"] in MODELS


def test_labels_become_a_router_that_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without the report, and with the router served in this process."""
    monkeypatch.chdir(tmp_path)
    fit, _, _, serve, ask = collect_as_the_page_says(monkeypatch, Faults())
    code, _, error = run(*fit[1:], "--no-check", "--n-jobs", "1")
    assert code == 0, error
    service = open_service(Path(serve[2]))
    prompt = json.loads(ask[ask.index("-d") + 1])["prompt"]
    assert service.route(prompt=prompt, request_id="1").model in MODELS
    service.close()


def collect_as_the_page_says(
    monkeypatch: pytest.MonkeyPatch, faults: Faults
) -> tuple[list[str], ...]:
    """Run the commands that collect, with fewer gold labels; return the others."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    words = ["cold", "flu", "gout", "acne", "rash"]
    queries = [f"{words[k % 5]} and {words[k % 4]}, case {k}" for k in range(60)]
    pd.DataFrame({"query": queries}).to_csv("prompts.csv", index=False)
    pd.DataFrame({"query": ["a cold", "gout again"]}).to_csv("new.csv", index=False)
    # The grader of the local endpoint looks for the quality that an answer names.
    rubric = rubric_of_the_walk().replace("usual dose for adults", "dose, 3")
    Path("rubric.json").write_text(rubric.replace("a doctor", "a doctor, 4"))
    estimate, *others = commands_of_the_walk()
    assert [command[:2] for command in others[:-1]] == [
        ["metarouter", "fit"], ["metarouter", "report"], ["metarouter", "route"],
        ["bandits", "serve"],
    ]  # fmt: skip
    n_gold = estimate.index("--n-gold") + 1
    assert estimate[n_gold] == "300"
    estimate[n_gold] = "40"
    price = Price(Decimal("0.25"), Decimal("2"))
    with JudgingServer(price, faults, noise=1.0) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        code, said, error = run(*estimate[1:])
        assert code == 0, error
        assert "320 calls" in said
        collected = [word for word in estimate[1:] if word != "--dry-run"]
        code, _, error = run(*collected, "--budget", "5")
        assert code == 0, error
    return tuple(others)


def answer_of(serve: list[str], ask: list[str]) -> dict[str, Any]:
    """Serve the router in a process of its own, as the page says, and ask it as the page does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "bandits", *serve[1:]]
    command[command.index("8080")] = port
    address = next(word for word in ask if word.startswith("localhost:8080"))
    request = urllib.request.Request(
        f"http://{address.replace('localhost:8080', f'127.0.0.1:{port}')}",
        ask[ask.index("-d") + 1].encode(),
        {"Content-Type": "application/json"},
    )
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                with suppress(urllib.error.URLError), urllib.request.urlopen(request) as reply:
                    return json.loads(reply.read())
                assert process.poll() is None
                time.sleep(0.1)
        finally:
            process.terminate()
    raise AssertionError("the router was not served")
