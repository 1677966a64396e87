"""``bandits rewards`` labels a user's pairs by routed reward models; mistakes are one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from bandits.cli._app import app

pytest.importorskip("torch", reason="the extra `bandits` is not installed")

WORDS = {"algebra": "sum root integral prime", "poems": "rhyme verse sonnet ode"}


def pairs(n=240, seed=0):
    """Two topics, a model that knows each, and one that guesses."""
    rng = np.random.default_rng(seed)
    topic = rng.choice(list(WORDS), n)
    said = [[" ".join(rng.choice(WORDS[t].split(), 4)) for t in topic] for _ in range(3)]
    label = rng.choice(["A", "B"], n)
    frame = pd.DataFrame(dict(zip(("prompt", "answer_a", "answer_b"), said, strict=True)))
    frame["group"] = np.arange(n)
    other = np.where(label == "A", "B", "A")
    for name, knows in (("algebraist", "algebra"), ("poet", "poems"), ("guesser", "")):
        right = rng.random(n) < np.where(topic == knows, 0.97, 0.55)
        frame[name] = np.where(right, label, other)
    frame["e0"], frame["e1"] = (topic == "algebra") + rng.normal(0, 0.1, n), rng.normal(size=n)
    return frame.assign(checked=label)


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words], prog_name="bandits")
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "pairs.csv"
    pairs().to_csv(path, index=False)
    return path


FEW = ("--verified", "checked", "--folds", 2, "--seeds", 1)
FEATURES = ("--features", "e*")


def test_texts_are_routed_compared_and_a_run_goes_on_where_it_stopped(table, tmp_path):
    out = tmp_path / "out"
    words = ("rewards", table, *FEW, "--router", "bayesian", "--router", "random", "--out", out)
    models = [x for name in ("algebraist", "poet", "guesser") for x in ("--model", name)]
    code, said, error = run(*words, *models)
    assert code == 0, error
    frame = pd.read_csv(out / "table.csv").set_index("label_by")
    assert set(frame.index) == {
        "bayesian", "random", "best_single", "majority", "calibrated_panel", "oracle",
        "algebraist", "poet", "guesser",
    }  # fmt: skip
    assert frame.loc["bayesian", "accuracy"] > 0.9 > frame.loc["best_single", "accuracy"] + 0.05
    assert frame.loc["bayesian", "calls"] == 1
    assert frame.loc["majority", "calls"] == 3
    assert 0 < frame.loc["bayesian", "labels"] < 0.2
    assert frame.loc["random", "labels"] == 0
    assert "bayesian is better than the best single model" in said
    assert (out / "accuracy.png").stat().st_size > 10_000
    kept = {p.name: p.stat().st_mtime_ns for p in (out / "checkpoint").iterdir()}
    assert len(kept) == 2
    report = (out / "report.md").read_text()
    assert run(*words, *models)[0] == 0
    assert {p.name: p.stat().st_mtime_ns for p in (out / "checkpoint").iterdir()} == kept
    assert (out / "report.md").read_text() == report


def test_columns_of_numbers_stand_in_for_texts(table, tmp_path):
    options = (*FEATURES, "--reward", "agreement", "--router", "bayesian", "--out", tmp_path / "o")
    code, _, error = run("rewards", table, *FEW, *options)
    assert code == 0, error
    frame = pd.read_csv(tmp_path / "o" / "table.csv").set_index("label_by")
    assert frame.loc["bayesian", "accuracy"] > 0.9
    assert frame.loc["bayesian", "labels"] == 0
    assert frame.loc["bayesian", "calls"] > 1.1


def change(**columns):
    return lambda frame: frame.assign(**columns)


@pytest.mark.parametrize(
    ("mend", "options", "message"),
    [
        (None, ("--verified", "cheked"), "has no column 'cheked' (did you mean 'checked'?)"),
        (None, (*FEW, "--features", "z*"), "has no column 'z*'"),
        (None, (*FEW, *FEATURES, "--router", "bayes"), "There is no router 'bayes'"),
        (None, (*FEW, *FEATURES, "--model", "poet"), "one reward model"),
        (None, (*FEW, *FEATURES, "--folds", 200), "at least twice as many as folds"),
        (change(poet="perhaps"), (*FEW, *FEATURES), "Column 'poet' holds 'perhaps' in row 0"),
        (change(checked=""), (*FEW, *FEATURES), "is empty"),
        (change(e0=np.nan), (*FEW, *FEATURES), "holds no number for 'e0' in row 0"),
        (
            lambda f: f.assign(poet=f.checked, algebraist=f.checked, guesser=f.checked),
            (*FEW, *FEATURES),
            "nothing to choose",
        ),
        (lambda f: f.drop(columns="prompt"), FEW, "Nothing describes the pairs"),
        (lambda f: f.drop(columns="answer_b"), FEW, "answer_a alone"),
    ],
)
def test_mistakes_are_one_line_before_any_work(table, tmp_path, mend, options, message):
    if mend is not None:
        mend(pairs()).to_csv(table, index=False)
    code, _, error = run("rewards", table, *options, "--out", tmp_path / "out")
    assert code == 2
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out" / "table.csv").exists()
