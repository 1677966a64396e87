from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.bias._projection import best_linear_projection
from metarouter.inference.labels import fitted_nuisances, orthogonal_scores, scaled_labels
from metarouter.nuisance import ALL_NUISANCES


def test_coefficients_and_errors_are_statsmodels_regression_of_the_scores(make):
    api = pytest.importorskip("statsmodels.api")
    data = make.labelled()
    labels = scaled_labels(data, None)
    fitted = fitted_nuisances(labels, make.recipe(), ALL_NUISANCES, 0)
    found = best_linear_projection(data, nuisances=fitted, scaling=None)
    scores = orthogonal_scores(labels, fitted).shift
    design = api.add_constant(np.asarray(labels.rows.X))
    theirs = api.OLS(scores, design).fit(cov_type="HC3")
    np.testing.assert_allclose(found.coefficient[1:], theirs.params[1:], rtol=1e-9)
    np.testing.assert_allclose(found.se[1:], theirs.bse[1:], rtol=1e-7)
    assert found.coefficient[0] == pytest.approx(scores.mean())


def test_the_mean_has_the_error_of_the_mean_shift_test(make):
    from metarouter.inference.bias._mean_shift import mean_shift_test
    from metarouter.inference.labels import doubly_robust_mean

    data = make.labelled(2000)
    fitted = fitted_nuisances(scaled_labels(data), make.recipe(), ALL_NUISANCES, 0)
    found = best_linear_projection(data, nuisances=fitted)
    test = mean_shift_test(data, nuisances=fitted, method="aipw")
    plain = doubly_robust_mean(scaled_labels(data), fitted)  # the test takes the shrinkage out too
    assert found.coefficient[0] == pytest.approx(plain.value)
    assert found.se[0] == pytest.approx(test.se, rel=0.01)


def test_the_feature_that_matters_is_found_and_the_others_are_not(make):
    found = best_linear_projection(
        make.labelled(3000), nuisances=make.recipe(), scaling=None, random_state=0
    )
    assert found.names == ("mean", "a", "b", "c")
    assert found.simultaneous_lower[2] < 0.5 < found.simultaneous_upper[2]
    assert found.simultaneous_lower[2] > 0
    assert found.simultaneous_lower[1] < 0 < found.simultaneous_upper[1]
    assert str(found.verdict) == "FAIL"


def test_simultaneous_intervals_are_wider_than_pointwise_ones_of_slopes_only(make):
    found = best_linear_projection(make.labelled(), nuisances=make.recipe(), random_state=0)
    assert (found.simultaneous_upper[1:] > found.upper[1:]).all()
    assert found.simultaneous_upper[0] == found.upper[0]


def test_columns_are_known_by_name_in_whatever_order_they_come(make):
    # econml drops names on input and takes reordered columns for what they are not.
    data = make.labelled()
    frame = pd.DataFrame(data.X, columns=["a", "b", "c"])
    named = replace(data, X=frame)
    turned = replace(data, X=frame[["c", "a", "b"]], feature_names=None)
    settings = {"features": ["b", "c"], "nuisances": make.recipe(), "random_state": 0}
    one, other = (best_linear_projection(table, **settings) for table in (named, turned))
    assert one.names == other.names == ("mean", "b", "c")
    np.testing.assert_allclose(one.coefficient, other.coefficient, rtol=1e-6)


def test_features_may_be_given_by_position_name_or_table(make):
    data = make.labelled()
    settings = {"nuisances": make.recipe(), "random_state": 0}
    ways = (["b"], "b", [1], data.X[:, [1]], data.X[:, 1], pd.DataFrame({"b": data.X[:, 1]}))
    values = [best_linear_projection(data, way, **settings).coefficient for way in ways]
    for value in values[1:]:
        np.testing.assert_allclose(value, values[0])


def test_tables_of_queries_follow_queries_that_stand_as_two_rows(make):
    data = make.labelled(200, both=True)
    settings = {"nuisances": make.recipe(), "random_state": 0}
    by_name = best_linear_projection(data, ["b"], **settings)
    given = best_linear_projection(data, data.X[:, [1]], **settings)
    np.testing.assert_allclose(by_name.coefficient, given.coefficient)
    assert given.covariance == "cluster"


def test_domains_are_compared_with_the_commonest(make):
    data = make.labelled(3000)
    domain = np.where(data.X[:, 1] > 0.5, "art", "law").astype(object)
    found = best_linear_projection(
        replace(data, domain=domain),
        "domain",
        nuisances=make.recipe(),
        scaling=None,
        random_state=0,
    )
    assert found.names == ("mean", "art - law")
    density = norm.pdf(0.5)
    truth = 0.5 * (density / norm.sf(0.5) + density / norm.cdf(0.5))
    assert found.lower[1] < truth < found.upper[1]


def test_the_gain_can_be_projected_too(make):
    found = best_linear_projection(
        make.labelled(3000), effect="gain", nuisances=make.recipe(), scaling=None, random_state=0
    )
    np.testing.assert_allclose(found.coefficient, [0.5, 1.0, 0.5, 0.0], atol=0.15)


def test_an_estimated_factor_changes_errors_and_no_estimate(make):
    data = make.labelled(unit=2.0)
    fitted = fitted_nuisances(scaled_labels(data), make.recipe(), ALL_NUISANCES, 0)
    estimated = best_linear_projection(data, nuisances=fitted)
    factor = scaled_labels(data).factor
    given = best_linear_projection(data, nuisances=fitted, scaling=factor)
    np.testing.assert_allclose(estimated.coefficient, given.coefficient)
    assert abs(estimated.se[0] / given.se[0] - 1) > 1e-3


def test_too_few_gold_labels_for_the_coefficients_give_no_number(make):
    data = make.labelled(110)
    found = best_linear_projection(data)
    assert data.n_gold < 40
    assert str(found.verdict) == "INCONCLUSIVE"
    assert found.needed == 40
    assert np.isnan(found.coefficient).all()
    assert "40 would do" in found.summary()


def test_no_dependence_is_not_proof_of_none(make):
    found = best_linear_projection(
        make.labelled(300, slope=0), nuisances=make.recipe(), random_state=0
    )
    assert str(found.verdict) == "INCONCLUSIVE"
    assert found.needed > 300


def test_bad_features_are_refused_by_name(make):
    data = make.labelled()
    with pytest.raises(MetaRouterError, match="features names 'z', but X has 3 columns"):
        best_linear_projection(data, ["z"])
    for empty in ([], np.zeros((600, 0))):
        with pytest.raises(MetaRouterError, match="features is empty"):
            best_linear_projection(data, empty)
    with pytest.raises(MetaRouterError, match="features='domain' needs"):
        best_linear_projection(data, "domain")
    with pytest.raises(DataError, match=r"features has shape \(7,\)"):
        best_linear_projection(data, np.ones(7))
    with pytest.raises(DataError, match="missing or infinite in 1 of 600 rows"):
        best_linear_projection(data, np.where(np.arange(600) == 3, np.nan, 1.0))
    with pytest.raises(DataError, match="no numbers"):
        best_linear_projection(data, np.full(600, "a"))
    with pytest.raises(DataError, match="column 'x0' does not vary"):
        best_linear_projection(data, np.ones(600), nuisances=make.recipe())
    with pytest.raises(MetaRouterError, match="effect is 'bias'; give 'gain' or 'shift'"):
        best_linear_projection(data, effect="bias")
    with pytest.raises(MetaRouterError, match="X has 21 features"):
        best_linear_projection(replace(data, X=np.ones((600, 21)), feature_names=None))


def test_the_picture_names_every_slope(make):
    ax = best_linear_projection(make.labelled(), nuisances=make.recipe()).plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
