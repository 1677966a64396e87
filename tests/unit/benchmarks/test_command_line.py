from __future__ import annotations

import pandas as pd
import pytest

from benchmarks._command_line import parser_of, run_worlds

PLAN = {"calm": ((10, 20), 5), "rough": ((10,), 7)}


class Study:
    """A study that remembers what it was asked to run."""

    def __init__(self, out):
        self.out, self.ran = out, []

    def run(self, world, n, rounds, seed):
        self.ran.append((world, n, rounds, seed))
        return {"error|any": [0.5 * rounds, rounds]}

    def tables(self, results):
        table = pd.DataFrame({"cell": [key.replace("|", " ") for key in results]})
        return [table, table]

    def main(self, *arguments):
        parser = parser_of("A study.\n\nOf worlds.", "study.md")
        run_worlds(parser, PLAN, self.run, self.tables, ["--out", str(self.out), *arguments])


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path / "study.md")


def test_every_world_runs_at_its_sizes_and_rounds(study):
    study.main()
    assert study.ran == [("calm", 10, 5, 0), ("calm", 20, 5, 0), ("rough", 10, 7, 0)]


def test_what_is_finished_is_told_again_and_not_run_again(study):
    study.main("--world", "calm", "--size", "20", "--rounds", "3", "--seed", "4")
    assert study.ran == [("calm", 20, 3, 4)]
    study.main("--world", "rough", "--world", "calm")
    assert study.ran[1:] == [("rough", 10, 7, 0), ("calm", 10, 5, 0)]
    first, second = study.out.read_text().split("\n\n")
    assert first.splitlines()[2:] == ["| calm 20 |", "| rough 10 |", "| calm 10 |"]
    assert second == first + "\n"


@pytest.mark.parametrize("unknown", [("--world", "wild"), ("--size", "30")])
def test_worlds_and_sizes_out_of_the_plan_are_refused(study, unknown, capsys):
    with pytest.raises(SystemExit):
        study.main(*unknown)
    assert "invalid choice" in capsys.readouterr().err
    assert not study.ran
