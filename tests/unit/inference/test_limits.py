from __future__ import annotations

import ast
from pathlib import Path

import pytest

import metarouter.inference._limits as module
from metarouter.inference._limits import (
    DECISION_THRESHOLDS,
    MINIMUM_SAMPLE_SIZES,
    DecisionThreshold,
    Verdict,
    decision_thresholds,
    rows_needed,
    worst,
)


@pytest.mark.parametrize("name", [*DECISION_THRESHOLDS, *MINIMUM_SAMPLE_SIZES])
def test_every_limit_has_a_sentence_that_defends_it(name):
    limit = DECISION_THRESHOLDS.get(name) or MINIMUM_SAMPLE_SIZES[name]
    assert limit.why.endswith(".")
    assert len(limit.why.split()) >= 8
    assert limit.what


def test_all_limits_stand_in_one_table():
    frame = decision_thresholds()
    assert sorted(frame["limit"]) == sorted([*DECISION_THRESHOLDS, *MINIMUM_SAMPLE_SIZES])


def test_more_may_be_better():
    share = DecisionThreshold(0.5, 0.2, "effective share", "An example.")
    assert share.judge(0.6, 0.9) is Verdict.PASS
    assert share.judge(0.05, 0.1) is Verdict.FAIL
    assert share.judge(0.3, 0.4) is Verdict.CAUTION
    assert share.judge(0.1, 0.7) is Verdict.INCONCLUSIVE


def test_an_interval_that_could_not_be_had_is_inconclusive():
    assert DECISION_THRESHOLDS["slope"].judge(float("nan"), float("nan")) is Verdict.INCONCLUSIVE


def test_failure_is_graver_than_ignorance():
    assert worst([Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS]) is Verdict.FAIL
    assert worst([]) is Verdict.INCONCLUSIVE


def test_rows_needed_never_asks_for_fewer_than_there_are():
    assert rows_needed(100, 0.1, 0.5) == 100
    assert rows_needed(100, float("nan"), 0.5) is None
    assert rows_needed(100, 0.1, 0.0) is None


def _names_failure(path: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr == "FAIL"
        for node in ast.walk(ast.parse(path.read_text()))
    )


def test_no_verdict_is_given_without_a_limit_from_the_one_file():
    # Whoever names a failing verdict reads limits, or compares an interval with 0. The report of
    # a monitor gives none: it asks whether one was given.
    folder = Path(module.__file__).parent
    none_given = {"_verdict.py", "_report.py"}
    judges = [p for p in folder.rglob("_*.py") if p.name not in none_given and _names_failure(p)]
    assert len(judges) > 5
    for path in judges:
        text = path.read_text()
        below_zero = "upper < 0" in text or "value < -margin" in text
        assert "DECISION_THRESHOLDS" in text or below_zero, path.name
