from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from oracles import monitoring as oracle

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import RouterMonitor, Verdict


def reading(monitor, name, over="all"):
    return next(
        r for r in monitor.report().readings if r.quantity.startswith(name) and over in r.over
    )


def numbers(monitor):
    return monitor.to_frame().drop(columns=["quantity", "over", "verdict"]).to_numpy(dtype=float)


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


# -- batches, saving, resuming


@pytest.mark.parametrize("step", [1, 37])
def test_one_batch_is_many_batches_of_its_rows(streams, step):
    c = streams.columns(220)
    options = {"window": 100, "burn_in": 50}
    whole, parts = RouterMonitor(**options).update(**c), RouterMonitor(**options)
    for start in range(0, 220, step):
        parts.update(**streams.rows(c, start, start + step))
    np.testing.assert_allclose(numbers(parts), numbers(whole), rtol=0, atol=1e-12)
    assert list(parts.to_frame()["verdict"]) == list(whole.to_frame()["verdict"])


def test_a_monitor_that_was_saved_and_loaded_goes_on_to_the_bit(streams, tmp_path):
    c = streams.columns(500)
    options = {"window": 60, "burn_in": 150, "max_share": 0.4}
    never, stopped = RouterMonitor(**options), RouterMonitor(**options)
    for start in range(0, 500, 125):
        rows = streams.rows(c, start, start + 125)
        never.update(**rows, batch_id=str(start))
        stopped.update(**rows, batch_id=str(start)).save(tmp_path / "m.npz")
        stopped = RouterMonitor.load(tmp_path / "m.npz")
    never.save(tmp_path / "n.npz")
    assert (tmp_path / "n.npz").read_bytes() == (tmp_path / "m.npz").read_bytes()
    assert never.summary() == stopped.summary()
    assert {path.name for path in tmp_path.iterdir()} == {"m.npz", "n.npz"}


def test_order_of_rows_changes_neither_share_nor_costs(streams):
    c = streams.columns(400)
    order = np.random.default_rng(9).permutation(400)
    mixed = {name: column[order] for name, column in c.items()}
    one, other = (RouterMonitor(window=1000).update(**columns) for columns in (c, mixed))
    for name in ("usage", "saving", "extra cost", "cost per query", "gold labels drawn"):
        a, b = reading(one, name), reading(other, name)
        assert (a.value, a.lower, a.upper) == pytest.approx((b.value, b.lower, b.upper), abs=1e-12)


def test_quality_may_come_later_and_is_the_same(streams):
    c = streams.columns(300)
    late = ("gold", "gold_probability")
    decisions = {name: column for name, column in c.items() if name not in late}
    monitor = RouterMonitor().update(**decisions)
    assert monitor.report().n_gold == 0
    monitor.update_quality(
        c["routed_to_primary"],
        c["gold"],
        gold_probability=c["gold_probability"],
        prediction=c["prediction"],
    )
    np.testing.assert_array_equal(numbers(monitor), numbers(RouterMonitor().update(**c)))


# -- verdicts


def test_promises_are_kept_broken_or_open(streams):
    c = streams.columns(2000)
    share = c["routed_to_primary"].mean()

    def verdict(**promise):
        return reading(RouterMonitor(**promise).update(**c), "usage").verdict

    assert verdict(max_share=share + 0.1) is Verdict.PASS
    assert verdict(max_share=share - 0.1) is Verdict.FAIL
    assert verdict(max_share=share + 0.005) is Verdict.INCONCLUSIVE
    saving = RouterMonitor(min_saving=0.9).update(**c)
    assert reading(saving, "saving").verdict is Verdict.FAIL
    assert saving.report().is_alarm


def test_a_promise_kept_overall_and_broken_of_late_is_a_caution():
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


@pytest.mark.parametrize("label", [0.0, 0.1])
def test_gold_labels_that_are_all_alike_give_no_interval_and_no_verdict(label):
    sent, gold = np.arange(60) % 2 == 0, np.full(60, label)
    monitor = RouterMonitor(min_gain=0.0, max_loss=0.2)
    monitor.update(sent | (label > 0), gold=gold, gold_probability=1.0)
    found = reading(monitor, "gold gain")
    assert np.isnan([found.value, found.lower, found.upper]).all()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "all alike" in found.reason


def test_a_promise_that_few_rows_leave_open_asks_for_more_than_there_are():
    found = reading(RouterMonitor(max_share=0.5).update([False]), "usage")
    assert "more rows than 1 would settle it" in found.reason


def test_gold_labels_that_are_drawn_less_often_than_stated_are_seen(streams):
    c = streams.columns(3000, probability=0.2)
    honest = reading(RouterMonitor().update(**c), "gold labels drawn")
    assert honest.verdict is Verdict.PASS
    wrong = RouterMonitor().update(**c | {"gold_probability": 0.4})
    assert reading(wrong, "gold labels drawn").verdict is Verdict.FAIL


def test_drift_of_embeddings_is_told_with_its_delay(streams):
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


# -- what is refused


BAD = [
    ({"cost_primary": -1.0}, "cost_primary is missing or negative for 50 of 50"),
    ({"cost_alternative": None}, "for one model only"),
    ({"cost_primary": np.ones(3)}, "cost_primary has shape"),
    ({"gold_probability": None}, "go together"),
    ({"gold_probability": 0.0}, "gold_probability is not above 0"),
    ({"gold": np.full(50, np.inf)}, "gold is infinite or beyond 1e\\+100 for 50"),
    ({"features": np.full((50, 4), 1e200)}, "features is infinite or beyond"),
    ({"features": ["a"] * 50}, "features has shape"),
    ({"prediction": ["a"] * 50}, "prediction holds values that are not numbers"),
    ({"features": np.ones((50, 3))}, "features has 3 columns, but 4 were"),
    ({"gold_probability": 1e-200}, "at least 1e-12"),
    ({"features": np.ones((49, 4))}, "49 rows but there are 50"),
    ({"features": np.full((50, 4), np.nan)}, "NaN"),
    ({"features": scipy.sparse.eye_array(50, 4).tocsr()}, "features are sparse"),
    ({"routed_to_primary": np.full(50, 2)}, "other than 0 and 1"),
    ({"routed_to_primary": []}, "empty"),
]


@pytest.mark.parametrize(("bad", "words"), BAD)
def test_a_bad_batch_is_refused_in_one_sentence_and_leaves_no_trace(streams, bad, words, tmp_path):
    monitor = RouterMonitor(burn_in=20).update(**streams.columns(50))
    monitor.save(tmp_path / "before.npz")
    with pytest.raises(DataError, match=words) as error:
        monitor.update(**streams.columns(50, seed=1) | bad)
    assert "\n" not in str(error.value)
    monitor.save(tmp_path / "after.npz")
    assert (tmp_path / "after.npz").read_bytes() == (tmp_path / "before.npz").read_bytes()


def test_a_batch_is_taken_in_once(streams):
    monitor = RouterMonitor().update(**streams.columns(20), batch_id="monday")
    with pytest.raises(DataError, match="'monday' was taken in already"):
        monitor.update(**streams.columns(20), batch_id="monday")


def test_columns_of_features_are_put_back_in_order(streams):
    c = streams.columns(300)
    frame = pd.DataFrame(c["features"], columns=list("abcd"))
    options = {"burn_in": 100}
    one = RouterMonitor(**options).update(**c | {"features": frame})
    two = RouterMonitor(**options)
    two.update(**streams.rows(c, 0, 10) | {"features": frame[:10]})
    two.update(**streams.rows(c, 10, 300) | {"features": frame[list("dbca")][10:]})
    np.testing.assert_allclose(numbers(two), numbers(one), rtol=0, atol=1e-12)
    with pytest.raises(DataError, match="lack 1 of the 4 columns"):
        two.update(**c | {"features": frame[["a", "b", "c"]]})


@pytest.mark.parametrize(
    "bad",
    [{"level": None}, {"alarm_level": "a"}, {"max_share": "a"}, {"min_gain": "a"},
     {"max_share": 2.0}, {"min_saving": 1.5}, {"level": 1.0}, {"alarm_level": 0.0}, {"window": 3},
     {"burn_in": 2.5}, {"min_gain": float("nan")}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(MetaRouterError, match=next(iter(bad))):
        RouterMonitor(**bad)


def test_a_small_reference_is_refused():
    with pytest.raises(DataError, match="reference has 30 rows, but 400 are needed"):
        RouterMonitor(reference=np.random.default_rng(0).normal(size=(30, 2)))


def test_files_that_are_no_monitor_are_refused(streams, tmp_path):
    whole = tmp_path / "m.npz"
    RouterMonitor().update(**streams.columns(40)).save(whole)
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole.read_bytes()[:-100])
    (tmp_path / "words.npz").write_text("no monitor")
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    np.savez(tmp_path / "odd.npz", monitor=np.array(json.dumps({"format": "x", "version": 1})))
    for name in ("cut", "words", "other", "odd"):
        with pytest.raises(DataError, match="truncated or was not written by"):
            RouterMonitor.load(tmp_path / f"{name}.npz")
    newer = {"format": "metarouter-monitor", "version": 99, "memory": None}
    np.savez(tmp_path / "newer.npz", monitor=np.array(json.dumps(newer)))
    with pytest.raises(DataError, match="format 99"):
        RouterMonitor.load(tmp_path / "newer.npz")
    with pytest.raises(DataError, match="There is no file"):
        RouterMonitor.load(tmp_path / "nothing.npz")


def test_a_file_holds_no_pickle(streams, tmp_path):
    RouterMonitor().update(**streams.columns(40)).save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)


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
        for name in monitor.report().courses:
            ax = monitor.plot(Figure().subplots(), quantity=name)
            assert ax.get_ylabel() == monitor.report().courses[name].name
        assert monitor.report().plot_evidence(Figure().subplots()).get_xlabel()
    with pytest.raises(MetaRouterError, match="'speed' is not monitored"):
        full.plot(quantity="speed")


def test_a_monitor_that_has_seen_nothing_prints():
    assert "INCONCLUSIVE" in RouterMonitor(max_share=0.3).summary()
