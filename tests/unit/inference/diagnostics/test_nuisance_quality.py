from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, r2_score
from sklearn.tree import DecisionTreeRegressor

from metarouter import Nuisances
from metarouter.inference.diagnostics._nuisance_checks import nuisance_quality
from metarouter.inference.intervals import noise_share
from metarouter.inference.labels import fitted_nuisances, scaled_labels
from metarouter.nuisance import ALL_NUISANCES


def quality(data, nuisances):
    return nuisance_quality(data, nuisances=nuisances, scaling=None, random_state=0)


def test_values_are_those_of_scikit_learn(make):
    data = make.labelled()
    labels = scaled_labels(data, None)
    fitted = fitted_nuisances(labels, make.recipe(), ALL_NUISANCES, 0)
    found = quality(data, fitted)
    gold = labels.is_gold
    for name, rows in (
        ("gold_outcome", gold),
        ("preference_outcome", ~gold),
        ("marginal_outcome", gold | ~gold),
    ):
        expected = r2_score(labels.y[rows], getattr(fitted, f"{name}_")[rows])
        assert found.r2[name].value == pytest.approx(expected)
        assert found.n[name] == rows.sum()
    assert found.log_loss.value == pytest.approx(log_loss(gold, fitted.propensity_))
    constant = log_loss(gold, np.full(len(gold), gold.mean()))
    assert found.log_loss_ratio.value == pytest.approx(found.log_loss.value / constant)


def test_weights_count(make):
    weight = np.where(np.arange(600) % 2, 1.0, 3.0)
    data = make.labelled(weight=weight)
    labels = scaled_labels(data, None)
    fitted = fitted_nuisances(labels, make.recipe(), ALL_NUISANCES, 0)
    found = quality(data, fitted)
    expected = r2_score(labels.y, fitted.marginal_outcome_, sample_weight=labels.share)
    assert found.r2["marginal_outcome"].value == pytest.approx(expected)


def test_every_number_lies_in_its_interval(make):
    frame = quality(make.labelled(), make.recipe()).to_frame()
    assert (frame.ci_low < frame.value).all()
    assert (frame.value < frame.ci_high).all()


def test_groups_widen_intervals(make):
    data = make.labelled(both=True, groups=np.arange(600) // 20)
    grouped = quality(data, make.recipe()).r2["gold_outcome"]
    assert grouped.lower < grouped.value < grouped.upper


def test_good_models_pass_and_an_overfitted_one_does_not(make):
    data = make.labelled(1000, slope=0.0)
    assert str(quality(data, make.recipe()).verdict) == "PASS"
    noise = replace(data, X=np.random.default_rng(5).standard_normal((1000, 3)))
    deep = Nuisances(outcome=DecisionTreeRegressor(random_state=0), propensity="constant")
    found = quality(noise, deep)
    assert found.r2["gold_outcome"].upper < -0.25
    assert str(found.verdict) == "FAIL"
    assert "More labels, or fewer features" in found.reason


def test_a_label_among_the_features_is_noticed(make):
    data = make.labelled()
    label = np.where(np.isnan(data.gold), data.preference, data.gold)
    leaking = replace(data, X=np.column_stack([data.X, label]), feature_names=None)
    found = quality(leaking, make.recipe())
    assert str(found.verdicts["gold_outcome"]) == "CAUTION"
    assert "look for the label among them" in found.reason


def test_predictions_that_are_pure_noise_are_recognised():
    # Noise around a constant: the excess of squared error is its spread, all of it noise.
    assert noise_share(1.0, 1.0) == 1.0
    assert noise_share(-1.0, 1.0) == 0.0
    assert noise_share(0.0, 1.0) == 0.5
    assert noise_share(0.0, 0.0) == 0.0


def test_too_few_labels_give_no_number(make):
    found = nuisance_quality(make.labelled(30))
    assert str(found.verdict) == "INCONCLUSIVE"
    assert found.needed == 30
    assert np.isnan(found.log_loss.value)


def test_an_open_verdict_says_how_many_labels_would_do(make):
    data = make.labelled(130, tilt=0.0)
    X = np.random.default_rng(5).standard_normal((130, 8))
    noise = replace(data, X=X, feature_names=None)
    found = quality(noise, make.recipe())
    assert str(found.verdict) == "INCONCLUSIVE"
    assert found.needed > data.n_gold


def test_the_picture_has_one_line_per_nuisance(make):
    ax = quality(make.labelled(), make.recipe()).plot()
    assert len(ax.get_yticks()) == 4


def test_only_what_is_no_better_than_a_constant_is_named_and_advised_on(make):
    found = nuisance_quality(
        make.labelled(400, seed=1, tilt=0.0), nuisances=make.recipe(), random_state=0
    )
    assert found.reason.startswith("Not shown to be as good as a constant: source given the query.")
    assert "propensity='constant'" in found.reason
    assert "fewer features" not in found.reason
