"""Tables that are written again hold every cell as it came."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metarouter.datasets._rows import open_rows

ADDED = {"route": ["primary", None], "predicted_gain": [0.25, None]}
CELLS = ["9007199254740993", "007", "NA", "null", "0.12345678901234567", "2024-01-01T00:00+02:00"]


def written(path: Path, added: dict, name: str = "out") -> str:
    out = path.with_name(name + path.suffix)
    open_rows(path).write(out, added)
    return out.read_bytes().decode()


def test_cells_of_a_csv_stay_to_the_letter(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = f'{",".join("abcdef")}\r\n{",".join(CELLS)}\r\n\r\n"x ""y""",,None,,,\r\n'
    path.write_bytes(lines.encode())
    assert written(path, ADDED).splitlines() == [
        "a,b,c,d,e,f,route,predicted_gain",
        f"{','.join(CELLS)},primary,0.25",
        "",
        '"x ""y""",,None,,,,,',
    ]


def test_short_rows_and_trailing_separators_keep_the_columns_in_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1\n2,3,\n")
    assert written(path, ADDED) == "a,b,route,predicted_gain\n1,,primary,0.25\n2,3,,\n"


def test_decimal_commas_are_written_where_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a;b\n1,5;x\n2,5;y\n")
    assert written(path, ADDED).splitlines()[1] == "1,5;x;primary;0,25"


def test_bare_carriage_returns_belong_to_their_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\none\rtwo,1\nthree,2\n")
    rows = open_rows(path)
    (frame,) = rows.batches(["a"])
    assert frame["a"].tolist() == ["one\rtwo", "three"]
    assert written(path, ADDED).split("\n")[1] == "one\rtwo,1,primary,0.25"


def test_objects_of_json_lines_stay_to_the_letter(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 9007199254740993, "a": 1.00}\n\n{}\n')
    assert written(path, ADDED) == (
        '{"a": 9007199254740993, "a": 1.00, "route": "primary", "predicted_gain": 0.25}\n\n'
        '{"route": null, "predicted_gain": null}\n'
    )


def test_objects_of_an_array_stay_to_the_letter(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n {"a": 1.00},\n {"a": "]"}\n]\n')
    text = written(path, ADDED)
    assert text.startswith('[\n {"a": 1.00, "route": "primary"')
    assert [row["a"] for row in json.loads(text)] == [1.0, "]"]


def test_types_of_a_parquet_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame(
        {"n": [2**60 + 1, 3], "t": pd.to_datetime(["2024-01-01", "2024-06-01"]).tz_localize("CET")}
    )
    frame.to_parquet(path)
    out = tmp_path / "out.parquet"
    open_rows(path).write(out, ADDED)
    read = pd.read_parquet(out)
    pd.testing.assert_frame_equal(read[["n", "t"]], frame)
    assert read["route"].tolist()[0] == "primary"


cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ue00d"), max_size=8
)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@given(table=st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=6))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_cell_of_every_table_comes_back(table: list, end: str, tmp_path: Path) -> None:
    path = tmp_path / "any.csv"
    text = io.StringIO()
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *table])
    path.write_bytes(text.getvalue().encode())
    added = {"route": ["m"] * len(table)}
    read = list(csv.reader(io.StringIO(written(path, added), newline="")))
    assert read == [["a", "b", "route"], *([*row, "m"] for row in table)]
    assert written(path, added).encode().startswith(b'"a","b",route')
