"""Files that are no router files are refused in one sentence, and never half read."""

from __future__ import annotations

import json
import warnings
import zipfile

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from metarouter.encoding import TfidfEncoder
from metarouter.exceptions import RouterFileError
from metarouter.routing import MetaRouter, ThresholdRouter, UnitCost, load_router, save_router
from metarouter.shift import ConstantShift

pytest.importorskip("skops")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = X[:, 0] + 0.3 * RNG.normal(size=120)
IS_GOLD = np.arange(120) % 3 == 0
TREES = ExtraTreesRegressor(5, min_samples_leaf=5, random_state=0)


def with_header(path, **changes):
    """Rewrite the header of a router file, and leave the rest."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["metarouter.json"]) | changes
    members["metarouter.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(RouterFileError, match="is a folder; give the path of an ordinary file"):
        save_router(ThresholdRouter(Ridge()).fit(X, Y), tmp_path)
    with pytest.raises(RouterFileError, match="cannot be read"):
        load_router(tmp_path)


def test_an_absent_file_is_named(path):
    with pytest.raises(RouterFileError, match=r"There is no file .*router.skops; check the path"):
        load_router(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x01."])
def test_a_file_that_is_no_archive_is_not_a_router_file(path, content):
    path.write_bytes(content)
    with pytest.raises(RouterFileError, match=f"not a router file .{len(content)} bytes"):
        load_router(path)


def test_a_skops_file_of_another_program_is_told_apart(path):
    from skops.io import dump

    dump(Ridge().fit(X, Y), path)
    with pytest.raises(RouterFileError, match="a skops file that was not written by save_router"):
        load_router(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(RouterFileError, match="a zip archive that was not written by save_router"):
        load_router(path)


def test_a_newer_format_asks_for_an_upgrade(path):
    save_router(ThresholdRouter(Ridge()).fit(X, Y), path)
    with_header(path, format_version=2, metarouter="9.0")
    with pytest.raises(RouterFileError, match=r"format 2, written by metarouter 9.0.*; upgrade"):
        load_router(path)


@pytest.mark.parametrize("attribute", ["calibration_", "scaler_", "regressor_"])
def test_a_router_of_an_older_version_that_lacks_something_is_refused(path, attribute):
    model = MetaRouter(ConstantShift(), TREES, random_state=0)
    router = ThresholdRouter(model).fit(X, Y, is_gold=IS_GOLD)
    delattr(router.model_, attribute)
    save_router(router, path)
    with_header(path, metarouter="0.1.0")
    says = rf"router.skops was saved by another version, metarouter 0.1.0, .*{attribute}.*fit the"
    with pytest.raises(RouterFileError, match=says):
        load_router(path)


def test_an_encoder_of_an_older_version_that_lacks_something_is_refused(path):
    texts = [f"query {k} of {k % 7}" for k in range(40)]
    router = make_pipeline(TfidfEncoder(random_state=0), ThresholdRouter(Ridge()))
    router.fit(texts, Y[:40])
    del router[0].components_
    save_router(router, path)
    with pytest.raises(RouterFileError, match=r"saved by another version.*components_"):
        load_router(path)


def test_a_type_that_another_version_had_is_named_with_that_version(path):
    save_router(ThresholdRouter(Ridge(), cost=UnitCost()).fit(X, Y), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = members["schema.json"]
    members["schema.json"] = schema.replace(b"metarouter.routing.unit_cost", b"metarouter.old_cost")
    assert members["schema.json"] != schema
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with_header(path, metarouter="0.1.0")
    with pytest.raises(RouterFileError, match=r"metarouter 0.1.0, .*no metarouter.old_cost"):
        load_router(path)


def test_another_version_of_scikit_learn_is_named_once(path):
    router = ThresholdRouter(TREES).fit(X, Y)
    save_router(router, path)
    with_header(path, **{"scikit-learn": "1.0.2"})
    with pytest.warns(UserWarning, match="scikit-learn 1.0.2 and is read with") as caught:
        loaded = load_router(path)
    assert len(caught) == 1
    np.testing.assert_array_equal(loaded.predict(X), router.predict(X))


def test_a_file_that_holds_no_router_is_refused(path):
    save_router(Ridge().fit(X, Y), path)
    assert isinstance(load_router(path), BaseEstimator)
    from skops.io import dumps

    with zipfile.ZipFile(path) as archive:
        header = archive.read("metarouter.json")
    path.write_bytes(dumps({"a": 1}))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("metarouter.json", header)
    with pytest.raises(RouterFileError, match="holds a dict, which is not a router"):
        load_router(path)


@pytest.fixture(scope="module")
def file_and_prediction(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "router.skops"
    model = MetaRouter(ConstantShift(), TREES, random_state=0)
    router = ThresholdRouter(model, w=0.2).fit(X, Y, is_gold=IS_GOLD)
    save_router(router, path)
    return path.read_bytes(), router.decision_function(X)


@pytest.mark.parametrize("seed", range(50))
def test_a_truncated_file_is_refused(file_and_prediction, path, seed):
    content, _ = file_and_prediction
    path.write_bytes(content[: int(np.random.default_rng(seed).integers(len(content)))])
    with pytest.raises(RouterFileError):
        load_router(path)


@pytest.mark.parametrize("seed", range(50))
def test_a_flipped_byte_is_refused_or_changes_no_prediction(file_and_prediction, path, seed):
    content, prediction = file_and_prediction
    rng = np.random.default_rng(seed)
    # Half of the flips hit the directory at the end, where an archive is most fragile.
    offset = int(rng.integers(0 if seed % 2 else len(content) - 1500, len(content)))
    damaged = bytearray(content)
    damaged[offset] ^= int(rng.integers(1, 256))
    path.write_bytes(bytes(damaged))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = load_router(path)
        except RouterFileError:
            return
    np.testing.assert_array_equal(loaded.decision_function(X), prediction)
