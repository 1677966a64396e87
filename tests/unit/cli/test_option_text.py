"""Errors name options of the command line, and leave alone what the user has given."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from command_line import refused

from metarouter.cli._option_text import as_options
from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_argument, number


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("use method='cv'.", "use --method cv."),
        ("lower n_gold or n_test.", "lower --n-gold or --n-test."),
        ("or use scaling=None.", "or use --scaling none."),
        ("name it with text=.", "name it with --text."),
        ("n_gold=500 is too much", "--n-gold 500 is too much"),
        (
            "group by another column, or set grouped=False.",
            "group by another column, or give --group-by none.",
        ),
        ("the context=3 stays", "the context=3 stays"),
    ],
)
def test_arguments_become_options(message: str, words: str) -> None:
    assert as_options(message) == words


@pytest.mark.parametrize(
    "value",
    ["n_gold", "my max_share", "text=", "method='cv'", "save_router", "it's n_test", "gold=None"],
)
def test_quoted_values_stay_as_the_user_wrote_them(value: str) -> None:
    message = f"Column {value!r} of t.csv is empty in 1 row of 3: lower n_gold."
    assert as_options(message) == message.replace("lower n_gold", "lower --n-gold")


@pytest.mark.parametrize("path", ["n_gold", "save_router/t.csv", "my n_test.csv", "text=a/t.csv"])
def test_paths_of_the_command_line_stay_as_the_user_wrote_them(path: str) -> None:
    message = f"The folder {path} holds rounds, see {path}/manifest.json: lower n_test."
    given = ["study", f"--checkpoint={path}", "--folds", "5"]
    assert as_options(message, given) == message.replace("lower n_test", "lower --n-test")
    assert as_options(message, ["study", "--checkpoint", path]) == as_options(message, given)


def test_an_apostrophe_opens_no_quote() -> None:
    assert as_options("the study's n_gold and its judge's text=") == (
        "the study's --n-gold and its judge's --text"
    )


def test_columns_and_files_with_the_names_of_arguments_are_reported_by_name(tmp_path: Path) -> None:
    (tmp_path / "n_gold").mkdir()
    table = tmp_path / "n_gold" / "max_share.csv"
    table.write_text("save_router,n_test,gold,preference\na,1,2,3\n4,1,2,3\n")
    line = refused("fit", table, "--out", tmp_path / "r.skops")
    assert "max_share.csv" in line
    assert "Column 'save_router' of max_share.csv holds no number" in line
    line = refused("fit", table, "--text", "n_tset", "--out", tmp_path / "r.skops")
    assert "did you mean 'n_test'?" in line
    assert "n_gold/none.csv" in refused(
        "fit", tmp_path / "n_gold" / "none.csv", "--text", "q", "--out", tmp_path / "r.skops"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["report", "--level", 2, "--out", "r.md"], "--level is 2.0: give a confidence level"),
        (["report", "--delta", 0.9, "--out", "r.md"], "--delta is 0.9: give a probability"),
        (
            ["report", "--gold-price", -1, "--out", "r.md"],
            "--gold-price is -1.0; give a number above 0",
        ),
        (["fit", "--max-share", 2, "--out", "r.skops"], "--max-share is 2.0; give a share"),
        (["fit", "--w", -1, "--no-check", "--out", "r.skops"], "--w is -1.0; give a number"),
    ],
)
def test_errors_carry_their_parameter_which_becomes_an_option(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *options = words
    line = refused(command, folder / "labels.csv", "--text", "query", *options)
    assert line.startswith(f"metarouter: {says}")


def test_the_parameter_of_an_error_survives_the_way_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(DataError("level is 2; give less.", parameter="level")))
    assert (str(error), error.parameter) == ("level is 2; give less.", "level")
    assert DataError("something else").parameter is None


def test_validators_name_the_parameter() -> None:
    with pytest.raises(DataError) as caught:
        check_argument("alpha", -1, [number(at_least=0)])
    assert caught.value.parameter == "alpha"
