"""The command line helps, and says every mistake in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from command_line import refused, run
from rich.console import Console

from metarouter.cli._choices import check_cores
from metarouter.cli.console import print_frame


@pytest.mark.parametrize("command", ["demo", "study", "fit", "route"])
def test_help_shows_an_example(command: str) -> None:
    code, shown, _ = run(command, "--help")
    assert code == 0
    assert f"metarouter {command} " in shown


def test_help_needs_no_heavy_library() -> None:
    script = (
        "import sys; sys.argv = ['metarouter', '--help']\n"
        "from metarouter.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'sklearn', 'pandas', 'numpy', 'matplotlib', 'torch', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "[]"


def test_python_m_metarouter_is_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "metarouter", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("metarouter ")


def test_a_mistake_leaves_the_process_with_code_2_and_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "metarouter", "fit", str(tmp_path / "none.csv"), "--text", "q",
         "--out", str(tmp_path / "r.skops")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("metarouter: There is no file")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("n_jobs", ["0", "-2"])
def test_a_number_of_workers_that_means_nothing_is_refused(n_jobs: str, tmp_path: Path) -> None:
    assert "--n-jobs" in refused("demo", "--n-jobs", n_jobs, "--out", tmp_path / "demo")


def test_places_that_cannot_be_written_are_refused_before_any_work(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert "is a file" in refused("demo", "--out", tmp_path / "file")
    assert "is a folder" in refused(
        "route", folder / "router.skops", folder / "new.csv", "--out", tmp_path
    )
    assert "which is a file" in refused(
        "fit", folder / "labels.csv", "--text", "query", "--out", tmp_path / "file" / "r.skops"
    )
    assert ".skops" in refused(
        "fit", folder / "labels.csv", "--text", "query", "--out", tmp_path / "router.pkl"
    )


def test_a_disk_that_refuses_writing_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert "cannot be written to (Permission denied)" in refused("demo", "--out", tmp_path)


def test_a_terminal_that_knows_only_ascii_loses_nothing_but_looks(tmp_path: Path) -> None:
    (tmp_path / "größe.csv").write_text("frage,gold\na,1\n", encoding="utf-8")
    script = (
        "import sys; from metarouter.cli import main\n"
        "from metarouter.cli.console import console, print_frame\n"
        "import pandas as pd, typer\n"
        "from metarouter.cli import _app\n"
        "@_app.app.command()\n"
        "def show(path: str) -> None:\n"
        "    frame = pd.DataFrame({'größe – m²': [float('nan')]})\n"
        "    print_frame(console(), frame, title=path, caption='(\\u00a0) s.e.')\n"
        "main()"
    )

    def said(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONIOENCODING": "ascii"}, cwd=tmp_path,
        )  # fmt: skip

    shown = said("show", "größe.csv")
    assert shown.returncode == 0, shown.stderr
    for expected in (r"gr\xf6\xdfe.csv", r"gr\xf6\xdfe - m\xb2", "( ) s.e."):
        assert expected in shown.stdout
    assert said("fit", "--help").returncode == 0
    missed = said("fit", "größe.csv", "--text", "q", "--out", "r.skops")
    assert missed.returncode == 2
    assert r"gr\xf6\xdfe.csv has no column 'q'" in missed.stderr


def test_no_more_workers_are_started_than_there_are_cores() -> None:
    cores = os.cpu_count() or 1
    assert [check_cores(n) for n in (-1, 1, cores, 10 * cores)] == [-1, 1, cores, cores]


@pytest.mark.parametrize("command", ["fit", "study"])
def test_help_names_the_extra_in_plain_brackets_or_none(command: str) -> None:
    shown = run(command, "--help")[1]
    assert "[[" not in shown
    assert "encoders" in shown


@pytest.mark.parametrize("width", [40, 110])
def test_titles_heads_and_captions_are_not_broken(
    width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame({"this router's lead": [0.25], "corrected s.e. (other tables)": ["none"]})
    title, caption = "A title that is longer than the table " * 3, "a caption of many words " * 6
    print_frame(Console(width=width, file=sys.stdout), frame, title=title, caption=caption)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert title.strip() in lines
    assert caption.strip() in lines
    assert any("this router's lead" in line and "(other tables)" in line for line in lines)
    assert any("0.2500" in line and "none" in line for line in lines)
