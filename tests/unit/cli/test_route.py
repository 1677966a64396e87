"""``metarouter route`` decides for every query of a table, and loses nothing of it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from command_line import refused, run


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
def test_the_ending_chooses_the_format(folder: Path, ending: str) -> None:
    out = folder / f"ending.{ending}"
    assert run("route", folder / "router.skops", folder / "new.csv", "--out", out)[0] == 0
    read = {
        "csv": pd.read_csv,
        "tsv": lambda path: pd.read_csv(path, sep="\t"),
        "parquet": pd.read_parquet,
        "jsonl": lambda path: pd.DataFrame(map(json.loads, path.read_text().splitlines())),
    }[ending](out)
    assert len(read) == 160
    assert {"route", "predicted_gain", "id"} <= set(read.columns)


def test_a_budget_given_to_route_is_kept(folder: Path) -> None:
    out = folder / "share.csv"
    run("route", folder / "router.skops", folder / "new.csv", "--out", out, "--max-share", 0.25)
    assert (pd.read_csv(out)["route"] == "primary").mean() == 0.25


def test_router_files_that_are_none_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.skops").write_bytes((folder / "router.skops").read_bytes()[:3000])
    (tmp_path / "foreign.skops").write_text("hello")
    for file, reason in (("cut", "truncated"), ("foreign", "not a router"), ("no", "no file")):
        line = refused(
            "route", tmp_path / f"{file}.skops", folder / "new.csv", "--out", tmp_path / "o.csv"
        )
        assert reason in line


def test_columns_that_a_router_needs_are_missed_by_name(folder: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(folder / "new.csv")
    frame.rename(columns={"x3": "x_3"}).to_csv(tmp_path / "renamed.csv", index=False)
    line = refused(
        "route", folder / "router.skops", tmp_path / "renamed.csv", "--out", tmp_path / "o.csv"
    )
    assert "'x3'" in line
    assert "did you mean" in line


def test_routing_twice_does_not_overwrite_the_first_decision(folder: Path, tmp_path: Path) -> None:
    once = tmp_path / "once.csv"
    run("route", folder / "router.skops", folder / "new.csv", "--out", once)
    twice = tmp_path / "twice.csv"
    assert "already" in refused("route", folder / "router.skops", once, "--out", twice)


def test_a_file_that_is_read_is_never_written_over(folder: Path, tmp_path: Path) -> None:
    queries = tmp_path / "queries.csv"
    queries.write_bytes((folder / "new.csv").read_bytes())
    assert "files to read" in refused("route", folder / "router.skops", queries, "--out", queries)
    assert queries.read_bytes() == (folder / "new.csv").read_bytes()


def test_identifiers_stay_text_between_delimited_formats(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "new.csv").read_text().splitlines()[:3]
    ids = ("code", "007", "1e1")
    table = tmp_path / "codes.csv"
    table.write_text("".join(f"{name},{line}\n" for name, line in zip(ids, lines, strict=True)))
    out = tmp_path / "codes.tsv"
    assert run("route", folder / "router.skops", table, "--out", out)[0] == 0
    assert [line.split("\t")[0] for line in out.read_text().splitlines()] == list(ids)
