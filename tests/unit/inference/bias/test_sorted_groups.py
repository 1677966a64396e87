from __future__ import annotations

import numpy as np
import pytest

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.bias._predictions import sorted_group_effects
from metarouter.inference.labels import (
    HeldOutPredictions,
    fitted_nuisances,
    orthogonal_scores,
    scaled_labels,
)
from metarouter.nuisance import ALL_NUISANCES


def true_shift(data):
    return -0.5 + 0.5 * data.X[:, 1]


def test_group_means_are_means_of_the_scores_with_hc3_errors(make):
    data = make.labelled()
    labels = scaled_labels(data, None)
    fitted = fitted_nuisances(labels, make.recipe(), ALL_NUISANCES, 0)
    prediction = true_shift(data)[labels.rows.query]
    found = sorted_group_effects(
        labels.rows, prediction, n_groups=3, nuisances=fitted, scaling=None
    )
    scores = orthogonal_scores(labels, fitted).shift
    order = np.argsort(prediction)
    for k, rows in enumerate(np.array_split(order, 3)):
        n = len(rows)
        assert found.value[k] == pytest.approx(scores[rows].mean())
        hc3 = np.sum((scores[rows] - scores[rows].mean()) ** 2) / (n - 1) ** 2
        assert found.se[k] == pytest.approx(np.sqrt(hc3))
        assert found.predicted[k] == pytest.approx(prediction[rows].mean())
    assert found.contrast == pytest.approx(found.value[2] - found.value[0])
    assert found.contrast_se == pytest.approx(np.hypot(found.se[0], found.se[2]))


def test_true_predictions_sort_and_match_their_means(make):
    data = make.labelled(5000)
    found = sorted_group_effects(
        data, true_shift(data), nuisances=make.recipe(), scaling=None, random_state=0
    )
    assert (found.simultaneous_lower < found.predicted).all()
    assert (found.predicted < found.simultaneous_upper).all()
    assert found.contrast_p_value < 1e-6
    assert str(found.verdict) == "PASS"


def test_simultaneous_intervals_hold_the_pointwise_ones(make):
    found = sorted_group_effects(
        make.labelled(1500), make.router(), nuisances=make.recipe(), random_state=0
    )
    assert (found.simultaneous_lower < found.lower).all()
    assert (found.simultaneous_upper > found.upper).all()


def test_groups_are_cut_within_every_fold(make):
    data = make.labelled(400)
    fold = np.arange(400) % 2
    prediction = np.where(fold == 0, 100.0, 0.0) + true_shift(data)[data.training_rows().query]
    found = sorted_group_effects(
        data,
        HeldOutPredictions(prediction, prediction, fold, "given"),
        n_groups=2,
        nuisances=make.recipe(),
        random_state=0,
    )
    assert found.n_rows.tolist() == [200, 200]
    assert abs(found.predicted[1] - found.predicted[0]) < 2


def test_equal_predictions_stay_together(make):
    data = make.labelled(600)
    rounded = np.round(true_shift(data), 1)
    found = sorted_group_effects(data, rounded, n_groups=3, nuisances=make.recipe(), random_state=0)
    assert found.n_rows.sum() == 600
    with pytest.raises(DataError, match="too few for 3 groups"):
        sorted_group_effects(data, np.sign(rounded + 0.55), n_groups=3, nuisances=make.recipe())


def test_the_gain_may_be_averaged_by_the_predicted_shift(make):
    data = make.labelled(3000)
    found = sorted_group_effects(
        data,
        true_shift(data),
        effect="gain",
        by="shift",
        nuisances=make.recipe(),
        scaling=None,
        random_state=0,
    )
    # psi rises by a half per unit of x_1, as the shift does.
    np.testing.assert_allclose(found.value - 0.5, found.predicted + 0.5, atol=0.35)
    assert "Mean gain in groups sorted by the predicted shift" in found.summary()


def test_backward_predictions_fail(make):
    data = make.labelled(4000)
    found = sorted_group_effects(
        data, -true_shift(data), nuisances=make.recipe(), scaling=None, random_state=0
    )
    assert str(found.verdict) == "FAIL"


def test_groups_with_few_gold_labels_give_no_number(make):
    data = make.labelled(200)
    found = sorted_group_effects(
        data, make.router(), n_groups=5, nuisances=make.recipe(), random_state=0
    )
    assert str(found.verdict) == "INCONCLUSIVE"
    assert np.isnan(found.value).all()
    assert found.needed > data.n_gold
    assert "fewer groups" in found.summary()


def test_choices_that_mean_nothing_are_refused(make):
    with pytest.raises(MetaRouterError, match="n_groups=1 leaves nothing"):
        sorted_group_effects(make.labelled(), n_groups=1)
    with pytest.raises(MetaRouterError, match="by is 'bias'; give 'gain' or 'shift'"):
        sorted_group_effects(make.labelled(), by="bias")


def test_the_picture_shows_means_and_predictions(make):
    data = make.labelled()
    ax = sorted_group_effects(
        data, true_shift(data), nuisances=make.recipe(), random_state=0
    ).plot()
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["95% simultaneous", "95% pointwise", "mean", "predicted"]
