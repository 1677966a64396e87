from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("xgboost")

from metarouter.exceptions import MetaRouterError
from paper_figures import ep_learner


def _pretend(replication):
    rng = np.random.default_rng([replication.round, ord(replication.setup), replication.n])
    return dict(zip(ep_learner.LEARNERS, rng.random(4).tolist(), strict=True))


@pytest.mark.parametrize("setup", ep_learner.SETUPS)
def test_labels_have_the_means_and_the_propensity_of_the_set_up(setup):
    train = ep_learner.draw(setup, 40_000, np.random.default_rng(0))
    X = train.X
    gold, effect = train.is_gold, train.effect
    assert train.X.shape == (40_000, 5)
    tilt = {"C": X[:, 1] + X[:, 2], "D": X[:, 0] + X[:, 1]}.get(setup)
    if tilt is not None:  # logistic in the tilt: a half where it is 0, 1 / (1 + e^-1) at 1
        near = np.abs(tilt - 1) < 0.1
        assert gold[near].mean() == pytest.approx(1 / (1 + np.exp(-1)), abs=0.04)
    contrast = np.where(gold, train.y, -train.y)
    if setup == "B":  # a randomised trial: the difference of the means is the mean effect
        assert 2 * contrast.mean() == pytest.approx(effect.mean(), abs=0.1)
    if setup == "C":
        assert (effect == 1).all()


def test_a_stopped_run_goes_on_where_it_was_and_ends_with_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(ep_learner, "replicate", _pretend)
    whole = ep_learner.run(4)
    checkpoint = tmp_path / "rounds.csv"
    ep_learner.run(2, checkpoint=checkpoint)
    asked = []
    monkeypatch.setattr(ep_learner, "replicate", lambda item: asked.append(item) or _pretend(item))
    resumed = ep_learner.run(4, checkpoint=checkpoint)
    pd.testing.assert_frame_equal(resumed, whole)
    assert {item.round for item in asked} == {2, 3}


def test_a_foreign_checkpoint_is_refused(tmp_path):
    checkpoint = tmp_path / "rounds.csv"
    checkpoint.write_text("a,b\n1,2\n")
    with pytest.raises(MetaRouterError, match="has the columns a, b instead of seed"):
        ep_learner.run(2, checkpoint=checkpoint)


def test_z_counts_both_errors_and_differences_are_paired():
    rows = [(0, k, "A", 500, 0.1 + 0.01 * (k % 2), 0.1, 0.2, 0.3) for k in range(100)]
    frame = pd.DataFrame(rows, columns=ep_learner.COLUMNS)
    row = ep_learner.summarise(frame).iloc[0]
    assert (row["learner"], row["published"]) == ("EP", 0.0878)
    assert row["z"] == pytest.approx((row["median"] - 0.0878) / (row["se"] * np.sqrt(2)))
    to_r = ep_learner.paired_differences(frame).set_index("other").loc["R"]
    assert to_r["difference"] == pytest.approx(-0.095)
    assert to_r["se"] == pytest.approx(0.005 * np.sqrt(100 / 99) / 10)


def test_the_table_and_its_markdown_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(ep_learner, "replicate", _pretend)
    ep_learner.main(["--rounds", "3", "--out", str(tmp_path)])
    assert len(pd.read_csv(tmp_path / "ep_learner.csv")) == 4 * 2 * 4
    assert "| C | 1000 | CF | 3 |" in (tmp_path / "ep_learner.md").read_text()
