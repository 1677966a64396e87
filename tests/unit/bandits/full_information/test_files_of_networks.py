"""RouterDC and GraphRouter save and load, without pickle and without torch in between."""

from __future__ import annotations

import numpy as np
import pytest

from bandits import LinUCB, OracleRouter, load_bandit
from bandits.full_information import GraphRouter, RegressionRouter, RouterDC
from metarouter.exceptions import RouterFileError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4))
QUALITY, COST = RNG.random((80, 3)), RNG.gamma(1.0, size=(80, 3))
ROUTERS = {
    "RouterDC": lambda **given: RouterDC(max_epochs=2, n_hidden=8, n_components=4, **given),
    "GraphRouter": lambda **given: GraphRouter(max_epochs=3, n_hidden=4, **given),
}


@pytest.fixture(params=ROUTERS)
def make(request):
    pytest.importorskip("torch")
    return ROUTERS[request.param]


@pytest.mark.parametrize("w_cost", [0.5, (0.2, 0.8)])
def test_what_is_loaded_decides_to_the_bit_as_what_was_saved(make, w_cost, tmp_path):
    router = make(w_cost=w_cost, arms=("a", "b", "c"), random_state=0).fit(X, QUALITY, COST)
    router.save(tmp_path / "router.npz")
    again = load_bandit(tmp_path / "router.npz")
    for preference in ((0.9, 0.1), (0.1, 0.9)):
        np.testing.assert_array_equal(
            again.decision_function(X, preference), router.decision_function(X, preference)
        )
        np.testing.assert_array_equal(again.predict(X, preference), router.predict(X, preference))
    assert again.caps_ == router.caps_
    assert again.n_hidden == router.n_hidden


def test_parameters_changed_after_training_are_not_saved_over_what_was_learned(make, tmp_path):
    router = make(random_state=0).fit(X, QUALITY)
    router.set_params(n_hidden=16)
    with pytest.raises(RouterFileError, match="cannot be saved"):
        router.save(tmp_path / "router.npz")


def test_a_file_whose_arrays_were_changed_is_refused(make, tmp_path):
    path = tmp_path / "router.npz"
    make(random_state=0).fit(X, QUALITY).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    for name in [name for name, values in arrays.items() if values.ndim]:
        for wrong in (arrays[name][..., :0], np.full_like(arrays[name], np.nan)):
            np.savez(path, **{**arrays, name: wrong})
            with pytest.raises(RouterFileError):
                load_bandit(path)
        np.savez(path, **{key: value for key, value in arrays.items() if key != name})
        with pytest.raises(RouterFileError):
            load_bandit(path)


@pytest.mark.parametrize("make_other", [RegressionRouter, OracleRouter])
def test_what_is_no_set_of_arrays_is_refused(make_other, tmp_path):
    with pytest.raises(RouterFileError, match="is not saved"):
        make_other().fit(X, QUALITY).save(tmp_path / "router.npz")
    assert not list(tmp_path.iterdir())
    LinUCB().fit(X, QUALITY).save(tmp_path / "router.npz")
