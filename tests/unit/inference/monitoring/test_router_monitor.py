from __future__ import annotations

import numpy as np
import pytest
from oracles import monitoring as oracle

from metarouter.exceptions import MetaRouterError
from metarouter.inference import RouterMonitor, Verdict


def reading(monitor, name, over="all"):
    return next(
        r for r in monitor.report().readings if r.quantity.startswith(name) and over in r.over
    )


# -- what is estimated


def test_share_and_costs_are_those_of_the_stream(streams):
    c = streams.columns()
    monitor = RouterMonitor().update(**c)
    sent, dear, cheap = c["routed_to_primary"], c["cost_primary"], c["cost_alternative"]
    paid = np.where(sent, dear, cheap)
    assert reading(monitor, "usage").value == pytest.approx(sent.mean())
    assert reading(monitor, "saving").value == pytest.approx(1 - paid.sum() / dear.sum())
    assert reading(monitor, "extra cost").value == pytest.approx(paid.sum() / cheap.sum() - 1)
    assert reading(monitor, "cost per query").value == pytest.approx(paid.mean())


def test_costs_have_the_half_widths_of_their_linearised_ratios(streams):
    c = streams.columns()
    found = reading(RouterMonitor(level=0.9, horizon=300).update(**c), "saving")
    paid = np.where(c["routed_to_primary"], c["cost_primary"], c["cost_alternative"])
    ratio = paid.sum() / c["cost_primary"].sum()
    residual = (paid - ratio * c["cost_primary"]) / c["cost_primary"].mean()
    expected = oracle.mean_half_width(residual, 0.1, 300)
    assert (found.upper - found.lower) / 2 == pytest.approx(expected, rel=1e-9)


def test_quality_rests_on_debiased_scores(streams):
    c = streams.columns(500, probability=0.3)
    monitor = RouterMonitor().update(**c)
    sent = c["routed_to_primary"]
    score = oracle.gain_scores(sent, c["prediction"], c["gold"], c["gold_probability"])
    gain, loss = np.where(sent, score, 0.0), np.where(sent, 0.0, score)
    found = reading(monitor, "gold gain")
    assert found.value == pytest.approx(gain.mean())
    assert found.upper - found.value == pytest.approx(
        oracle.mean_half_width(gain, 0.05, 1000), rel=1e-9
    )
    assert reading(monitor, "gold loss").value == pytest.approx(loss.mean())
    influence = (sent - sent.mean()) * (score - score.mean())
    eg = reading(monitor, "efficiency gain")
    assert eg.value == pytest.approx(influence.mean())
    assert eg.upper - eg.value == pytest.approx(
        oracle.mean_half_width(influence, 0.05, 1000), rel=1e-9
    )


def test_last_window_is_read_by_itself(streams):
    c = streams.columns(650)
    monitor = RouterMonitor(window=200).update(**c)
    window = reading(monitor, "usage", "401-600")
    assert window.value == pytest.approx(c["routed_to_primary"][400:600].mean())
    assert window.lower < window.value < window.upper


def test_order_of_rows_changes_neither_share_nor_costs(streams):
    c = streams.columns(400)
    order = np.random.default_rng(9).permutation(400)
    mixed = {name: column[order] for name, column in c.items()}
    one, other = (RouterMonitor(window=1000).update(**columns) for columns in (c, mixed))
    for name in ("usage", "saving", "extra cost", "cost per query", "gold labels drawn"):
        a, b = reading(one, name), reading(other, name)
        assert (a.value, a.lower, a.upper) == pytest.approx((b.value, b.lower, b.upper), abs=1e-12)


# -- verdicts


def test_constraints_are_kept_broken_or_open(streams):
    c = streams.columns(2000)
    share = c["routed_to_primary"].mean()

    def verdict(**constraint):
        return reading(RouterMonitor(**constraint).update(**c), "usage").verdict

    assert verdict(max_share=share + 0.1) is Verdict.PASS
    assert verdict(max_share=share - 0.1) is Verdict.FAIL
    assert verdict(max_share=share + 0.005) is Verdict.INCONCLUSIVE
    saving = RouterMonitor(min_saving=0.9).update(**c)
    assert reading(saving, "saving").verdict is Verdict.FAIL
    assert saving.report().is_alarm


def test_a_constraint_kept_overall_and_broken_of_late_is_a_caution():
    decisions = np.concatenate([np.arange(4000) % 10 == 0, np.arange(500) % 2 == 0])
    found = reading(RouterMonitor(max_share=0.3).update(decisions), "usage")
    assert found.verdict is Verdict.CAUTION
    assert "rows 4001-4500 break it" in found.reason


def test_too_few_gold_labels_give_no_interval_and_no_verdict(streams):
    c = streams.columns(60, probability=0.1)
    found = reading(RouterMonitor(min_gain=0.0).update(**c), "gold gain")
    assert np.isnan(found.lower)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert np.isnan(found.value)
    labels = (~np.isnan(c["gold"]) & c["routed_to_primary"]).sum()
    assert f"{20 - labels} more gold labels" in found.reason


def test_costs_of_a_router_that_calls_one_model_alone_may_change_with_its_next_decision():
    monitor = RouterMonitor(min_saving=0.5, max_cost=0.2)
    monitor.update(np.ones(1000, dtype=bool), cost_primary=1.0, cost_alternative=0.1)
    share, saving = reading(monitor, "usage"), reading(monitor, "saving")
    assert share.upper == 1.0
    assert share.lower < 0.999
    assert saving.value == pytest.approx(0.0, abs=1e-12)
    assert saving.lower == pytest.approx(0.0, abs=1e-12)
    assert saving.upper == pytest.approx(0.9 * (1 - share.lower))
    cost = reading(monitor, "cost per")
    assert (cost.lower, cost.upper) == pytest.approx((0.1 + 0.9 * share.lower, 1.0))
    assert saving.verdict is cost.verdict is Verdict.FAIL


def test_costs_that_are_all_alike_give_no_interval_and_no_verdict():
    monitor = RouterMonitor(max_cost=1.0, min_saving=0.0)
    monitor.update(np.arange(300) % 2 == 0, cost_primary=0.1 + 0.2, cost_alternative=0.3)
    for name in ("cost per", "saving"):
        found = reading(monitor, name)
        assert np.isnan([found.value, found.lower, found.upper]).all()
        assert found.verdict is Verdict.INCONCLUSIVE
        assert "all alike" in found.reason


def test_a_draw_of_every_query_is_not_known_to_go_on():
    monitor = RouterMonitor()
    monitor.update(np.arange(60) % 2 == 0, gold=np.arange(60.0), gold_probability=1.0)
    found = reading(monitor, "gold labels drawn")
    assert found.lower < 0.97
    assert found.value == found.upper == 1.0
    assert found.verdict is Verdict.PASS


@pytest.mark.parametrize("label", [0.0, 0.1])
def test_gold_labels_that_are_all_alike_give_no_interval_and_no_verdict(label):
    sent, gold = np.arange(60) % 2 == 0, np.full(60, label)
    monitor = RouterMonitor(min_gain=0.0, max_loss=0.2)
    monitor.update(sent | (label > 0), gold=gold, gold_probability=1.0)
    for name in ("gold gain", "efficiency gain"):
        found = reading(monitor, name)
        assert np.isnan([found.value, found.lower, found.upper]).all()
    found = reading(monitor, "gold gain")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "all alike" in found.reason


def test_a_constraint_that_few_rows_leave_open_asks_for_more_than_there_are():
    found = reading(RouterMonitor(max_share=0.5).update([False]), "usage")
    assert (
        "somewhat more rows would settle it if things stay as they are; rows so far: 1"
        in found.reason
    )


def test_gold_labels_that_are_drawn_less_often_than_stated_are_seen(streams):
    c = streams.columns(3000, probability=0.2)
    honest = reading(RouterMonitor().update(**c), "gold labels drawn")
    assert honest.verdict is Verdict.PASS
    wrong = RouterMonitor().update(**c | {"gold_probability": 0.4})
    assert reading(wrong, "gold labels drawn").verdict is Verdict.FAIL


def test_drift_of_embeddings_is_reported_with_its_delay(streams):
    before, after = streams.columns(800), streams.columns(300, seed=1, shift=4.0)
    monitor = RouterMonitor(burn_in=100).update(**before)
    assert monitor.report().alarms[0].verdict is Verdict.PASS
    alarm = monitor.update(**after).report().alarms[0]
    assert alarm.verdict is Verdict.FAIL
    assert 800 < alarm.raised_at < 900
    assert alarm.raised_at - alarm.onset == alarm.delay


def test_drift_from_the_reference_is_seen_at_once(streams):
    reference = streams.columns(600)["features"]
    same = RouterMonitor(reference=reference).update(**streams.columns(300, seed=1))
    shifted = RouterMonitor(reference=reference).update(**streams.columns(300, seed=1, shift=3.0))
    assert same.report().alarms[0].raised_at is None
    assert shifted.report().alarms[0].raised_at < 150


def test_an_alarm_without_enough_rows_says_how_many_are_missing(streams):
    alarm = RouterMonitor().update(**streams.columns(100)).report().alarms[0]
    assert alarm.verdict is Verdict.INCONCLUSIVE
    assert "130 more rows" in alarm.reason


def test_constant_costs_are_watched_without_noise():
    monitor = RouterMonitor().update(
        np.arange(200) % 3 == 0, cost_primary=1.0, cost_alternative=0.0
    )
    assert reading(monitor, "saving").value == pytest.approx(1 - 67 / 200)
    assert np.isnan(reading(monitor, "extra cost").value)


# -- what is printed and drawn


def test_monitors_print_and_draw_whatever_they_have_seen(streams):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    full = RouterMonitor(max_share=0.5, window=100).update(**streams.columns(400))
    for monitor in (RouterMonitor().update([True, False]), full):
        for text in (monitor.summary(), monitor.to_markdown(), monitor.to_latex()):
            assert text
            assert " nan" not in text
        assert max(len(line) for line in monitor.summary().splitlines()) <= 120
        for name in monitor.report().trajectories:
            ax = monitor.plot(Figure().subplots(), quantity=name)
            assert ax.get_ylabel() == monitor.report().trajectories[name].name
        assert monitor.report().plot_evidence(Figure().subplots()).get_xlabel()
    with pytest.raises(MetaRouterError, match="'speed' is not monitored"):
        full.plot(quantity="speed")


def test_a_monitor_that_has_seen_nothing_prints():
    assert "INCONCLUSIVE" in RouterMonitor(max_share=0.3).summary()
