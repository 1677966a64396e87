"""Batches that a monitor takes in, keeps over a restart, or refuses."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import RouterMonitor
from metarouter.utils.archives import write_arrays


def numbers(monitor):
    return monitor.to_frame().drop(columns=["quantity", "over", "verdict"]).to_numpy(dtype=float)


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


# -- what is refused


BAD = [
    ({"cost_primary": -1.0}, "cost_primary is missing or negative for 50 of 50"),
    ({"cost_alternative": None}, "cost_primary and cost_alternative go together"),
    ({"cost_primary": np.ones(3)}, "cost_primary has shape"),
    ({"gold_probability": None}, "gold and gold_probability go together"),
    ({"gold_probability": 0.0}, "gold_probability is not above 0"),
    ({"gold": np.full(50, np.inf)}, "gold is infinite or beyond 1e\\+100 for 50"),
    ({"features": np.full((50, 4), 1e200)}, "features is infinite or beyond"),
    ({"features": ["a"] * 50}, "features is a list of shape"),
    ({"prediction": ["a"] * 50}, "prediction holds values that are not numbers"),
    ({"features": np.ones((50, 3))}, "features has 3 columns, but 4 were"),
    ({"gold_probability": 1e-200}, "at least 1e-12"),
    ({"features": np.ones((49, 4))}, "49 rows but there are 50"),
    ({"features": np.full((50, 4), np.nan)}, "NaN"),
    ({"features": scipy.sparse.eye_array(50, 4).tocsr()}, "features is a csr_array of shape"),
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
    write_arrays(tmp_path / "newer.npz", {"monitor": json.dumps(newer)})
    with pytest.raises(DataError, match="format 99"):
        RouterMonitor.load(tmp_path / "newer.npz")
    older = {**newer, "version": 3, "memory": {"kind": "MonitorState", "fields": {}}}
    write_arrays(tmp_path / "older.npz", {"monitor": json.dumps(older)})
    with pytest.raises(DataError, match=r"older.npz was saved by another version, .*: start a new"):
        RouterMonitor.load(tmp_path / "older.npz")
    with pytest.raises(DataError, match="There is no file"):
        RouterMonitor.load(tmp_path / "nothing.npz")


def marked(value, arrays):
    """Mark tuples, dicts and arrays as version 3 of the file did."""
    if isinstance(value, np.ndarray):
        arrays[f"a{len(arrays)}"] = value
        return {"array": f"a{len(arrays) - 1}"}
    if dataclasses.is_dataclass(value):
        fields = {name: marked(part, arrays) for name, part in vars(value).items()}
        return {"kind": type(value).__name__, "fields": fields}
    if isinstance(value, tuple):
        return {"tuple": [marked(part, arrays) for part in value]}
    if isinstance(value, dict):
        return {"dict": {name: marked(part, arrays) for name, part in value.items()}}
    return value


@pytest.mark.parametrize("kind", ["MonitorState", "Memory"])
def test_a_file_of_the_former_version_goes_on_as_if_it_were_of_this_one(streams, kind, tmp_path):
    monitor = RouterMonitor(burn_in=100, window=50, gain_bounds=(-9, 9))
    monitor.update(**streams.columns(300), batch_id="monday")
    names = ["settings", "kept", "scores", "alarms", "embeddings"]
    names += ["names", "batches", "least_probability"] if kind == "MonitorState" else []
    arrays = {}
    parts = {name: marked(getattr(monitor, f"_{name}"), arrays) for name in names}
    header = {"format": "metarouter-monitor", "version": 3}
    header["memory"] = {"kind": kind, "fields": parts}
    write_arrays(tmp_path / "m.npz", arrays | {"monitor": json.dumps(header)})
    loaded = RouterMonitor.load(tmp_path / "m.npz")
    assert loaded.batches == (("monday",) if kind == "MonitorState" else ())
    later = streams.columns(200, seed=1)
    if kind == "MonitorState":  # the first files did not know of names, batches and chances
        assert loaded.summary() == monitor.summary()
        pd.testing.assert_frame_equal(
            loaded.update(**later).to_frame(), monitor.update(**later).to_frame()
        )


def test_a_file_holds_no_pickle(streams, tmp_path):
    RouterMonitor().update(**streams.columns(40)).save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
