from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("xgboost")

from metarouter.exceptions import MetaRouterError
from paper_figures import nie_wager
from paper_figures._cross_validated_boosting import CrossValidatedBooster


def _pretend(replication):
    rng = np.random.default_rng([replication.round, ord(replication.setup)])
    return float(rng.random()), float(rng.random())


def test_a_stopped_run_goes_on_where_it_was_and_ends_with_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(nie_wager, "replicate", _pretend)
    whole = nie_wager.run(4)
    checkpoint = tmp_path / "rounds.csv"
    nie_wager.run(2, checkpoint=checkpoint)
    asked = []
    monkeypatch.setattr(nie_wager, "replicate", lambda item: asked.append(item) or _pretend(item))
    resumed = nie_wager.run(4, checkpoint=checkpoint)
    pd.testing.assert_frame_equal(resumed, whole)
    assert {item.round for item in asked} == {2, 3}


def test_replications_of_another_seed_are_kept_but_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(nie_wager, "replicate", _pretend)
    checkpoint = tmp_path / "rounds.csv"
    nie_wager.run(2, seed=1, checkpoint=checkpoint)
    assert set(nie_wager.run(2, seed=2, checkpoint=checkpoint)["seed"]) == {2}
    assert set(pd.read_csv(checkpoint)["seed"]) == {1, 2}


def test_a_foreign_checkpoint_is_refused(tmp_path):
    checkpoint = tmp_path / "rounds.csv"
    checkpoint.write_text("a,b\n1,2\n")
    with pytest.raises(MetaRouterError, match="has the columns a, b instead of seed"):
        nie_wager.run(2, checkpoint=checkpoint)


def test_z_counts_our_error_alone_and_z_both_the_published_error_too():
    rows = [(0, k, "A", "0.5", 0.0609 + 0.01 * (k % 2), 0.0582) for k in range(200)]
    table = nie_wager.summarise(pd.DataFrame(rows, columns=nie_wager.COLUMNS))
    row = table[table["learner"] == "R"].iloc[0]
    assert row["z"] == pytest.approx(0.005 / row["se"])
    assert row["z_both"] == pytest.approx(row["z"] / np.sqrt(2))


def test_the_table_and_its_markdown_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(nie_wager, "replicate", _pretend)
    nie_wager.main(["--rounds", "3", "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "nie_wager.csv")
    assert len(table) == 2 * len(nie_wager.CELLS)
    assert len((tmp_path / "nie_wager.md").read_text().splitlines()) == 2 + len(table)


def test_a_booster_is_the_same_for_the_same_seed_and_heeds_weights():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    y = np.where(np.arange(120) % 2, 1.0, -1.0)
    booster = CrossValidatedBooster(n_draws=2, n_folds=3, random_state=0)
    first, second = booster.fit(X, y).predict(X), booster.fit(X, y).predict(X)
    np.testing.assert_array_equal(first, second)
    weight = np.where(y > 0, 1.0, 1e-6)
    assert booster.fit(X, y, sample_weight=weight).predict(X).mean() > first.mean() + 0.2


def test_the_present_default_of_base_score_starts_from_the_mean_and_the_old_one_from_a_half():
    X, y = np.zeros((60, 1)), np.full(60, 3.0)
    estimated = CrossValidatedBooster(n_draws=1, n_folds=3, base_score=None, random_state=0)
    assert estimated.fit(X, y).predict(X) == pytest.approx(np.full(60, 3.0))
    old = CrossValidatedBooster(n_draws=1, n_folds=3, base_score=0.5, random_state=0).fit(X, y)
    # A tree moves a prediction by 0.2 times 2.5 at most.
    assert (old.booster_.predict(X, iteration_range=(0, 1)) < 1.1).all()
