from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import Ridge

from metarouter import MetaRouter
from metarouter.datasets import make_judged_queries
from metarouter.evaluation import MonteCarloStudy, default_routers
from metarouter.evaluation import study as study_module
from metarouter.evaluation._checkpoint import finished_rounds, forget_rounds
from metarouter.exceptions import DataError

KILLED_STUDY = """
import sys, time
from sklearn.ensemble import ExtraTreesRegressor
from metarouter.datasets import make_judged_queries
from metarouter.evaluation import MonteCarloStudy, default_routers

queries = make_judged_queries(260, 6, gold_share=1.0, pairing=1.0, random_state=0)
forest = ExtraTreesRegressor(5)
routers = default_routers(forest, final=forest, cv=2)
MonteCarloStudy(
    routers, n_gold=(20, 60), rounds=200, n_test=80, checkpoint=sys.argv[1]
).run(queries)
"""


@pytest.fixture(scope="module")
def queries():
    return make_judged_queries(260, 6, gold_share=1.0, pairing=1.0, random_state=0)


def forest_study(folder, rounds=6, n_trees=5, **settings):
    forest = ExtraTreesRegressor(n_trees)
    routers = default_routers(forest, final=forest, cv=2)
    settings = {"n_gold": (20, 60), "n_test": 80, **settings}
    return MonteCarloStudy(routers, rounds=rounds, checkpoint=folder, **settings)


@pytest.fixture(scope="module")
def finished(queries, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, forest_study(folder).run(queries)


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def rounds_run(monkeypatch):
    """Numbers of the rounds that were really run."""
    numbers = []

    def recording(number, *arguments):
        numbers.append(number)
        return original(number, *arguments)

    original = study_module.run_round
    monkeypatch.setattr(study_module, "run_round", recording)
    return numbers


def same(one, other):
    return np.array_equal(one.area, other.area) and np.array_equal(
        one.efficiency_gain, other.efficiency_gain
    )


def test_a_killed_study_ends_with_the_numbers_of_an_undisturbed_one(queries, tmp_path):
    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", KILLED_STUDY, str(folder)])
    deadline = time.monotonic() + 120
    while len(list(folder.glob("round_*.npz"))) < 2:
        assert process.poll() is None, "the study ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    n_done = len(list(folder.glob("round_*.npz")))
    assert 2 <= n_done < 200

    resumed = forest_study(folder, rounds=n_done + 2).run(queries)
    assert same(resumed, forest_study(None, rounds=n_done + 2).run(queries))
    assert len(list(folder.glob("round_*.npz"))) == n_done + 2


def test_finished_rounds_are_not_run_again(queries, finished, copy, rounds_run):
    resumed = forest_study(copy, rounds=8).run(queries)
    assert sorted(rounds_run) == [6, 7]
    assert np.array_equal(resumed.area[:6], finished[1].area)
    assert np.array_equal(resumed.seconds[:6], finished[1].seconds)


def test_a_study_may_be_resumed_with_other_workers(queries, finished, copy):
    (copy / "round_00002.npz").unlink()
    assert same(forest_study(copy, n_jobs=2).run(queries), finished[1])


@pytest.mark.parametrize("kept", [0, 10, 400])
def test_a_truncated_round_is_run_again(queries, finished, copy, rounds_run, kept):
    victim = copy / "round_00003.npz"
    victim.write_bytes(victim.read_bytes()[:kept])
    assert same(forest_study(copy).run(queries), finished[1])
    assert rounds_run == [3]


def test_a_round_of_another_study_is_run_again(queries, finished, copy, rounds_run, tmp_path):
    forest_study(tmp_path / "other", random_state=9).run(queries)
    shutil.copy(tmp_path / "other" / "round_00001.npz", copy / "round_00001.npz")
    rounds_run.clear()
    assert same(forest_study(copy).run(queries), finished[1])
    assert rounds_run == [1]


def test_a_pickle_in_a_round_is_never_loaded(queries, finished, copy, rounds_run):
    np.savez(copy / "round_00004.npz", study=np.array([{"a": 1}], dtype=object))
    assert same(forest_study(copy).run(queries), finished[1])
    assert rounds_run == [4]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n_gold": (20, 50)}, "n_gold"),
        ({"n_test": 70}, "n_test"),
        ({"random_state": 1}, "random_state"),
        ({"oracle": Ridge()}, "oracle"),
    ],
)
def test_a_folder_of_another_study_is_refused(queries, copy, change, named):
    before = sorted(copy.iterdir())
    with pytest.raises(DataError, match=rf"another study \(other {named}\): give an empty folder"):
        forest_study(copy, **change).run(queries)
    assert sorted(copy.iterdir()) == before


def test_other_data_or_routers_are_refused(queries, copy):
    with pytest.raises(DataError, match=r"other data"):
        forest_study(copy).run(replace(queries, gold=queries.gold + 1))
    with pytest.raises(DataError, match=r"other routers, oracle"):
        forest_study(copy, n_trees=6).run(queries)


def test_a_folder_of_something_else_is_left_alone(queries, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(DataError, match="holds files but no study"):
        forest_study(tmp_path).run(queries)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_study_that_failed_in_its_first_round_does_not_block_a_corrected_one(queries, tmp_path):
    class Broken(Ridge):
        def fit(self, X, y, is_gold=None):
            raise DataError("no")

    def study(router, **settings):
        settings = {"rounds": 2, "n_gold": 20, "n_test": 80, **settings}
        return MonteCarloStudy({"mine": router}, oracle=False, checkpoint=tmp_path, **settings)

    with pytest.raises(DataError, match="no"):
        study(Broken()).run(queries)
    assert [entry.name for entry in tmp_path.iterdir()] == ["manifest.json"]
    router = MetaRouter(regressor=Ridge(), sources="gold")
    study(router).run(queries)
    with pytest.raises(DataError, match="other n_test"):
        study(router, n_test=70).run(queries)
    (tmp_path / "round_00000.npz").unlink()
    (tmp_path / "round_00001.npz").unlink()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="other n_test"):
        study(router, n_test=70).run(queries)
    assert finished_rounds(tmp_path) == 0
    forget_rounds(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_is_no_folder(queries, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file: give a folder"):
        forest_study(tmp_path / "file").run(queries)


@pytest.mark.parametrize("content", ["", "[1, 2]", "{"])
def test_a_broken_manifest_is_refused(queries, copy, content):
    (copy / "manifest.json").write_text(content)
    with pytest.raises(DataError, match="cannot be read as a study's manifest"):
        forest_study(copy).run(queries)


def test_the_manifest_is_the_same_in_every_process(finished, tmp_path):
    code = KILLED_STUDY.replace("rounds=200", "rounds=1")
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "again")], check=True)
    here, there = (
        json.loads((folder / "manifest.json").read_text())
        for folder in (finished[0], tmp_path / "again")
    )
    assert here == there


def test_frames_with_text_have_a_digest_too(queries, tmp_path):
    import pandas as pd
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    class Words(TfidfVectorizer):
        def fit_transform(self, X, y=None):
            return super().fit_transform(X.iloc[:, 0])

        def transform(self, X):
            return super().transform(X.iloc[:, 0])

    class TextRouter(Ridge):
        def fit(self, X, y, is_gold=None):
            self.words_ = make_pipeline(Words(), Ridge()).fit(X, y)
            return self

        def predict(self, X):
            return self.words_.predict(X)

    frame = pd.DataFrame({"text": [f"query {i % 7} on topic {i % 11}" for i in range(260)]})
    texts = replace(queries, X=frame, feature_names=None)

    def study():
        return MonteCarloStudy(
            {"text": TextRouter()},
            oracle=False,
            n_gold=20,
            rounds=2,
            n_test=80,
            checkpoint=tmp_path / "text",
        )

    assert same(study().run(texts), study().run(texts))
    other = replace(texts, X=frame.assign(text=frame.text.str.upper()))
    with pytest.raises(DataError, match="other data"):
        study().run(other)
