"""The report on a table says what the inference functions found, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from metarouter import OverlapRegion
from metarouter.datasets import LabelledQueries, make_judged_queries
from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference import (
    MINIMUM_SAMPLE_SIZES,
    CertifiedThreshold,
    Verdict,
    compare_all_pairs,
    efficiency_gain_band,
    mean_shift_test,
    rank_weighted_effects,
)
from metarouter.inference.bias import MeanShiftTest
from metarouter.reporting import ReportSettings, RoutingAnalysis, analyse, routing_report
from metarouter.reporting._analyse import RoutingResults, attempt, predictions
from metarouter.reporting._document import Estimate, Figure, Findings, Paragraph, Table, Unanswered
from metarouter.reporting._write_document import STYLE, canvas_of, render

SETTINGS = ReportSettings(regressor=Ridge(), propensity="constant")


def _queries(n: int = 500, **changes: Any) -> LabelledQueries:
    data = make_judged_queries(n, 6, gold_share=0.4, pairing=0.2, random_state=0)
    rng = np.random.default_rng(0)
    return replace(
        data,
        cost_primary=rng.uniform(2, 3, n),
        cost_alternative=rng.uniform(0, 1, n),
        feature_names=["<script>x</script> $\\bad$ 中", "x2", "x3", "x4", "x5", "x6"],
        **changes,
    )


def _few(n_gold: int) -> LabelledQueries:
    data = make_judged_queries(200, 6, gold_share=0.4, pairing=0.2, random_state=0)
    gold = np.where(np.cumsum(data.has_gold) <= n_gold, data.gold, np.nan)
    known = ~np.isnan(gold) | data.has_preference
    return replace(data, gold=gold).subset(known)


@pytest.fixture(scope="module")
def analysis() -> RoutingAnalysis:
    return analyse(_queries(), SETTINGS)


@pytest.fixture(scope="module")
def routing(analysis: RoutingAnalysis) -> RoutingResults:
    assert isinstance(analysis.routing, RoutingResults)
    return analysis.routing


def _table(analysis: RoutingAnalysis, caption: str) -> Table:
    return next(t for t in routing_report(analysis).tables() if t.caption == caption)


def _numbers(estimate: Any) -> tuple[float, float, float]:
    assert isinstance(estimate, Estimate)
    return estimate.value, estimate.low, estimate.high


def test_mean_shifts_are_those_of_the_test_by_itself(analysis: RoutingAnalysis) -> None:
    rows = _table(analysis, "Mean shift, gold minus preference").rows
    assert len(rows) == 4
    for row, method in zip(rows, ("paired", "aipw", "overlap", "difference"), strict=True):
        test = analysis.mean_shifts[method]
        assert isinstance(test, MeanShiftTest)
        assert _numbers(row[1]) == (test.value, test.lower, test.upper)
    plain = mean_shift_test(analysis.queries, method="difference")
    assert _numbers(rows[3][1]) == (plain.value, plain.lower, plain.upper)


def test_gains_are_those_of_the_bands_on_held_out_gold_labels(
    analysis: RoutingAnalysis, routing: RoutingResults
) -> None:
    held_out = analysis.held_out
    assert not isinstance(held_out, Unanswered)
    rows = (held_out.fold >= 0) & analysis.queries.has_gold
    assert routing.n_gold == rows.sum()
    gold = analysis.queries.gold[rows]
    ranks = {name: rank[rows] for name, rank in held_out.ranks().items()}
    band = efficiency_gain_band(gold, ranks["adaptive"])
    np.testing.assert_array_equal(band.band_lower, routing.gain.band_lower)
    effects = rank_weighted_effects(gold, ranks["adaptive"])
    shown = _table(analysis, "Rank-weighted effects of the router").rows[0]
    assert _numbers(shown[2]) == (effects.value[0], effects.lower[0], effects.upper[0])
    pairs = compare_all_pairs(gold, ranks)
    shown = _table(analysis, "All pairs of routers").rows[0]
    assert _numbers(shown[1]) == (
        pairs.difference[0], pairs.difference_lower[0], pairs.difference_upper[0],
    )  # fmt: skip


def test_the_overlap_by_density_ratio_is_told_unless_gold_was_drawn_at_random(
    analysis: RoutingAnalysis,
) -> None:
    title = "Do the two sources cover the same queries?"
    assert analysis.overlap_region is None
    assert "density ratio" not in render(routing_report(analysis), "md").split(title)[1]
    queries = analysis.queries
    rows = queries.training_rows()
    region = OverlapRegion(random_state=0).fit(rows.X, rows.is_gold)
    told = render(routing_report(replace(analysis, overlap_region=region)), "md")
    assert region.summary() in " ".join(told.split())
    open_question = replace(analysis, overlap_region=Unanswered("they do not meet."))
    assert "they do not meet." in render(routing_report(open_question), "md")


def test_no_router_has_seen_what_it_is_tested_on(analysis: RoutingAnalysis) -> None:
    queries = analysis.queries
    held_out = analysis.held_out
    assert not isinstance(held_out, Unanswered)
    # Labels of the last fold may change at will without changing what is predicted for it.
    last = held_out.fold == held_out.fold.max()
    changed = replace(
        queries,
        gold=np.where(last, -3 * queries.gold, queries.gold),
        preference=np.where(last, -queries.preference, queries.preference),
    )
    unscaled = replace(SETTINGS, scaling=None)
    before, again = predictions(queries, unscaled), predictions(changed, unscaled)
    for name, gain in before.gains.items():
        np.testing.assert_array_equal(gain[last], again.gains[name][last])


def test_no_estimate_stands_without_its_limits(analysis: RoutingAnalysis) -> None:
    read = json.loads(render(routing_report(analysis), "json"))
    estimates = list(_estimates(read))
    assert len(estimates) > 50
    for estimate in estimates:
        known = estimate["low"] is not None or estimate["high"] is not None
        assert known or estimate["value"] is None


def _estimates(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict) and {"value", "low", "high"} <= set(part):
        yield part
    elif isinstance(part, dict | list):
        for below in part.values() if isinstance(part, dict) else part:
            yield from _estimates(below)


def test_no_label_leaves_its_picture(analysis: RoutingAnalysis) -> None:
    figures = routing_report(analysis).figures()
    assert len(figures) >= 8
    for figure in figures:
        with mpl.rc_context(STYLE):
            canvas = canvas_of(figure)
            canvas.draw_without_rendering()
            box = canvas.get_tightbbox()
        width, height = figure.size
        assert box.x0 > -0.02, figure.name
        assert box.y0 > -0.02, figure.name
        assert box.x1 < width + 0.02, figure.name
        assert box.y1 < height + 0.02, figure.name


def test_every_setting_seed_and_version_is_there(analysis: RoutingAnalysis) -> None:
    page = render(routing_report(analysis), "md")
    for words in ("Ridge", "constant: gold queries were drawn at random", "scikit-learn", "seed"):
        assert words in page


def test_there_is_no_section_on_judges_without_a_profile(analysis: RoutingAnalysis) -> None:
    titles = [section.title for section in routing_report(analysis).sections]
    assert analysis.judges == ()
    assert "The judges" not in titles


def test_costs_bring_their_own_section(analysis: RoutingAnalysis, routing: RoutingResults) -> None:
    def titles(found: RoutingAnalysis) -> set[str]:
        return {section.title for _, section in routing_report(found).walk()}

    without = replace(analysis, routing=replace(routing, cost_quality=None))
    assert titles(analysis) - titles(without) == {"What quality costs"}


@pytest.mark.parametrize("n_gold", [3, 29, 45])
def test_with_few_gold_labels_claims_are_open_and_say_how_many_would_do(n_gold: int) -> None:
    found = analyse(_few(n_gold), SETTINGS)
    document = routing_report(found)
    summary = document.sections[0].blocks[1]
    assert isinstance(summary, Findings)
    action, *claims, plan = summary.items
    assert action.text.startswith("What to do? Label more queries.")
    verdicts = [claim.verdict for claim in claims]
    assert verdicts[0] is Verdict.INCONCLUSIVE
    assert verdicts[2:] == [Verdict.INCONCLUSIVE] * len(verdicts[2:])
    assert all("? Open. " in claim.text for claim in (claims[0], *claims[2:]))
    assert f"{MINIMUM_SAMPLE_SIZES['gold_rows_held_out'].count} would do" in claims[-1].text
    if n_gold < MINIMUM_SAMPLE_SIZES["gold_rows"].count:
        assert verdicts[1] is Verdict.INCONCLUSIVE
        assert f"{MINIMUM_SAMPLE_SIZES['gold_rows'].count} would do" in claims[1].text
        assert plan.verdict is Verdict.INCONCLUSIVE
        assert "Efficiency gain" not in {table.caption for table in document.tables()}
    assert re.search(r"\bnan\b", render(document, "md"), re.IGNORECASE) is None
    json.loads(render(document, "json"), parse_constant=lambda name: pytest.fail(name))


def test_the_first_screen_says_what_to_do_and_the_second_draws_the_curve(
    analysis: RoutingAnalysis,
) -> None:
    document = routing_report(analysis)
    intro, findings, curve = document.sections[0].blocks
    assert isinstance(intro, Paragraph)
    assert isinstance(analysis.routing, RoutingResults)
    tested = f"tested on {analysis.routing.n_gold} of the {analysis.queries.n_gold} gold labels"
    assert tested in intro.text
    assert isinstance(findings, Findings)
    assert findings.items[0].text.startswith("What to do? ")
    assert isinstance(curve, Figure)
    assert curve.name == "efficiency_gain"
    names = [figure.name for figure in document.figures()]
    assert len(set(names)) == len(names)


def test_the_mean_shift_is_given_by_one_section(analysis: RoutingAnalysis) -> None:
    tables = {table.caption: table for table in routing_report(analysis).tables()}
    projected = tables["Best linear projection of the shift"]
    assert all(not str(row[0]).startswith("mean") for row in projected.rows)


def test_a_note_says_why_two_intervals_of_one_area_differ(
    analysis: RoutingAnalysis, routing: RoutingResults
) -> None:
    assert routing.effects.method != routing.pairs.method
    assert "half-samples" in _table(analysis, "Area under the efficiency gain").note
    alike = replace(routing, effects=replace(routing.effects, method=routing.pairs.method))
    alone = replace(analysis, routing=alike)
    assert "half-samples" not in _table(alone, "Area under the efficiency gain").note


def test_shifts_are_said_to_be_scaled_only_where_they_are(analysis: RoutingAnalysis) -> None:
    unscaled = replace(analysis, settings=replace(analysis.settings, scaling=None))
    assert "to whose scale" in render(routing_report(analysis), "md")
    assert "to whose scale" not in render(routing_report(unscaled), "md")


def test_commands_that_deploy_stand_each_for_itself(analysis: RoutingAnalysis) -> None:
    commands = ("metarouter report a.csv --save-router r.skops", "metarouter route r.skops b.csv")
    deployed = replace(analysis, settings=replace(analysis.settings, deploy=commands))
    page = render(routing_report(deployed), "tex")
    assert all(rf"\item \texttt{{{c.replace('--', '-{}-')}}}" in page for c in commands)


def test_few_groups_leave_the_comparison_open() -> None:
    data = _queries(300)
    grouped = replace(data, groups=np.arange(300) % 12)
    document = routing_report(analyse(grouped, SETTINGS))
    section = next(s for s in document.sections if s.title == "Which router?")
    findings = next(block for block in section.blocks if isinstance(block, Findings))
    assert findings.items[0].verdict is Verdict.INCONCLUSIVE
    assert "groups" in findings.items[0].text


def test_few_groups_leave_the_threshold_open_and_are_named() -> None:
    grouped = replace(_queries(300), groups=np.arange(300) % 12)
    found = analyse(grouped, replace(SETTINGS, constraints={"max_share": 0.9}))
    assert not isinstance(found.routing, Unanswered)
    assert not isinstance(found.routing.threshold, Unanswered)
    assert "independent groups are too few" in found.routing.threshold.reason


def test_names_of_columns_are_escaped(analysis: RoutingAnalysis) -> None:
    page = render(routing_report(analysis), "html")
    assert "<script" not in page
    assert "&lt;script&gt;x" in page


def test_the_same_seed_gives_the_same_report(analysis: RoutingAnalysis) -> None:
    again = routing_report(analyse(_queries(), SETTINGS))
    assert render(again, "json") == render(routing_report(analysis), "json")


def test_the_threshold_keeps_what_was_demanded_and_the_report_says_so() -> None:
    demanded = replace(SETTINGS, constraints={"max_share": 0.3}, delta=0.2)
    found = analyse(_queries(), demanded)
    assert isinstance(found.routing, RoutingResults)
    threshold = found.routing.threshold
    assert isinstance(threshold, CertifiedThreshold)
    share = threshold.promise("max_share")
    rows = _table(found, "What the threshold keeps and costs").rows
    assert rows[0][1] == "at most 0.3"
    assert _numbers(rows[0][2]) == (share.value, share.lower, share.upper)
    certified = found.routing.certified
    assert not isinstance(certified, Unanswered)
    unseen = found.queries.subset(certified.held_back)
    routed = certified.router.predict(
        unseen.X, cost_primary=unseen.cost_primary, cost_alternative=unseen.cost_alternative
    )
    assert np.mean(routed == SETTINGS.models[1]) == pytest.approx(share.value)


def test_a_demand_without_meaning_is_refused() -> None:
    with pytest.raises(BudgetError, match="max_share is 2"):
        analyse(_queries(), replace(SETTINGS, constraints={"max_share": 2.0}))


def test_constraints_are_taken_under_their_former_name():
    assert ReportSettings(demands={"max_share": 0.3}).constraints == {"max_share": 0.3}


def test_queries_that_are_all_alike_are_refused() -> None:
    queries = _queries()
    with pytest.raises(DataError, match="each of the 6 has one value in all 500 rows") as error:
        analyse(replace(queries, X=np.ones_like(queries.X)), SETTINGS)
    assert "\n" not in str(error.value)


def test_a_wrong_setting_is_no_reason_why_a_question_is_open() -> None:
    def compute() -> None:
        raise MetaRouterError("level is 2; give less.", parameter="level")

    with pytest.raises(MetaRouterError, match="level is 2"):
        attempt(compute)
