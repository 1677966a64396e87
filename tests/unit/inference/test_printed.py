from __future__ import annotations

import re

import pandas as pd
import pytest

from metarouter.inference.bias import mean_shift_test
from metarouter.inference.diagnostics import check_data
from metarouter.utils.tables import Printed


class Small(Printed):
    def to_frame(self):
        return pd.DataFrame(
            {
                "a_b": ["x|y", "5%"],
                "value": [0.123456, float("nan")],
                "p_value": [1e-9, 0.04],
                "df": [12.34, 5.0],
            }
        )

    def _title(self):
        return "Small"

    def _facts(self):
        return {"level": "0.95"}

    def _notes(self):
        return ("A note. " * 30,)


def test_markdown_puts_numbers_to_the_right_and_escapes_bars():
    lines = Small().to_markdown().splitlines()
    assert lines[0] == "| a_b | value | p_value | df |"
    assert lines[1] == "| :--- | ---: | ---: | ---: |"
    assert lines[2] == r"| x\|y | 0.1235 | <0.0001 | 12.3 |"
    assert lines[3] == "| 5% | – | 0.0400 | 5.0 |"


def test_latex_escapes_what_latex_would_read():
    text = Small().to_latex(decimals=2)
    assert r"\begin{tabular}{lrrr}" in text
    assert r"a\_b & value & p\_value & df \\" in text
    assert r"5\% & – & 0.04 & 5.0 \\" in text
    assert r"\textless{}0.01" in text


def test_text_has_title_facts_table_and_folded_notes():
    text = str(Small())
    assert text.splitlines()[0].strip() == "Small"
    assert "level: 0.95" in text
    assert max(len(line) for line in text.splitlines()) <= 96


@pytest.mark.parametrize("way", ["summary", "to_markdown", "to_latex"])
def test_all_results_print_in_every_way_with_and_without_numbers(make, way):
    full = check_data(make.labelled(), model=make.router(), nuisances=make.recipe(), random_state=0)
    empty = check_data(make.labelled(20), model=make.router())
    for found in (full, empty):
        parts = [found, found.mean_shift, found.overlap, found.nuisances, found.sensitivity]
        for part in [*parts, found.shift_calibration, found.gain_calibration]:
            text = getattr(part, way)()
            assert text
            assert not re.search(r"\bnan\b", text)


def test_summaries_fit_a_page(make):
    found = check_data(make.labelled(), nuisances=make.recipe(), random_state=0)
    test = mean_shift_test(make.labelled(both=True))
    for part in (found, found.overlap, found.nuisances, found.sensitivity, test):
        assert max(len(line) for line in part.summary().splitlines()) <= 120


def test_a_name_of_two_lines_is_one_cell():
    class Named(Small):
        def to_frame(self):
            return pd.DataFrame({"name": ["a\nb"], "value": [0.5]})

    assert Named().to_markdown().splitlines()[-1] == "| a b | 0.5000 |"
    assert r"a b & 0.5000 \\" in Named().to_latex()
