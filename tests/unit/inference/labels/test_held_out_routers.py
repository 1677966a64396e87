"""Routers are tested on queries that they have not seen, sorted within their folds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import Ridge

from metarouter import MetaRouter
from metarouter.datasets import LabelledQueries, make_judged_queries
from metarouter.inference.labels import HeldOutRouters, held_out_routers

# Without calibration, whose folds depend on the order of the rows.
ROUTERS = {"gold_only": MetaRouter(regressor=Ridge(), sources="gold", calibrate=False)}


@pytest.fixture(scope="module")
def queries() -> LabelledQueries:
    return make_judged_queries(200, 6, gold_share=0.5, random_state=0)


def test_ranks_do_not_depend_on_the_level_of_a_fold() -> None:
    gain, fold = np.array([5.0, 6.0, 7.0, -3.0, -1.0, -2.0]), np.array([0, 0, 0, 1, 1, 1])
    ranks = HeldOutRouters({"a": gain}, {}, fold, "forward").ranks()["a"]
    np.testing.assert_allclose(ranks, [1 / 6, 3 / 6, 5 / 6, 1 / 6, 5 / 6, 3 / 6])


def test_forward_leaves_the_first_two_folds_to_training(queries: LabelledQueries) -> None:
    forward = held_out_routers(queries, ROUTERS, 5, 0, scheme="forward")
    cross = held_out_routers(queries, ROUTERS, 5, 0, scheme="cross_fit")
    assert set(forward.fold) == {-1, 2, 3, 4}
    assert set(cross.fold) == {0, 1, 2, 3, 4}
    predicted = np.isfinite(forward.gains["gold_only"])
    np.testing.assert_array_equal(predicted, forward.fold >= 0)
    np.testing.assert_array_equal(np.isfinite(forward.ranks()["gold_only"]), predicted)
    # The last fold is predicted from all others either way.
    last = cross.fold == 4
    np.testing.assert_array_equal(forward.gains["gold_only"][last], cross.gains["gold_only"][last])


def test_an_encoder_is_fitted_anew_where_it_learns(queries: LabelledQueries) -> None:
    class Counted(TransformerMixin, BaseEstimator):
        fits = 0

        def fit(self, X: Any, y: Any = None) -> Any:
            type(self).fits += 1
            self.fitted_ = True
            return self

        def transform(self, X: Any) -> Any:
            return np.asarray(X)

    held_out_routers(queries, ROUTERS, 4, 0, scheme="cross_fit", encoders=[Counted()])
    assert Counted.fits == 4
