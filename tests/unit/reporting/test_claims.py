"""Claims are held, reversed or not significantly different, by one rule everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metarouter.evaluation import StudyResult
from metarouter.reporting import Claim, Trend, check_claims, check_trends, verdict
from metarouter.reporting._claims import claim_sentences
from paper_figures._claims_tables import claims_table, grid_row


def claim(baseline: str, here: tuple[float, float], other: tuple[float, float]) -> Claim:
    return Claim("dr_learner", baseline, 50, sum(here) / 2, here, other)


def test_a_verdict_needs_an_interval_on_one_side_of_zero() -> None:
    assert verdict(0.1, 0.2) == "held"
    assert verdict(-0.2, -0.1) == "reversed"
    assert verdict(-0.1, 0.2) == "not significantly different"
    assert verdict(0.0, 0.2) == "not significantly different"


def test_an_interval_that_is_not_known_tells_nothing_apart() -> None:
    assert verdict(np.nan, np.nan) == "not significantly different"


def test_every_meta_router_is_held_against_every_baseline_at_every_size(
    result: StudyResult,
) -> None:
    claims = check_claims(result)
    assert len(claims) == 2 * 4 * 2
    assert [c.n_gold for c in claims] == sorted(c.n_gold for c in claims)


def test_a_claim_rests_on_the_paired_differences_of_the_study(result: StudyResult) -> None:
    found = next(
        c
        for c in check_claims(result)
        if (c.router, c.baseline, c.n_gold) == ("r_learner", "gold_only", 30)
    )
    area = {name: result.area[:, result.routers.index(name), 1] for name in result.routers}
    expected = area["r_learner"] - area["gold_only"]
    assert found.difference == pytest.approx(expected.mean())
    assert np.mean(found.this_table) == pytest.approx(expected.mean())


def test_what_holds_for_other_tables_is_never_surer_than_on_this_one(result: StudyResult) -> None:
    for c in check_claims(result):
        assert c.other_tables[0] <= c.this_table[0] <= c.this_table[1] <= c.other_tables[1]


def test_words_say_where_the_two_verdicts_part() -> None:
    same = [claim("pooled", (0.1, 0.2), (0.05, 0.25))]
    parted = [claim("pooled", (0.1, 0.2), (-0.1, 0.4)), claim("gold_only", (-0.3, -0.1), (-1, 1))]
    assert claim_sentences(same) == [
        "With 50 gold labels, DR-learner is better than pooled on this table; for other tables "
        "like it the verdicts are the same."
    ]
    assert claim_sentences(parted) == [
        "With 50 gold labels, DR-learner is better than pooled, worse than gold only on this "
        "table; for other tables like it: not significantly different from pooled and gold only."
    ]


def test_trends_go_from_the_fewest_gold_labels_to_the_most(result: StudyResult) -> None:
    area = {name: result.area[:, result.routers.index(name)] for name in result.routers}
    trends = {trend.statement: trend for trend in check_trends(result)}
    assert len(trends) == 2 + 4 + 1
    rises = trends["gold_only rises from n_gold = 30 to 60"]
    assert rises.change == pytest.approx(np.mean(area["gold_only"][:, 0] - area["gold_only"][:, 1]))
    lead = trends["r_learner: lead over gold_only larger at n_gold = 30 than at 60"]
    leads = area["r_learner"] - area["gold_only"]
    assert lead.change == pytest.approx(np.mean(leads[:, 1] - leads[:, 0]))
    assert np.mean(lead.other_tables) == pytest.approx(lead.change)


def test_flat_is_held_only_where_the_whole_interval_lies_within_the_margin() -> None:
    def flat(low: float, high: float) -> str:
        return Trend("flat", (low + high) / 2, (low, high), margin=0.1).verdict

    assert flat(-0.05, 0.08) == "held"
    assert flat(0.15, 0.2) == flat(-0.3, -0.11) == "reversed"
    assert flat(-0.05, 0.2) == flat(-1, 1) == "not significantly different"
    assert Trend("rises", 0.1, (0.05, 0.15)).verdict == "held"


def test_one_number_of_gold_labels_shows_no_trend(result: StudyResult) -> None:
    one = replace(
        result,
        n_gold=(60,),
        area=result.area[:, :, :1],
        efficiency_gain=result.efficiency_gain[:, :, :1],
    )
    assert check_trends(one) == []


def test_the_tables_of_the_paper_hold_every_claim_and_trend(result: StudyResult) -> None:
    table = claims_table(result)
    assert len(table.splitlines()) == 2 + 2 * 4 * 2 + 7
    for claim in check_claims(result):
        statement = f"| {claim.router} above {claim.baseline}, n_gold = {claim.n_gold} | "
        assert f"{statement}{claim.difference:+.4f} [" in table
    cells = grid_row(result, 0.5, 1.0, 30).strip("| ").split(" | ")
    assert cells[:3] == ["0.5", "1", "30"]
    assert len(cells) == 3 + 2 * 4
