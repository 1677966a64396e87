"""Every mistake in the training data is named in one sentence: where, how often, what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from two_sources import two_sources

from metarouter import DRLearner, GainScaler, MetaRouter
from metarouter.exceptions import DataError, MetaRouterError

N = 30
DATA = two_sources(N, 3)
FRAME = pd.DataFrame(DATA.X, columns=["length", "code", "maths"])


def fit(X=DATA.X, y=DATA.y, is_gold=DATA.is_gold, **given):
    shift = DRLearner(LinearRegression(), "constant", LinearRegression(), cv=2)
    return MetaRouter(shift, LinearRegression(), random_state=0).fit(X, y, is_gold, **given)


def changed(values, row, value, dtype=object):
    values = np.array(values, dtype=dtype)
    values[row] = value
    return values


def frame_with(value, *, rows=(4, 7), column="code"):
    frame = FRAME.astype({column: object})
    frame.loc[list(rows), column] = value
    return frame


BROKEN_FEATURES = {
    "NaN in a frame": (
        frame_with(np.nan),
        "X is NaN in 2 of 30 rows of column 'code' (first: row 4); fill in the values, or leave "
        "out those rows or columns.",
    ),
    "None in a frame": (
        frame_with(None),
        "X is NaN in 2 of 30 rows of column 'code' (first: row 4)",
    ),
    "infinity in an array": (
        changed(DATA.X, (3, 2), np.inf, float),
        "X is infinite (inf) in 1 of 30 rows of column 2 (first: row 3)",
    ),
    "NaN in several columns": (
        DATA.X + np.where(np.arange(3) > 0, np.nan, 0),
        "X is NaN in 30 of 30 rows of column 1 and 1 more column (first: row 0)",
    ),
    "text in a frame": (
        frame_with("many"),
        "X holds 'many' in row 4 of column 'code', which is not a number; encode text as numbers",
    ),
    "text in an array": (
        changed(DATA.X, (5, 1), "many"),
        "X holds 'many' in row 5 of column 1, which is not a number",
    ),
    "repeated names": (
        FRAME.set_axis(["length", "code", "code"], axis=1),
        "X has 2 columns named 'code'; rename them or keep one of each.",
    ),
    "several repeated names": (
        pd.concat([FRAME, FRAME], axis=1),
        "X has 2 columns named 'length' (and 2 more names repeat)",
    ),
    "no rows": (FRAME[:0], "X has 0 rows; give at least one labelled query."),
    "no columns": (DATA.X[:, :0], "0 feature(s) (shape=(30, 0)) while a minimum of 1 is required"),
}

BROKEN_LABELS = {
    "NaN label": (
        {"y": changed(DATA.y, 3, np.nan)},
        "y is NaN in 1 of 30 rows (first: row 3); give every row a label",
    ),
    "infinite label": ({"y": changed(DATA.y, 3, -np.inf)}, "y is infinite (inf) in 1 of 30 rows"),
    "missing label": ({"y": changed(DATA.y, 3, None)}, "y is NaN in 1 of 30 rows (first: row 3)"),
    "text label": ({"y": changed(DATA.y, 3, "win")}, "y holds 'win' in row 3, which is not a"),
    "complex labels": ({"y": DATA.y + 1j}, "y holds complex numbers; give every row a real one."),
    "too few labels": ({"y": DATA.y[:-1]}, "X has 30 rows but y has 29; give one label per row."),
    "two columns of labels": (
        {"y": np.column_stack([DATA.y, DATA.y])},
        "y has shape (30, 2); give one column with one number per row.",
    ),
    "no labels": ({"y": None}, "requires y to be passed, but the target y is None"),
    "a third source": (
        {"is_gold": changed(DATA.is_gold, 2, 2)},
        "is_gold holds 2 in row 2 (1 of 30 rows are neither True nor False)",
    ),
    "a missing source": (
        {"is_gold": changed(DATA.is_gold, [2, 5], None)},
        "is_gold holds None in row 2 (2 of 30 rows",
    ),
    "a missing source in pandas": (
        {"is_gold": pd.Series(DATA.is_gold, dtype="boolean").mask(np.arange(N) == 2)},
        "is_gold holds <NA> in row 2 (1 of 30 rows",
    ),
    "sources as text": (
        {"is_gold": np.where(DATA.is_gold, "gold", "preference")},
        "(30 of 30 rows are neither True nor False)",
    ),
    "too few sources": (
        {"is_gold": DATA.is_gold[:-1]},
        "is_gold has shape (29,) but there are 30 labels; give one boolean per label.",
    ),
    "gold only": (
        {"is_gold": np.ones(N, dtype=bool)},
        "all 30 labels are gold and none is a preference label",
    ),
    "preference only": (
        {"is_gold": np.zeros(N, dtype=bool)},
        "all 30 labels are preference labels and none is gold",
    ),
    "negative weights": (
        {"sample_weight": changed(np.ones(N), [3, 4], -1, float)},
        "sample_weight is negative in 2 of 30 rows (first: row 3); give weights of at least 0.",
    ),
    "no weight at all": (
        {"sample_weight": np.zeros(N)},
        f"sample_weight is zero in all {DATA.is_gold.sum()} gold rows",
    ),
    "NaN weights": ({"sample_weight": np.full(N, np.nan)}, "sample_weight is NaN in 30 of 30 rows"),
    "text weights": ({"sample_weight": ["heavy"] * N}, "sample_weight holds 'heavy' in row 0"),
    "too few weights": ({"sample_weight": np.ones(2)}, "sample_weight has shape (2,) but there"),
    "too few groups": ({"groups": np.ones(2)}, "groups has shape (2,) but there are 30 labels"),
    "missing groups": (
        {"groups": changed(np.arange(N), [1, 2], None)},
        "groups is missing in 2 of 30 rows (first: row 1); give those rows groups of their own.",
    ),
    "missing groups in pandas": (
        {"groups": pd.Series(range(N), dtype="Int64").mask(np.arange(N) == 9)},
        "groups is missing in 1 of 30 rows (first: row 9)",
    ),
    "constant gold labels": (
        {"y": np.where(DATA.is_gold, 2.0, DATA.y)},
        f"all {DATA.is_gold.sum()} gold labels equal 2, so their variance cannot be matched",
    ),
    "constant preference labels": (
        {"y": np.where(DATA.is_gold, DATA.y, 1.0)},
        f"all {(~DATA.is_gold).sum()} preference labels equal 1",
    ),
}


def assert_one_sentence(error: Exception, expected: str) -> None:
    message = str(error)
    assert expected in message
    assert "\n" not in message
    assert ". " not in message


@pytest.mark.parametrize("case", BROKEN_FEATURES)
def test_broken_features_are_named(case: str) -> None:
    X, expected = BROKEN_FEATURES[case]
    with pytest.raises(DataError) as raised:
        fit(X)
    assert_one_sentence(raised.value, expected)


@pytest.mark.parametrize("case", BROKEN_LABELS)
def test_broken_labels_sources_weights_and_groups_are_named(case: str) -> None:
    given, expected = BROKEN_LABELS[case]
    with pytest.raises(DataError) as raised:
        fit(**given)
    assert_one_sentence(raised.value, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, "many"])
def test_broken_features_of_new_queries_are_named(value) -> None:
    model = fit(FRAME)
    with pytest.raises(DataError, match=r"of column 'code'"):
        model.predict(frame_with(value))


def test_a_column_too_many_is_counted() -> None:
    model = fit()
    with pytest.raises(DataError) as raised:
        model.predict(DATA.X[:, :2])
    assert_one_sentence(raised.value, "X has 2 features, but MetaRouter is expecting 3")


# check_estimator asks for scikit-learn's own words here, which take one line per column.
@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["code", "length", "maths"], "must be in the same order as they were in fit"),
        (["length", "code"], "seen at fit time, yet now missing:\n- maths"),
        (["length", "code", "maths", "law"], "unseen at fit time:\n- law"),
    ],
)
def test_columns_that_do_not_match_are_refused_by_name(columns, expected) -> None:
    # econml 0.17 drops the names and is silently wrong when columns change places.
    model = fit(FRAME)
    for predict in (model.predict, model.shift_.predict):
        with pytest.raises(DataError, match=expected):
            predict(FRAME.assign(law=1.0)[columns])


def test_numbers_as_text_booleans_and_integers_are_numbers() -> None:
    expected = fit().predict(DATA.X)
    for X in (DATA.X.astype(object), DATA.X.tolist(), DATA.X.astype(str)):
        np.testing.assert_array_equal(fit(X).predict(X), expected)
    y = DATA.y.astype(str)
    np.testing.assert_array_equal(fit(y=y, is_gold=DATA.is_gold * 1.0).predict(DATA.X), expected)


def test_groups_may_bear_any_names() -> None:
    groups = np.arange(N) // 2
    expected = fit(groups=groups).shift_.predict(DATA.X)
    named = np.array([f"q{code}" if code % 2 else code for code in groups], dtype=object)
    np.testing.assert_array_equal(fit(groups=named).shift_.predict(DATA.X), expected)


def test_a_scaler_names_broken_labels_too() -> None:
    with pytest.raises(DataError, match=r"^y is NaN in 1 of 2 rows \(first: row 1\)"):
        GainScaler().fit([1.0, np.nan])


def test_every_user_mistake_is_a_value_error_of_ours() -> None:
    assert issubclass(DataError, MetaRouterError)
    assert issubclass(MetaRouterError, ValueError)
