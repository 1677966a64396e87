"""``bandits duels`` plays, prints and writes; mistakes are one line."""

from __future__ import annotations

import pandas as pd
import pytest
from typer.testing import CliRunner

from bandits.cli import _app
from metarouter.datasets import available
from metarouter.exceptions import DataError

run = CliRunner().invoke

needs_data = pytest.mark.skipif(
    not available("routerbench_fewshot"), reason="routerbench_fewshot is not here"
)


@needs_data
def test_a_small_study_is_played_and_written(tmp_path):
    pytest.importorskip("torch")
    options = ["duels", "--router", "excel_perf_cost", "--router", "random_pairs"]
    done = run(
        _app.app,
        [*options, "--rounds", "20", "--seeds", "2", "--offline", "4", "-o", str(tmp_path)],
    )
    assert done.exit_code == 0, done.output
    regret = pd.read_csv(tmp_path / "regret.csv").set_index("router")
    assert set(regret.index) == {
        "excel_perf_cost", "random_pairs", "best_constant", "best_per_task"
    }  # fmt: skip
    assert regret.loc["best_per_task", "task_regret"] == 0
    assert (regret["task_regret"] >= 0).all()
    assert set(pd.read_csv(tmp_path / "calls.csv")["router"]) == {"excel_perf_cost", "random_pairs"}


@needs_data
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--router", "magic"], "There is no router 'magic'"),
        (["--held-out", "law"], "has no task 'law'"),
        (["--rounds", "9000"], "set rounds lower"),
    ],
)
def test_mistakes_are_told_before_work_is_done(options, message, tmp_path):
    done = run(_app.app, ["duels", *options, "-o", str(tmp_path)])
    assert done.exit_code != 0
    told = str(done.exception) if isinstance(done.exception, DataError) else done.output
    assert message in " ".join(told.split())
