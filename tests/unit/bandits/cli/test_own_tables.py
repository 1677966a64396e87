"""``bandits study --table``, ``value`` and ``compare`` read what users have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from bandits import LinUCB
from bandits.cli._app import app
from metarouter import MetaRouter, ThresholdRouter, ZeroShift, save_router

N = 1500


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="bandits")
    return result.exit_code, result.stdout, result.stderr


def refused(*words: object) -> str:
    code, _, error = run(*words)
    assert code == 2, error
    assert error.count("\n") == 1
    return error


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outcomes of two models, a log of calls at random, and two routers."""
    at, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(N, 2)), columns=["e0", "e1"])
    chance = np.column_stack([0.5 + 0.3 * np.tanh(X.e0), np.full(N, 0.45)])
    quality = (rng.random((N, 2)) < chance).astype(float)
    cost = rng.gamma(2.0, [0.01, 0.001], (N, 2))
    outcomes = X.assign(
        task=np.where(rng.random(N) < 0.5, "law", "code"),
        prompt=[f"query {k % 50} of {k % 7}" for k in range(N)],
        **{f"quality_{m}": quality[:, k] for k, m in enumerate(("big", "small"))},
        **{f"cost_{m}": cost[:, k] for k, m in enumerate(("big", "small"))},
        **{f"latency_{m}": cost[:, k] * 100 for k, m in enumerate(("big", "small"))},
    )
    outcomes.to_csv(at / "outcomes.csv", index=False)
    action = rng.integers(0, 2, N)
    log = X.assign(
        action=np.array(["big", "small"])[action],
        propensity=0.5,
        quality=quality[np.arange(N), action],
        cost=cost[np.arange(N), action],
    )
    log.to_csv(at / "log.csv", index=False)
    LinUCB(arms=("big", "small"), random_state=0).fit(X[:200], quality[:200], cost[:200]).save(
        at / "bandit.npz"
    )
    model = MetaRouter(shift=ZeroShift(), random_state=0)
    gain = quality[:, 0] - quality[:, 1]
    router = ThresholdRouter(model, models=("small", "big")).fit(X[:400], gain[:400])
    save_router(router, at / "router.skops")
    return at


@pytest.mark.parametrize(
    "words",
    [
        ("--features", "e*", "--task", "task"),
        ("--text", "prompt", "--cost-per-second", 0.001),
    ],
)
def test_a_study_of_ones_own_table(folder: Path, tmp_path: Path, words: tuple[object, ...]) -> None:
    code, _, error = run(
        "study", "--table", folder / "outcomes.csv", *words, "--router", "linucb", "--seeds", 2,
        "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, error
    table = pd.read_csv(tmp_path / "table.csv")
    assert {"linucb", "constant:big", "constant:small"} <= set(table.router)
    assert "between big and small" in (tmp_path / "report.md").read_text()


def test_tables_that_cannot_be_studied_are_refused(folder: Path, tmp_path: Path) -> None:
    out, table = ("--out", tmp_path / "out"), folder / "outcomes.csv"
    assert "Nothing is named to study" in refused("study", *out)
    assert "give one of them" in refused("study", *out, "--table", table, "--dataset", "made_up")
    own = ("study", *out, "--table", table)
    assert "Nothing describes the queries" in refused(*own)
    assert "no one *" in refused(*own, "--quality", "quality")
    assert "give one per model" in refused(*own, "--quality", "score_*")
    assert "bring them to 0 to 1" in refused(*own, "--quality", "latency_*", "--features", "e*")
    assert "no columns 'usd_*'" in refused(*own, "--cost", "usd_*", "--features", "e*")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("policy", ["bandit.npz", "router.skops"])
def test_the_value_of_a_router_in_ones_own_log(folder: Path, policy: str) -> None:
    for more in ((), ("--w-cost", 0.3, "--cost-cap", 0.05)):
        code, said, error = run("value", folder / "log.csv", "--policy", folder / policy, *more)
        assert code == 0, error
        assert "empirical likelihood, level 0.95" in said


def test_the_value_is_that_of_the_outcomes(folder: Path) -> None:
    from metarouter import load_router

    outcomes = pd.read_csv(folder / "outcomes.csv")
    routed = load_router(folder / "router.skops").predict(outcomes[["e0", "e1"]])
    truth = np.where(routed == "big", outcomes.quality_big, outcomes.quality_small).mean()
    said = run("value", folder / "log.csv", "--policy", folder / "router.skops")[1]
    row = next(line for line in said.splitlines() if line.strip().startswith("value"))
    value, se = (float(cell) for cell in row.split()[1:3])
    assert abs(value - truth) < 4 * se


def test_a_challenger_is_promoted_kept_out_or_waits(folder: Path, tmp_path: Path) -> None:
    router, figure = folder / "router.skops", tmp_path / "bounds.png"
    code, said, error = run(
        "compare", folder / "log.csv", "--challenger", router, "--figure", figure
    )
    assert code == 0, error
    assert said.split()[0] in ("PROMOTE", "KEEP", "WAIT")
    assert figure.stat().st_size > 5000
    code, said, _ = run(
        "compare", folder / "log.csv", "--challenger", router, "--incumbent", router
    )
    assert code == 0
    assert said.startswith("WAIT")


def test_logs_that_cannot_be_read_are_refused(folder: Path, tmp_path: Path) -> None:
    log, policy = folder / "log.csv", ("--policy", folder / "router.skops")
    assert "--propensity" in refused("value", log, *policy, "--propensity", "p")
    assert "--cost-cap" in refused("value", log, *policy, "--w-cost", 0.2)
    assert "holds no live router" in refused("value", tmp_path, *policy)
    frame = pd.read_csv(log)
    frame.assign(propensity=2.0).to_csv(tmp_path / "wrong.csv", index=False)
    assert "propensity" in refused("value", tmp_path / "wrong.csv", *policy)
    frame.assign(quality="good").to_csv(tmp_path / "words.csv", index=False)
    assert "is no number in 1500 of 1500 rows" in refused("value", tmp_path / "words.csv", *policy)
    frame.drop(columns="e0").to_csv(tmp_path / "short.csv", index=False)
    assert "'e0'" in refused("value", tmp_path / "short.csv", *policy)


def test_models_that_are_equally_good_leave_no_gap_to_recover(folder: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(folder / "outcomes.csv").head(60).assign(quality_big=1.0, quality_small=1.0)
    frame.to_csv(tmp_path / "same.csv", index=False)
    code, _, error = run(
        "study", "--table", tmp_path / "same.csv", "--features", "e*", "--seeds", 1,
        "--router", "linucb", "--out", tmp_path / "out",
    )  # fmt: skip
    assert (code, error) == (0, "")
    assert "APGR" not in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cost_big": 1.0, "cost_small": 1.0}, "All models of t.csv cost the same on average"),
        ({}, "t.csv has 3 rows, of which some are learned from"),
    ],
)
def test_outcomes_that_leave_nothing_to_study_are_refused(
    folder: Path, tmp_path: Path, changes: dict, says: str
) -> None:
    frame = pd.read_csv(folder / "outcomes.csv").head(60 if changes else 3).assign(**changes)
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ("study", "--table", tmp_path / "t.csv", "--features", "e*", "--out", tmp_path / "o")
    assert says in refused(*words)


def test_a_log_without_rows_is_refused(folder: Path, tmp_path: Path) -> None:
    pd.read_csv(folder / "log.csv").head(0).to_csv(tmp_path / "log.csv", index=False)
    policy = ("--policy", folder / "bandit.npz")
    assert "log.csv has no rows" in refused("value", tmp_path / "log.csv", *policy)
