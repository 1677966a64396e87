"""``bandits study`` works, and says every mistake in one line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bandits
from bandits.cli._app import app

MODELS = ("gpt-4-1106-preview", "mixtral-8x7b-chat", "mistral-7b-chat")


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="bandits")
    return result.exit_code, result.stdout, result.stderr


def refused(*words: object) -> str:
    """Return the one line with which the command was refused."""
    code, _, error = run(*words)
    assert code == 2, error
    assert error.count("\n") == 1
    assert error.startswith("bandits: ")
    return error


@pytest.fixture(scope="module")
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like the published one, with made-up outcomes."""
    home = tmp_path_factory.mktemp("data")
    folder, rng, n = home / "routerbench_fewshot", np.random.default_rng(0), 240
    folder.mkdir()
    table = pd.DataFrame({"id": [f"{k}" for k in range(n)]})
    table["task"] = np.array(["arc_challenge", "winogrande", "mbpp"])[np.arange(n) % 3]
    table["question"] = [f"question {k}" for k in range(n)]
    for k, model in enumerate(MODELS):
        table[f"score__{model}"] = (rng.random(n) < 0.9 - 0.2 * k).astype(float)
        table[f"cost__{model}"] = rng.gamma(4.0, 0.002 / 10**k, size=n)
    table.to_parquet(folder / "data.parquet")
    vectors = pd.DataFrame(rng.normal(size=(n, 4)), columns=[f"e{k}" for k in range(4)])
    vectors.insert(0, "id", table["id"])
    vectors.to_parquet(folder / "embeddings.parquet")
    return home


@pytest.fixture
def study(data_home: Path, tmp_path: Path) -> list[object]:
    """Words of a small study."""
    return [
        *("study", "--dataset", "routerbench_fewshot", "--data-home", data_home),
        *("--seeds", 2, "--out", tmp_path / "out"),
    ]


def test_a_study_writes_its_tables_and_says_who_wins(study: list[object], tmp_path: Path) -> None:
    code, shown, error = run(*study, "--router", "linucb", "--router", "square_cb")
    assert code == 0, error
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert ",".join(table.columns) == "router,task,split,w_cost,score,cost,reward,regret,se_reward"
    assert set(table.w_cost) == {0.2, 0.4, 0.5, 0.6, 0.8}
    assert {"linucb", "square_cb", "oracle", "random", f"constant:{MODELS[0]}"} <= set(table.router)
    assert set(table[table.split == "out_of_distribution"].task) == {"mbpp", "all"}
    assert "Outcomes seen: 128 of 384 per router and seed, one for each of the 128 rounds" in shown
    assert "the best constant model" in shown
    report = (tmp_path / "out" / "report.md").read_text()
    assert "LinUCB(" in report
    assert (tmp_path / "out" / "cost_quality.png").stat().st_size > 10_000


def test_a_policy_that_sees_queries_again_says_how_many_outcomes_it_saw(
    study: list[object],
) -> None:
    code, shown, error = run(*study, "--router", "linucb", "--router", "barp")
    assert code == 0, error
    assert "per seed, of 384 there are for 128 queries: linucb 128; barp 6400 (one per" in shown


def test_the_same_command_writes_the_same_table(study: list[object], tmp_path: Path) -> None:
    command = (*study, "--router", "lints")
    run(*command)
    first = (tmp_path / "out" / "table.csv").read_bytes()
    run(*command)
    assert (tmp_path / "out" / "table.csv").read_bytes() == first
    run(*command, "--seed", 1)
    assert (tmp_path / "out" / "table.csv").read_bytes() != first


def test_a_killed_study_ends_with_the_table_of_an_undisturbed_one(
    data_home: Path, tmp_path: Path
) -> None:
    def words(folder: str, seeds: int) -> list[str]:
        return [
            *("study", "--dataset", "routerbench_fewshot", "--data-home", str(data_home)),
            *("--router", "linucb", "--cost-cap", "0.01", "--seeds", str(seeds)),
            *("--out", str(tmp_path / folder)),
        ]

    parts = tmp_path / "killed" / "checkpoint"
    process = subprocess.Popen(
        [sys.executable, "-m", "bandits", *words("killed", 400)], stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(list(parts.glob("linucb-*.npz"))) < 2:
        assert process.poll() is None, "the study ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    finished = {part.name: part.stat().st_mtime_ns for part in parts.glob("*.npz")}
    assert 2 <= len(finished) < 800

    assert run(*words("killed", 2))[0] == 0
    assert run(*words("undisturbed", 2))[0] == 0
    after = {name: (parts / name).stat().st_mtime_ns for name in finished}
    assert after == finished, "finished parts are not made again"
    new = {part.name for part in (tmp_path / "undisturbed" / "checkpoint").glob("linucb-*.npz")}
    assert new <= set(finished)
    killed, undisturbed = (tmp_path / name / "table.csv" for name in ("killed", "undisturbed"))
    assert killed.read_bytes() == undisturbed.read_bytes()


def test_tasks_weights_and_cap_can_be_chosen(study: list[object], tmp_path: Path) -> None:
    code, _, error = run(
        *study, "--router", "lints", "--in-distribution", "mbpp", "--out-of-distribution", "none",
        "--w-cost", 0.3, "--cost-cap", 0.01, "--pair", MODELS[0], MODELS[2],
    )  # fmt: skip
    assert code == 0, error
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert set(table.w_cost) == {0.3}
    assert set(table.task) == {"mbpp", "all"}
    report = (tmp_path / "out" / "report.md").read_text()
    assert "| cost cap | 0.01 US dollars |" in report
    assert f"between {MODELS[0]} and {MODELS[2]}" in report


def test_settings_reach_the_routers(study: list[object], tmp_path: Path) -> None:
    run(*study, "--router", "linucb", "--alpha", 0.25, "--prior-precision", 7)
    assert "linucb: LinUCB(alpha=0.25, prior_precision=7.0)" in (
        (tmp_path / "out" / "report.md").read_text()
    )


def test_help_teaches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    code, shown, _ = run("study", "--help")
    assert code == 0
    assert "bandits study --dataset routerbench_fewshot" in shown
    assert "0.95 quantile over all models" in shown


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--router", "ucb"], "'ucb' is not one of"),
        (["--dataset", "routerbench"], "did you mean"),
        (["--data-home", "nowhere"], "is not complete in nowhere"),
        (["--in-distribution", "gsm8k"], "has no task 'gsm8k': choose from arc_challenge"),
        (["--in-distribution", "mbpp", "--out-of-distribution", "mbpp"], "to be learned and held"),
        (["--pair", "gpt-4", "gpt-5"], "lacks a model of the pair"),
        (["--w-cost", "1.5"], "--w-cost"),
        (["--seeds", "0"], "--seeds"),
        (["--cost-cap", "0"], "give a cost above 0"),
        (["--out", __file__], "is a file: name a folder"),
    ],
)
def test_mistakes_are_one_line(study: list[object], words: list[str], complaint: str) -> None:
    assert complaint in refused(*study, *words)


def test_importing_bandits_and_its_command_line_loads_nothing_heavy() -> None:
    code = (
        "import sys, bandits, bandits.cli, bandits.__main__;"
        "print({'torch', 'matplotlib', 'pandas', 'typer', 'rich'} & set(sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"


def test_the_module_is_the_command_line() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "bandits", "study"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert answer.stderr.startswith("bandits: Missing option '--")
    assert answer.stderr.rstrip().endswith("see bandits study --help.")


def test_the_program_says_its_version() -> None:
    assert run("--version") == (0, f"bandits {bandits.__version__}\n", "")


class TestScenarios:
    def test_they_need_no_data_and_write_a_table_and_a_figure(self, tmp_path: Path) -> None:
        code, shown, error = run(
            "scenarios", "--rounds", 60, "--seeds", 2, "--router", "linucb", "--w-cost", 0.5,
            "--out", tmp_path,
        )  # fmt: skip
        assert code == 0, error
        table = pd.read_csv(tmp_path / "scenarios.csv")
        assert set(table.router) == {"linucb", "random", "static"}
        assert set(table.scenario) >= {"stationary", "cold_start", "poisoned", "restart"}
        assert "reward per round minus that of static" in " ".join(shown.split())
        assert "| preferences | w_cost = 0.5 |" in (tmp_path / "report.md").read_text()
        assert (tmp_path / "scenarios.png").stat().st_size > 10_000

    def test_published_tables_can_be_played(self, data_home: Path, tmp_path: Path) -> None:
        code, _, error = run(
            "scenarios", "--dataset", "routerbench_fewshot", "--data-home", data_home, "--task",
            "mbpp", "--rounds", 40, "--seeds", 2, "--router", "beta_ts", "--components", 2,
            "--out", tmp_path,
        )  # fmt: skip
        assert code == 0, error
        assert "3 models, 2 principal components" in (tmp_path / "report.md").read_text()

    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            (["--dataset", "syntetic"], "did you mean"),
            (["--task", "law"], "synthetic has no task 'law': choose from synthetic"),
            (["--rounds", "3"], "--rounds"),
            (["--discount", "0"], "--discount"),
        ],
    )
    def test_mistakes_are_one_line(self, words: list[str], complaint: str, tmp_path: Path) -> None:
        assert complaint in refused("scenarios", "--out", tmp_path, *words)
