"""The timing against econml runs, resumes and says what it measured; how fast is not tested."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

pytest.importorskip("econml", reason="the peer of this benchmark is not installed")

from benchmarks import monte_carlo_round as benchmark
from metarouter.datasets import make_judged_queries

SEVEN = {
    "oracle",
    "pooled",
    "preference_only",
    "gold_only",
    "linear_scaling",
    "r_learner",
    "dr_learner",
}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few queries, a small test set, and few trees on both sides."""
    queries = make_judged_queries(240, 6, gold_share=1.0, pairing=1.0, random_state=0)
    monkeypatch.setattr(benchmark, "make_healthbench_like", lambda random_state: queries)
    monkeypatch.setattr(benchmark, "N_TEST", 60)
    for forest in (RandomForestRegressor, RandomForestClassifier):
        few_trees = partial(forest, n_estimators=5)
        monkeypatch.setattr(benchmark, forest.__name__, few_trees)
    ours = partial(ExtraTreesRegressor, 30, bootstrap=True, min_samples_leaf=5)
    monkeypatch.setattr(
        benchmark,
        "default_regressor",
        lambda seed=None, n_jobs=None: ours(random_state=seed, n_jobs=n_jobs),
    )


@pytest.mark.usefixtures("small")
def test_both_sides_score_the_same_seven_routers_and_a_run_goes_on(tmp_path: Path) -> None:
    words = ["--n-gold", "60", "--n-features", "4", "--our-jobs", "1", "--out", str(tmp_path)]
    benchmark.main([*words, "--rounds", "1"])
    first = json.loads((tmp_path / "round_60_4_1_None.json").read_text())
    assert [set(first[0][side]) for side in ("our_areas", "peer_areas")] == [SEVEN, SEVEN]
    assert first[0]["our_fits"] > 0 < first[0]["our_reused"]
    assert 0 <= first[0]["outside_share"] <= 1
    benchmark.main([*words, "--rounds", "2"])
    rounds = json.loads((tmp_path / "round_60_4_1_None.json").read_text())
    assert rounds[:1] == first
    assert len(rounds) == 2
    report = (tmp_path / "round_60_4_1_None.md").read_text()
    assert "2 rounds. Seconds per round" in report
    table = [line.split("|")[1].strip() for line in report.splitlines() if line.startswith("|")]
    assert set(table) >= SEVEN
