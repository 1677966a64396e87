from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from two_sources import two_sources

from metarouter import EconMLShift, MetaRouter
from metarouter.exceptions import MetaRouterError

DATA = two_sources(300)


class Contrast:
    """The smallest thing that looks like a CATE estimator of econml."""

    def __init__(self, random_state=None) -> None:
        self.random_state = random_state

    def fit(self, Y, T, *, X, **given):
        self.seen = given
        self.contrast = Y[T == 1].mean() - Y[T == 0].mean()
        return self

    def effect(self, X):
        return np.full((len(X), 1), self.contrast)


def test_an_estimator_is_copied_seeded_and_predicts_one_number_per_row() -> None:
    given = Contrast()
    shift = EconMLShift(given, random_state=7).fit(DATA.X, DATA.y, DATA.is_gold)
    assert shift.predict(DATA.X).shape == (300,)
    assert shift.estimator_.random_state == 7
    assert given.random_state is None
    assert not hasattr(given, "contrast")


def test_a_seed_of_the_estimator_is_kept() -> None:
    shift = EconMLShift(Contrast(3), random_state=7).fit(DATA.X, DATA.y, DATA.is_gold)
    assert shift.estimator_.random_state == 3


def test_weights_and_groups_are_handed_on_where_there_are_any() -> None:
    shift = EconMLShift(Contrast()).fit(DATA.X, DATA.y, DATA.is_gold)
    assert shift.estimator_.seen == {}
    shift.fit(DATA.X, DATA.y, DATA.is_gold, sample_weight=np.ones(300), groups=np.arange(300))
    assert set(shift.estimator_.seen) == {"sample_weight", "groups"}


def test_it_can_be_cloned_and_stand_in_a_meta_router() -> None:
    router = MetaRouter(clone(EconMLShift(Contrast())), LinearRegression())
    router.fit(DATA.X, DATA.y, DATA.is_gold)
    assert router.shift_.predict(DATA.X[:2]).shape == (2,)


def test_the_default_says_what_to_install_when_econml_is_absent(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "econml.dml", None)
    with pytest.raises(MetaRouterError, match=r"install metarouter\[econml\]\.$"):
        EconMLShift().fit(DATA.X, DATA.y, DATA.is_gold)
