"""The walk of docs/collecting_labels.md: prompts, answers, labels, router, report, routing."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from command_line import run
from judging_server import JudgingServer

pytest.importorskip("openai")
pytest.importorskip("tenacity")

from metarouter.judging import Price

PAGE = Path(__file__).parents[3] / "docs" / "collecting_labels.md"


def commands_of_the_walk() -> list[list[str]]:
    """The commands of the first section, as they stand on the page."""
    section = PAGE.read_text("utf-8").split("## ")[1]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    shown = "".join(text for language, text in blocks if not language)
    return [shlex.split(line)[1:] for line in shown.replace("\\\n", " ").splitlines()]


def rubric_of_the_walk() -> str:
    return re.findall(r"^```json\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)[0]


@pytest.mark.slow
def test_the_page_leads_from_prompts_to_routed_queries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    words = ["cold", "flu", "gout", "acne", "rash"]
    queries = [f"{words[k % 5]} and {words[k % 4]}, case {k}" for k in range(60)]
    pd.DataFrame({"query": queries}).to_csv("prompts.csv", index=False)
    pd.DataFrame({"query": ["a cold", "gout again"]}).to_csv("new.csv", index=False)
    # The grader of the local endpoint looks for the quality that an answer names.
    rubric = rubric_of_the_walk().replace("usual dose for adults", "dose, 3")
    rubric = rubric.replace("a doctor", "a doctor, 4")
    Path("rubric.json").write_text(rubric)
    estimate, *others = commands_of_the_walk()
    assert [words[0] for words in others] == ["fit", "report", "route"]
    n_gold = estimate.index("--n-gold") + 1
    assert estimate[n_gold] == "300"
    estimate[n_gold] = "40"
    with JudgingServer(Price(Decimal("0.25"), Decimal("2")), noise=1.0) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        code, said, error = run(*estimate)
        assert code == 0, error
        assert "320 calls" in said
        collected = [word for word in estimate if word != "--dry-run"]
        code, _, error = run(*collected, "--budget", "5")
        assert code == 0, error
    labels = pd.read_csv("labels.csv")
    assert labels["gold"].notna().sum() == 40
    assert labels["preference"].notna().all()
    for command in others:
        code, _, error = run(*command)
        assert code == 0, error
    assert set(pd.read_csv("routed.csv").columns) > {"query"}
    assert "shift" in Path("report.html").read_text("utf-8").lower()
