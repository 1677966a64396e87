"""The scripts on routed reward models run from end to end on next to nothing."""

from __future__ import annotations

import pandas as pd
import pytest

from metarouter.datasets import data_home
from paper_figures import bayesian_router, reward_prices

pytest.importorskip("torch", reason="the extra `bandits` is not installed")


def test_the_controlled_replay_is_played_reported_and_resumed(tmp_path):
    words = ["--seeds", "2", "--n-offline", "120", "--n-online", "500", "--out", str(tmp_path)]
    bayesian_router.main(words)
    text = (tmp_path / "bayesian_router.md").read_text()
    assert text.startswith("# Controlled replay, 2 seeds")
    for _, better, worse in (*bayesian_router.CLAIMS, *bayesian_router.OURS):
        assert f"| {better} > {worse} |" in text
    played = pd.concat(map(pd.read_csv, sorted(tmp_path.glob("seed_*.csv"))))
    assert set(played["seed"]) == {0, 1}
    assert played["accuracy"].between(0.4, 1).all()
    oracle, chance = (
        played[(played["router"] == name) & (played["world"] == "drift")]["accuracy"].mean()
        for name in ("oracle_router", "random")
    )
    assert oracle > chance + 0.1
    kept = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("seed_*.csv")}
    bayesian_router.main(words)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("seed_*.csv")} == kept
    assert (tmp_path / "bayesian_router.md").read_text() == text


@pytest.mark.skipif(
    not (data_home() / "rewardbench2_judges").is_dir(), reason="rewardbench2_judges is not here"
)
@pytest.mark.slow
def test_a_higher_weight_of_price_buys_cheaper_labels(tmp_path):
    reward_prices.main(["--folds", "2", "--out", str(tmp_path)])
    assert (tmp_path / "reward_prices.png").stat().st_size > 10_000
    assert "routed, price weight 1 " in (tmp_path / "reward_prices.md").read_text()
