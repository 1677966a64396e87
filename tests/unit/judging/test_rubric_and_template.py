from __future__ import annotations

from pathlib import Path

import pytest

from metarouter.exceptions import DataError
from metarouter.judging import copy_templates, load_template, read_rubric
from metarouter.judging.template import DOMAINS

CRITERIA = '[{"criterion": "names the dose", "points": 0.1}, {"criterion": "x", "points": 0.2}]'


def test_points_are_awarded_whole_and_penalties_go_below_zero() -> None:
    rubric = read_rubric(
        [{"criterion": "a", "points": 6}, {"text": "b", "points": 2}, {"text": "c", "points": -4}],
        "r",
    )
    assert rubric.points([True, False, True]) == [6.0, 0.0, -4.0]
    assert rubric.share([True, False, True]) == 0.25
    assert rubric.share([False, False, True]) == -0.5
    assert "criterion_3 (-4 points): c" in rubric.as_text()


def test_a_total_is_compared_as_decimals_are_written() -> None:
    assert read_rubric(f'{{"total": 0.3, "criteria": {CRITERIA}}}', "r").attainable > 0


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (f'{{"total": 0.4, "criteria": {CRITERIA}}}', r"total of 0.4 points, but .* add up to 0.3"),
        ('{"total": "x", "criteria": [{"text": "a", "points": 1}]}', "total of x"),
        ("[]", "lists no criteria"),
        ("{", "not valid JSON"),
        ('[{"points": 1}]', "Criterion 1 of r has no text"),
        ('[{"text": "a", "points": 0}]', "points 0"),
        ('[{"text": "a", "points": true}]', "points True"),
        ('[{"text": "a", "points": NaN}]', "points nan"),
        ('[{"text": "a", "points": -1}]', "no criterion with positive points"),
    ],
)
def test_a_rubric_that_cannot_be_meant_is_refused(source: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        read_rubric(source, "r")


@pytest.mark.parametrize("domain", DOMAINS)
def test_templates_of_every_domain_hold_their_placeholders(domain: str) -> None:
    fields = {"question": "Q1", "answer_a": "A1", "answer_b": "B1"}
    shown = load_template(domain, "pairwise").messages(fields, "f00d")[-1]["content"]
    assert shown.index("<<<QUESTION f00d>>>\nQ1") < shown.index("<<<ANSWER A f00d>>>\nA1")
    assert shown.index("A1") < shown.index("<<<ANSWER B f00d>>>\nB1")
    assert '{"verdict": 1}' in shown
    graded = load_template(domain, "rubric").messages(
        {"question": "Q1", "answer": "A1", "criteria": "c", "reference": None}, "f00d"
    )
    assert "(none is given)" in graded[-1]["content"]
    assert "{{" not in shown + graded[-1]["content"]


def test_what_an_answer_holds_is_put_in_as_it_is() -> None:
    template = load_template("general", "pairwise")
    fields = {"question": "{{answer_a}}", "answer_a": "\\1 {{question}}", "answer_b": "b"}
    shown = template.messages(fields, "f")[-1]["content"]
    assert "<<<QUESTION f>>>\n{{answer_a}}\n" in shown
    assert "\\1 {{question}}" in shown


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[user]\n{{question}} {{answer_a}}", r"lacks the placeholder \{\{answer_b\}\}"),
        ("[user]\n{{question}} {{answer_a}} {{answer_b}} {{anser_b}}", "did you mean 'answer_b'"),
        ("[user]\n{{question}} {{answer_a}} {{answer_b}} {{answer_b}}", "twice"),
        (
            "[system]\n{{question}}\n[user]\n{{question}}{{answer_a}}{{answer_b}}",
            r"in its part \[s",
        ),
        ("{{question}} {{answer_a}} {{answer_b}}", r"one part \[user\]"),
        ("[user]\n", r"one part \[user\]"),
    ],
)
def test_a_template_without_a_placeholder_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "mine.txt").write_text(text)
    with pytest.raises(DataError, match=why):
        load_template(tmp_path / "mine.txt", "pairwise")


def test_templates_are_copied_to_be_changed_and_nothing_is_overwritten(tmp_path: Path) -> None:
    paths = copy_templates(tmp_path)
    assert len(paths) == 2 * len(DOMAINS)
    path = tmp_path / "law.pairwise.txt"
    path.write_text(path.read_text().replace("lawyer", "notary"))
    assert "notary" in load_template(path, "pairwise").system
    with pytest.raises(DataError, match="is there already"):
        copy_templates(tmp_path)
