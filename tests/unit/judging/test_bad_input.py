"""Mistakes are told in one sentence before anybody is asked."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from command_line import refused, run
from judging_server import JudgingServer

pytest.importorskip("openai")

from metarouter.judging import Price


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "p.csv"
    pd.DataFrame(
        {"query": ["a", "b"], "answer_primary": ["1", "2"], "answer_alternative": ["3", "4"]}
    ).to_csv(path, index=False)
    return path


BASE = ("--judge", "small", "--price", "small=1,1", "--budget", "1")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--budget", "0"), "pays for no call"),
        (("--budget", "-1"), "pays for no call"),
        (("--budget", "much"), "amount of money"),
        (("--judge", "tiny"), "price of the model 'tiny' is not known"),
        (("--price", "small"), "MODEL=INPUT,OUTPUT"),
        (("--price", "small=1,-1"), "MODEL=INPUT,OUTPUT"),
        (("--template", "medicin"), "did you mean 'medicine'"),
        (("--judge", "small"), "named twice"),
        (("--text", "queri"), "did you mean 'query'"),
        (("--answer-primary", "x"), "no column 'x' of answers"),
        (("--grader", "small"), "no rubrics"),
        (("--grader", "small", "--rubric", "none.json"), "no file none.json"),
        (("--base-url", "ftp://x"), "is no address"),
        (("--base-url", "http://127.0.0.1:9/v1"), "cannot be reached"),
    ],
)
def test_one_sentence_before_the_first_call(
    table: Path, options: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with JudgingServer(Price(Decimal(1), Decimal(1))) as server:
        words = ("collect", table, "-o", table.with_name("l.csv"), "--base-url", server.url)
        assert why in refused(*words, *BASE, *options)
        assert not server.asked
    assert not table.with_name("l.csv").exists()


def test_no_budget_no_key_and_nobody_to_ask(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    out = ("-o", table.with_name("l.csv"))
    assert "No --budget" in refused("collect", table, *out, *BASE[:4])
    assert "holds no key" in refused("collect", table, *out, *BASE)
    assert "Nobody is asked" in refused("collect", table, *out, *BASE[4:])


def test_a_rubric_whose_points_do_not_add_up(table: Path) -> None:
    path = table.with_name("r.json")
    path.write_text('{"total": 9, "criteria": [{"criterion": "a", "points": 5}]}')
    words = ("collect", table, "-o", table.with_name("l.csv"), *BASE, "--grader", "small")
    assert "add up to 5" in refused(*words, "--rubric", path)


def test_a_template_without_a_placeholder(table: Path) -> None:
    path = table.with_name("mine.txt")
    path.write_text("[user]\n{{question}} Which is better, {{answer_a}} or the other?")
    words = ("collect", table, "-o", table.with_name("l.csv"), *BASE, "--template", path)
    assert "{{answer_b}}" in refused(*words)


def test_a_file_that_is_no_store_and_columns_that_are_there(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    store = table.with_name("s.sqlite")
    store.write_text("this is a note, and a long one" * 100)
    with JudgingServer(Price(Decimal(1), Decimal(1))) as server:
        words = ("collect", table, "-o", table.with_name("l.csv"), "--base-url", server.url, *BASE)
        assert "no store of replies" in refused(*words, "--store", store)
        pd.read_csv(table).assign(preference=1).to_csv(table, index=False)
        assert "'preference' already" in refused(*words)
        assert not server.asked


def test_templates_are_copied_without_a_table(tmp_path: Path) -> None:
    code, said, _ = run("collect", "--copy-templates", tmp_path / "mine")
    assert code == 0
    assert "medicine.rubric.txt" in said
