"""Profiles of real judges, as docs/collecting_labels.md shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from paper_figures.judge_profiles import graders, tables

PAGE = Path(__file__).parents[2] / "docs" / "collecting_labels.md"


@pytest.mark.slow
def test_the_page_shows_what_the_tables_say(real_data_home: Path) -> None:
    page = PAGE.read_text("utf-8")
    for table in tables(real_data_home).split("\n\n"):
        assert table in page


@pytest.mark.slow
def test_agreement_is_that_of_the_card(real_data_home: Path) -> None:
    """Pairs right, ties as half, of the mean of eight draws; as the card of the data has it."""
    card = {"gpt54_base": 0.914, "gpt54nano_base": 0.856, "haiku45_criteria": 0.937}
    found = {
        profile.judge: profile.value[profile.names.index("agreement")]
        for profile in graders(real_data_home)
    }
    assert len(found) == 22
    for judge, agreement in card.items():
        assert found[judge] == pytest.approx(agreement, abs=0.0006)
