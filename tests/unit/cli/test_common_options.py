"""Options from a file, and more of what a command does, for every command of both programs."""

from __future__ import annotations

import pytest

from bandits.cli._app import app as bandits_app
from metarouter.cli._app import app
from tests.command_line import refused, run


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{k},{k % 7},{k % 5 - 2},{(k % 3) - 1}" for k in range(60)]
    (tmp_path / "t.csv").write_text("x0,x1,gold,preference\n" + "\n".join(rows) + "\n")
    return tmp_path


FIT = """
[fit]
table = "t.csv"
features = ["x*"]
shift = "zero"
check = false
out = "router.skops"
max-share = 0.3
n-jobs = 1

[route]
router = "router.skops"
queries = "t.csv"
out = "routed.csv"
"""


def test_a_file_of_options_stands_in_for_the_command_line(table):
    (table / "options.toml").write_text(FIT)
    code, _, error = run("fit", "--config", "options.toml")
    assert code == 0, error
    code, said, error = run("route", "--config", "options.toml", "--out", "other.csv")
    assert code == 0, error
    assert "18 of 60 queries (30.0%)" in said
    assert (table / "other.csv").exists()
    assert not (table / "routed.csv").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[fit]\nmax_shair = 0.3", "no option of fit (did you mean 'max_share'"),
        ("[route]\nw = 1", "has no table [fit], but 'route'"),
        ("seed = 1\n[fit]\nw = 1", "has options outside of its tables"),
        ("w = ", "is no TOML"),
        ('[fit]\nfolds = "many"', "Invalid value for '--folds'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(table, content, says):
    (table / "options.toml").write_text(content)
    assert says in refused("fit", "t.csv", "--out", "r.skops", "--config", "options.toml")


def test_a_file_that_is_not_there_is_refused(table):
    assert "cannot be read" in refused("fit", "--config", "nothing.toml")


def test_verbose_says_the_settings_and_shows_where_an_error_comes_from(table):
    words = ("fit", "t.csv", "--gold", "glod", "--out", "r.skops", "--verbose")
    code, _, error = run(*words)
    assert code == 2
    assert "gold=glod" in error
    assert "Traceback" in error
    assert error.rstrip().splitlines()[-1].startswith("metarouter: ")


@pytest.mark.parametrize("program", [app, bandits_app], ids=["metarouter", "bandits"])
def test_every_command_takes_both_options(program):
    import typer

    for name, command in typer.main.get_command(program).commands.items():
        assert {"config", "verbose"} <= {option.name for option in command.params}, name
