from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from command_line import refused, run


@pytest.fixture
def routed(tmp_path):
    def write(name, n=300, share=0.2, seed=0, **extra):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["x0", "x1", "x2"])
        sent = rng.random(n) < share
        frame["route"] = np.where(sent, "primary", "alternative")
        frame["cost_primary"], frame["cost_alternative"] = 1.0, 0.1
        frame["predicted_gain"] = frame["x0"]
        frame["gold"] = np.where(rng.random(n) < 0.3, frame["x0"] + rng.normal(size=n), np.nan)
        frame.assign(**extra).to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


def test_tables_are_taken_in_one_after_the_other(routed, tmp_path):
    state, options = tmp_path / "m.npz", ("--features", "x*", "--gold-probability", 0.3)
    code, out, _ = run("monitor", state, routed("a.csv"), "--max-share", 0.5, *options)
    assert (code, "queries: 300" in out) == (0, True)
    code, out, _ = run("monitor", state, routed("b.csv", seed=1), *options, "-o", tmp_path / "out")
    assert (code, "queries: 600" in out) == (0, True)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"monitor.md", "monitor.csv", "share.png", "evidence.png"} <= names
    assert len(pd.read_csv(tmp_path / "out" / "monitor.csv")) > 8


def test_a_broken_promise_leaves_with_exit_code_three(routed, tmp_path):
    table = routed("a.csv", share=0.8)
    code, out, _ = run(
        "monitor", tmp_path / "m.npz", table, "--max-share", 0.5, "--gold-probability", 0.3
    )
    assert code == 3
    assert "FAIL on usage ratio (PMUR) at most 0.5: broken." in out


def test_a_table_given_twice_is_refused_and_the_state_stays(routed, tmp_path):
    state, table = tmp_path / "m.npz", routed("a.csv")
    run("monitor", state, table, "--gold-probability", 0.3)
    before = state.read_bytes()
    assert "was taken into" in refused("monitor", state, table, "--gold-probability", 0.3)
    assert state.read_bytes() == before


def test_mistakes_are_one_line_and_begin_no_state(routed, tmp_path):
    state, table = tmp_path / "m.npz", routed("a.csv")
    assert "--gold-probability" in refused("monitor", state, table)
    assert "name one with --route" in refused("monitor", state, table, "--route", "rout")
    assert "--primary and" in refused("monitor", state, table, "--primary", "gpt")
    assert "--max-share is 3" in refused("monitor", state, table, "--max-share", 3)
    negative = routed("b.csv", cost_primary=-1.0)
    assert "cost_primary is missing or negative" in refused(
        "monitor", state, negative, "--gold-probability", 0.3
    )
    assert not state.exists()
    state.write_text("something else")
    assert "truncated or was not written" in refused("monitor", state, table)


def test_a_table_is_not_taken_in_where_its_report_cannot_be_written(routed, tmp_path):
    state, out = tmp_path / "m.npz", tmp_path / "out"
    (out / "monitor.md").mkdir(parents=True)
    code, _, _ = run("monitor", state, routed("a.csv"), "--gold-probability", 0.3, "--out", out)
    assert code == 2
    assert not state.exists()


def test_one_name_for_two_roles_is_refused(routed, tmp_path):
    state, table = tmp_path / "m.npz", routed("a.csv")
    known = ("monitor", state, table, "--gold-probability", 0.3)
    assert "both 'primary'" in refused(*known, "--alternative", "primary")
    same = refused(*known, "--cost-primary", "cost_alternative")
    assert "--cost-primary and --cost-alternative both name 'cost_alternative'" in same
    assert "both name 'gold'" in refused(*known, "--prediction", "gold")
    assert not state.exists()


def test_what_was_promised_is_not_changed_on_the_way(routed, tmp_path):
    state, options = tmp_path / "m.npz", ("--gold-probability", 0.3)
    run("monitor", state, routed("a.csv"), "--max-share", 0.5, *options)
    error = refused("monitor", state, routed("b.csv", seed=1), "--max-share", 0.6, *options)
    assert "was begun with --max-share 0.5, not 0.6" in error


def test_a_router_is_no_file_of_a_monitor(routed, tmp_path):
    said = refused("monitor", tmp_path / "router.skops", routed("a.csv"))
    assert "is a router of `metarouter fit`" in said
    assert "such as monitor.npz" in said
