from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from bandits import (
    BaRP,
    BayesianRouter,
    BetaTS,
    Constant,
    EpsilonGreedy,
    LinTS,
    LinUCB,
    RandomRouter,
    SquareCB,
    load_bandit,
)
from metarouter.exceptions import RouterFileError
from metarouter.utils.archives import read_arrays, write_arrays

RNG = np.random.default_rng(0)
X, QUALITY, COST = RNG.normal(size=(120, 3)), RNG.random((120, 3)), RNG.random((120, 3))
ROUTERS = [
    *(LinUCB(0.4), LinTS(), EpsilonGreedy(), SquareCB(), Constant("b"), RandomRouter(), BetaTS()),
    BayesianRouter(),
    *(BaRP(epochs=2), BaRP(estimator="doubly_robust", epochs=2)),
]


@pytest.mark.parametrize("router", ROUTERS, ids=lambda router: type(router).__name__)
def test_a_loaded_router_goes_on_as_the_one_that_was_saved(router, tmp_path):
    router = router.set_params(arms=("a", "b", "c"), random_state=3).fit(X, QUALITY, COST)
    router.save(tmp_path / "router.npz")
    again = load_bandit(tmp_path / "router.npz")
    for x, quality, cost in zip(X, QUALITY, COST, strict=True):
        action, chance = router.sample(x[None])
        other, other_chance = again.sample(x[None])
        assert action == other
        assert chance == other_chance
        arm = router.arms_.index(action[0])
        for learner in (router, again):
            learner.partial_fit(x[None], action, quality[[arm]], cost[[arm]])
    assert (router.decision_function(X) == again.decision_function(X)).all()
    assert router.n_updates_ == again.n_updates_


def test_what_changed_after_training_is_kept(tmp_path):
    router = LinUCB(random_state=0).fit(X, QUALITY)
    router.add_arm("new").remove_arm(1)
    router.save(tmp_path / "router.npz")
    assert load_bandit(tmp_path / "router.npz").arms_ == [0, 2, "new"]


def test_files_that_are_no_routers_are_refused(tmp_path):
    path = tmp_path / "router.npz"
    with pytest.raises(RouterFileError, match="There is no file"):
        load_bandit(path)
    LinUCB(random_state=0).fit(X, QUALITY).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RouterFileError, match="truncated or no saved bandit router"):
        load_bandit(path)
    path.write_bytes(b"sample_id,prompt\n")
    with pytest.raises(RouterFileError, match="truncated or no saved bandit router"):
        load_bandit(path)
    np.savez(path, precision=np.eye(2))
    with pytest.raises(RouterFileError, match="truncated or no saved bandit router"):
        load_bandit(path)
    np.savez(path, header=np.array([{"format": "evil"}], dtype=object))
    with pytest.raises(RouterFileError, match="truncated or no saved bandit router"):
        load_bandit(path)


def test_a_file_whose_arrays_do_not_fit_is_refused(tmp_path):
    path = tmp_path / "router.npz"
    LinUCB(random_state=0).fit(X, QUALITY).save(path)
    arrays = read_arrays(path)
    write_arrays(path, {**arrays, "moment": arrays["moment"][:2]})
    with pytest.raises(RouterFileError, match="'moment'"):
        load_bandit(path)
    write_arrays(path, {**arrays, "moment": arrays["moment"] * np.nan})
    with pytest.raises(RouterFileError, match="not finite"):
        load_bandit(path)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("counts", [-1, 0, 0], "counter is out of its range"),
        ("memory_next", 9, "counter is out of its range"),
        ("memory_arm", [7, -1, -1], "replay buffer holds what is not feedback"),
        ("memory_propensity", [0.0, 1.0, 1.0], "replay buffer holds what is not feedback"),
    ],
)
def test_a_policy_that_cannot_go_on_from_its_file_is_refused(name, values, message, tmp_path):
    path = tmp_path / "router.npz"
    BaRP(epochs=1, replay_buffer=3, random_state=0).fit(X, QUALITY).save(path)
    arrays = read_arrays(path)
    write_arrays(path, {**arrays, name: np.asarray(values, dtype=arrays[name].dtype)})
    with pytest.raises(RouterFileError, match=message):
        load_bandit(path)


@pytest.mark.parametrize(
    ("router", "change"),
    [
        (LinUCB(random_state=0), {"fit_intercept": False}),
        (BaRP(epochs=1, random_state=0), {"hidden_size": 8}),
    ],
    ids=str,
)
def test_a_router_whose_file_could_not_be_read_is_not_saved(router, change, tmp_path):
    path = tmp_path / "router.npz"
    router.fit(X, QUALITY).save(path)
    before = path.read_bytes()
    with pytest.raises(RouterFileError, match="set parameters that were changed"):
        router.set_params(**change).save(path)
    assert path.read_bytes() == before


def test_a_name_that_is_no_text_is_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "router.npz"
    LinUCB(random_state=0).fit(X, QUALITY).save(path)
    before = path.read_bytes()
    router = LinUCB(arms=((1, 2), frozenset(), "c"), random_state=0).fit(X, QUALITY)
    with pytest.raises(RouterFileError, match="cannot be saved"):
        router.save(path)
    assert path.read_bytes() == before


@pytest.fixture
def crafted(tmp_path):
    """Write a file whose header was changed by hand, and load it."""
    path = tmp_path / "router.npz"
    LinUCB(arms=("a", "b", "c"), random_state=0).fit(X, QUALITY).save(path)
    arrays = read_arrays(path)

    def load(change):
        header = json.loads(str(arrays["header"]))
        change(header)
        write_arrays(path, {**arrays, "header": np.array(json.dumps(header))})
        return load_bandit(path)

    return load


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.update({"class": "Replay"}),
        lambda h: h.update({"class": "os.system"}),
        lambda h: h.update({"class": "__name__"}),
        lambda h: h.update({"class": 3}),
        lambda h: h.update({"class": "BanditRouter"}),
        lambda h: h.update(format="bandit-router-9"),
        lambda h: h.update(generators=[1, 2]),
        lambda h: h.update(feature_names=["only one"]),
        lambda h: h.update(learned=[]),
        lambda h: h["generators"][0].update(bit_generator="MT19937"),
        lambda h: h["generators"][0]["state"].update(state=-1),
        lambda h: h["parameters"].update(unheard_of=1),
        lambda h: h["parameters"].update(alpha="wide"),
        lambda h: h["learned"].update(n_features_in_=10**9),
        lambda h: h["learned"].update(n_features_in_=-3),
        lambda h: h["learned"].update(arms_="abc"),
        lambda h: h["learned"].update(arms_=["a", "a", "b"]),
        lambda h: h["learned"].update(arms_=[["a"], "b", "c"]),
        lambda h: h["learned"].update(arms_=["a", "b"]),
        lambda h: h["learned"].update(caps_=["much"]),
        lambda h: h["learned"].update(caps_=[float("nan")]),
        lambda h: h["learned"].update(n_outcomes_="no"),
        lambda h: h["learned"].update(n_outcomes_=4),
        lambda h: h["learned"].update(_found_caps=["yes"]),
        lambda h: h["learned"].update(_found_caps=[True, True]),
        lambda h: h["learned"].update(n_updates_=-1),
        lambda h: h["learned"].update(_seed=-5),
        lambda h: h["learned"].pop("arms_"),
    ],
)
def test_a_crafted_header_is_refused_in_one_sentence(change, crafted):
    assert crafted(lambda header: None).arms_ == ["a", "b", "c"]
    with pytest.raises(RouterFileError) as caught:
        crafted(change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"format": "bandit-router-2"}, {"generators": []}])
def test_a_file_of_another_version_is_refused_with_the_name_of_that_version(change, crafted):
    says = r"router.npz was saved by another version, bandits 0.1.0, .*fit the router again"
    with pytest.raises(RouterFileError, match=says):
        crafted(lambda header: header.update(change, version="0.1.0"))


def test_a_pickle_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").write_text, ("!",))

    path = tmp_path / "router.npz"
    for write in (
        lambda: path.write_bytes(pickle.dumps(Trap())),
        lambda: np.savez(path, header=np.array([Trap()], dtype=object)),
        lambda: np.save(path.open("wb"), np.array([Trap()], dtype=object), allow_pickle=True),
        lambda: np.save(path.open("wb"), np.ones(3)),
    ):
        write()
        tmp_path.joinpath("sprung").unlink(missing_ok=True)
        with pytest.raises(RouterFileError, match="truncated or no saved bandit router"):
            load_bandit(path)
        assert not tmp_path.joinpath("sprung").exists()


def test_names_that_json_would_change_are_refused(tmp_path):
    router = LinUCB(arms=((1, 2), "b", "c"), random_state=0).fit(X, QUALITY)
    with pytest.raises(RouterFileError, match=r"the arm \(1, 2\) is neither a number nor text"):
        router.save(tmp_path / "router.npz")
    assert not list(tmp_path.iterdir())
