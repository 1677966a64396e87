from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from oracles.reward_models import naive_bradley_terry, naive_classification
from reward_worlds import MODELS, topics_world, trained_offline
from sklearn.base import clone

from bandits.reward_models import OfflineRewardRouter, load_offline_router
from bandits.reward_models._fusion import bradley_terry_loss, classification_loss
from metarouter.exceptions import DataError, RouterFileError

X, CORRECT, TOPIC = topics_world(300)


def test_losses_equal_those_written_by_loops():
    rng = np.random.default_rng(0)
    scores, correct = rng.normal(size=(20, 4)), rng.integers(0, 2, (20, 4)).astype(float)
    correct[rng.random((20, 4)) < 0.2] = np.nan
    s, d = torch.tensor(scores), torch.tensor(correct)
    pairs = int(((correct == 1).sum(axis=1) * (correct == 0).sum(axis=1)).sum())
    bt = float(bradley_terry_loss(s, d)) / pairs
    assert bt == pytest.approx(naive_bradley_terry(scores, correct), abs=1e-12)
    cls = float(classification_loss(s, d)) / int((~np.isnan(correct)).sum())
    assert cls == pytest.approx(naive_classification(scores, correct), abs=1e-12)


@pytest.mark.parametrize("normalize", [True, False])
def test_the_model_that_knows_a_topic_is_found(normalize):
    router = trained_offline(normalize)
    chosen = np.array([MODELS.index(name) for name in router.predict(X)])
    assert CORRECT[np.arange(300), chosen].mean() > CORRECT.mean(axis=0).max() + 0.15
    assert (chosen == TOPIC).mean() > 0.9
    scores = router.decision_function(X)
    np.testing.assert_allclose(scores, router.transform(X) @ router.embedding_.T)
    rates = router.predict_correct(X)
    assert ((rates > 0) & (rates < 1)).all()
    # The line puts scores on the scale of rewards.
    fitted = router.reward_level_ + router.reward_slope_ * scores
    assert abs(fitted.mean() - CORRECT.mean()) < 0.05


def test_lengths_are_one_when_normalised():
    router = trained_offline()
    np.testing.assert_allclose(np.linalg.norm(router.embedding_, axis=1), 1.0)
    np.testing.assert_allclose(np.linalg.norm(router.transform(X), axis=1), 1.0)


def test_the_same_seed_gives_the_same_router_and_a_file_keeps_it(tmp_path):
    make = {"n_components": 4, "max_epochs": 3, "random_state": 5, "device": "cpu"}
    first, second = (OfflineRewardRouter(**make).fit(X, CORRECT) for _ in range(2))
    first.save(tmp_path / "router.json")
    again = load_offline_router(tmp_path / "router.json")
    for other in (second, again):
        assert (first.decision_function(X) == other.decision_function(X)).all()
    assert again.arms_ == first.arms_
    assert again.get_params() == first.get_params() | {"arms": [0, 1, 2, 3]}


def test_missing_verdicts_do_not_teach():
    gaps = CORRECT.copy()
    gaps[:, 3] = np.nan
    gaps[:250] = np.nan
    rows = np.arange(250, 300)
    make = {"validation_share": 0.0, "max_epochs": 2, "random_state": 0, "batch_size": 300}
    full = OfflineRewardRouter(**make).fit(X, gaps)
    poisoned = OfflineRewardRouter(**make).fit(X, np.where(np.isnan(gaps), np.nan, gaps))
    assert (full.embedding_ == poisoned.embedding_).all()
    assert full.n_disagreements_ == int(
        (CORRECT[rows, :3].sum(axis=1) * (3 - CORRECT[rows, :3].sum(axis=1))).sum()
    )


def test_frames_name_models_and_features():
    frame = pd.DataFrame(CORRECT, columns=list(MODELS))
    features = pd.DataFrame(X, columns=[f"f{i}" for i in range(16)])
    router = OfflineRewardRouter(4, max_epochs=1, random_state=0).fit(features, frame)
    assert router.arms_ == list(MODELS)
    with pytest.raises(ValueError, match="feature names"):
        router.predict(features.rename(columns={"f0": "other"}))


def test_groups_are_held_back_together():
    from bandits.reward_models.offline import _held_back

    groups = np.repeat(np.arange(60), 5)
    held = _held_back(300, groups, 0.2, seed=0)
    assert held.sum() == 60
    assert all(len(set(held[groups == g])) == 1 for g in range(60))


@pytest.mark.parametrize(
    ("correct", "message"),
    [
        (None, "requires y to be passed"),
        (CORRECT + 0.5, "correct holds .* in row 0 of column 0"),
        (CORRECT[:100], r"correct has shape \(100, 4\) but X has 300 rows"),
        (CORRECT[:, 0], "correct has shape"),
        (CORRECT[:, :1], "two reward models or more"),
        (np.ones((300, 4)), "no pair on which one reward model is right and another wrong"),
        (np.full((300, 4), np.nan), "NaN throughout"),
        (np.full((300, 4), "x"), "no table of numbers"),
    ],
)
def test_verdicts_that_teach_nothing_are_refused_and_nothing_changes(correct, message):
    router = clone(trained_offline())
    router.set_params(max_epochs=1).fit(X, CORRECT)
    before = dict(router.__dict__)
    with pytest.raises(DataError, match=message):
        router.fit(X, correct)
    assert router.__dict__ == before


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"n_components": 1}, "n_components is 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"cls_weight": -1.0}, "cls_weight is -1.0"),
        ({"validation_share": 1.0}, "validation_share is 1.0"),
        ({"device": "abacus"}, "device is 'abacus'"),
        ({"arms": ["a"]}, "arms names 1 models"),
    ],
)
def test_settings_off_their_range_are_refused(setting, message):
    with pytest.raises(DataError, match=message):
        OfflineRewardRouter(**setting).fit(X, CORRECT)


def test_bad_features_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        OfflineRewardRouter().fit(np.where(X > 3, np.nan, X), CORRECT)
    with pytest.raises(ValueError, match="features"):
        trained_offline().predict(X[:, :3])


def test_files_that_are_no_routers_are_refused(tmp_path):
    path = tmp_path / "router.json"
    with pytest.raises(RouterFileError, match="There is no file"):
        load_offline_router(path)
    trained_offline().save(path)
    state = json.loads(path.read_text())
    path.write_text(path.read_text()[:500])
    with pytest.raises(RouterFileError, match="truncated"):
        load_offline_router(path)
    for change in ({"format": "other"}, {"weights": {}}, {"learned": {"n_features_in_": 3}}):
        path.write_text(json.dumps({**state, **change}))
        with pytest.raises(RouterFileError, match="no saved offline reward router"):
            load_offline_router(path)
    del state["learned"]["reward_slope_"]
    path.write_text(json.dumps({**state, "version": "0.1.0"}))
    with pytest.raises(RouterFileError, match=r"saved by 0.1.0; KeyError: 'reward_slope_'"):
        load_offline_router(path)
