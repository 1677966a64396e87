"""Tables as people export them: each kind of file, and how it is to be read."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from metarouter.datasets import read_table
from metarouter.exceptions import DataError

ROWS = [("Why?", 0.5, -1), ("Who, what?", -0.25, 1), ("Grüße, wie geht's?", 1.5, 0)]
GOLD, PREFERENCE = [0.5, -0.25, 1.5], [-1.0, 1.0, 0.0]


def delimited(separator: str = ",", decimal: str = ".", end: str = "\n") -> str:
    def cell(value: object) -> str:
        text = str(value).replace(".", decimal) if isinstance(value, float) else str(value)
        return f'"{text}"' if separator in text or end in text else text

    lines = [("prompt", "gold", "preference"), *ROWS]
    return end.join(separator.join(map(cell, line)) for line in lines) + end


def objects() -> list[dict]:
    return [dict(zip(("prompt", "gold", "preference"), row, strict=True)) for row in ROWS]


def spreadsheet() -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(objects()).to_excel(buffer, index=False)
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(objects()).to_parquet(buffer, index=False)
    return buffer.getvalue()


JSON_LINES = "".join(json.dumps(row) + "\n" for row in objects())
FILES = {
    "comma.csv": delimited().encode(),
    "semicolon.csv": delimited(";").encode(),
    "semicolon_with_decimal_commas.csv": delimited(";", ",").encode(),
    "tab.csv": delimited("\t").encode(),
    "pipe.csv": delimited("|").encode(),
    "tab.tsv": delimited("\t").encode(),
    "tab_with_decimal_commas.tsv": delimited("\t", ",").encode(),
    "comma.tsv": delimited(",").encode(),
    "tab.txt": delimited("\t").encode(),
    "windows_lines.csv": delimited(end="\r\n").encode(),
    "old_mac_lines.csv": delimited(end="\r").encode(),
    "byte_order_mark.csv": delimited().encode("utf-8-sig"),
    "utf16.csv": delimited().encode("utf-16"),
    "utf16_big_endian.csv": b"\xfe\xff" + delimited().encode("utf-16-be"),
    "no_last_line_end.csv": delimited().rstrip().encode(),
    "blank_lines.csv": delimited().replace("\n", "\n\n").encode(),
    "trailing_separators.csv": delimited().replace("\n", ",\n").encode(),
    "everything_quoted.csv": pd.DataFrame(objects()).to_csv(index=False, quoting=1).encode(),
    "compressed.csv.gz": gzip.compress(delimited().encode()),
    "compressed_semicolons.csv.gz": gzip.compress(delimited(";", ",").encode()),
    "compressed.csv.zst": pa.compress(delimited().encode(), "zstd", asbytes=True),
    "compressed.jsonl.gz": gzip.compress(JSON_LINES.encode()),
    "array.json": json.dumps(objects(), indent=1).encode(),
    "array_in_one_line.json": json.dumps(objects(), ensure_ascii=False).encode(),
    "lines.jsonl": JSON_LINES.encode(),
    "lines.ndjson": JSON_LINES.encode(),
    "lines_with_blanks.jsonl": JSON_LINES.replace("\n", "\n\n").encode(),
    "lines_with_byte_order_mark.jsonl": JSON_LINES.encode("utf-8-sig"),
    "sheet.xlsx": spreadsheet(),
    "columns.parquet": parquet(),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_is_read_as_it_was_meant(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    queries = read_table(tmp_path / name, text="prompt")
    assert queries.text.tolist() == [row[0] for row in ROWS]
    np.testing.assert_array_equal(queries.gold, GOLD)
    np.testing.assert_array_equal(queries.preference, PREFERENCE)


def rows(header: str, *lines: str) -> bytes:
    named = [f"{prompt},{line}" for prompt, line in zip("abcd", lines, strict=False)]
    return "\n".join([f"prompt,{header}", *named]).encode()


NAN = float("nan")
# File, how it is read, gold and preference labels that it holds.
LABELS: dict[str, tuple[bytes, dict, list[float], list[float]]] = {
    "letters.csv": (rows("gold,preference", ".5,A", ",B", "1,tie"), {}, [0.5, NAN, 1], [1, -1, 0]),
    "wins.csv": (
        rows("gold,preference", ".5,win", ",loss", "1,tie"), {}, [0.5, NAN, 1], [1, -1, 0]
    ),
    "zero_or_one.csv": (
        rows("gold,preference", ".5,1", ",0", "1,1"),
        {"zero_means": "loss"}, [0.5, NAN, 1], [1, -1, 1],
    ),
    "booleans.csv": (
        rows("gold,preference", ".5,True", ",False", "1,True"),
        {"zero_means": "tie"}, [0.5, NAN, 1], [1, 0, 1],
    ),
    "names.csv": (
        rows("gold,preference", ".5,gpt", ",llama", "1,tie"),
        {"positive": "gpt"}, [0.5, NAN, 1], [1, -1, 0],
    ),
    "three_names.csv": (
        rows("gold,preference", ".5,gpt", ",llama", "1,pi"),
        {"positive": "gpt", "negative": "llama"}, [0.5, NAN], [1, -1],
    ),
    "scores.csv": (
        rows("strong,weak,preference", "4,3,1", "5,,-1", "2,4,0"),
        {"gold_scores": ("strong", "weak")}, [1, NAN, -2], [1, -1, 0],
    ),
    "arena.csv": (
        rows("model_a,model_b,winner", "gpt,llama,model_a", "llama,gpt,model_a", "gpt,llama,tie"),
        {"positive": "gpt", "preference": "winner"}, [NAN] * 3, [1, -1, 0],
    ),
    "one_hot_arena.csv": (
        rows("model_a,model_b,winner_model_a,winner_model_b,winner_tie",
             "gpt,llama,1,0,0", "llama,gpt,1,0,0", "gpt,llama,0,0,1"),
        {"positive": "gpt", "preference": "winner"}, [NAN] * 3, [1, -1, 0],
    ),
    "annotators.csv": (
        rows("vote,by", "A,expert_1", "B,judge", "tie,expert_2"),
        {"preference": "vote", "annotator": "by", "gold_annotators": ["expert*"]},
        [1, NAN, 0], [NAN, -1, NAN],
    ),
    "several_judges.csv": (
        rows("gold,j1,j2", ".5,1,-1", ",-1,-1", "1,0,1"),
        {"preference": ["j1", "j2"]}, [0.5, NAN, 1], [0, -1, 0.5],
    ),
    "percentages.csv": (
        rows("gold,preference", "50%,1", ",-1", "-12.5%,0"), {}, [0.5, NAN, -0.125], [1, -1, 0]
    ),
    "amounts.csv": (
        rows("gold,preference", '"$1,250.50",1', ",-1", "-$3,0"), {}, [1250.5, NAN, -3], [1, -1, 0]
    ),
    "not_available.csv": (
        rows("gold,preference", ".5,1", "N/A,-1", "1,NULL"), {}, [0.5, NAN, 1], [1, -1, NAN]
    ),
    "identifiers.csv": (
        rows("gold,preference,group", ".5,1,01", ",-1,1", "1,0,1e1"), {}, [0.5, NAN, 1], [1, -1, 0]
    ),
}  # fmt: skip


def test_there_are_more_than_forty_odd_files() -> None:
    assert len(FILES) + len(LABELS) >= 45


@pytest.mark.parametrize("name", LABELS)
def test_labels_are_read_as_they_were_meant(name: str, tmp_path: Path) -> None:
    content, options, gold, preference = LABELS[name]
    (tmp_path / name).write_bytes(content)
    queries = read_table(tmp_path / name, text="prompt", **options)
    np.testing.assert_array_equal(queries.gold, gold)
    np.testing.assert_array_equal(queries.preference, preference)


def test_numbers_with_signs_of_other_kinds_are_refused() -> None:
    frame = pd.DataFrame({"x": ["12 kg", "3 kg"], "gold": [1.0, 0.5]})
    with pytest.raises(DataError, match="holds no number in 2 rows of 2"):
        read_table(frame)


def test_latin_1_is_read_when_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(delimited().encode("latin-1"))
    assert read_table(path, text="prompt", encoding="latin-1").text[2] == ROWS[2][0]
    with pytest.raises(DataError, match=r"not encoded as UTF-8 \(byte 0xfc\).*encoding="):
        read_table(path, text="prompt")
    with pytest.raises(DataError, match="encoding='klingon' is not known"):
        read_table(path, text="prompt", encoding="klingon")


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    frame = pd.DataFrame(objects())
    for k in (0, 1):
        frame.iloc[k : k + 1].to_parquet(tmp_path / f"part-{k}.parquet", index=False)
    assert read_table(tmp_path, text="prompt").text.tolist() == [ROWS[0][0], ROWS[1][0]]


def test_what_was_assumed_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(FILES["semicolon_with_decimal_commas.csv"])
    (note,) = read_table(tmp_path / "a.csv", text="prompt").notes
    assert (
        note == "read as a table where cells are separated by ';' and numbers have decimal commas"
    )


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        (["A", "B", "tie"], [1, -1, 0]),
        (["a", "b", "Tie (bothbad)"], [1, -1, 0]),
        (["win", "loss", "draw"], [1, -1, 0]),
        (["model_a", "model_b", "tie"], [1, -1, 0]),
        (["[[A]]", "[[B]]", "[[C]]"], [1, -1, 0]),
        (["A>>B", "B>A", "A=B"], [1, -1, 0]),
        (["primary", None, "alternative"], [1, np.nan, -1]),
    ],
)
def test_votes_in_words(votes: list, expected: list) -> None:
    queries = read_table(
        pd.DataFrame({"x": [1.0, 2, 3], "gold": [0.1, 0.2, 0.3], "preference": votes})
    )
    np.testing.assert_array_equal(queries.preference, expected)
    assert any("read as votes" in note for note in queries.notes)


def table(**columns: list) -> pd.DataFrame:
    return pd.DataFrame({"x": [1.0, 2, 3, 4], **columns})


@pytest.mark.parametrize(
    "values", [[0, 1, 1, 0], [True, False, True, None], ["yes", "no", "no", None]]
)
def test_zero_and_one_need_a_meaning(values: list) -> None:
    frame = table(gold=[0.1, 0.2, 0.3, 0.4], preference=values)
    with pytest.raises(DataError, match="zero_means= whether 0 means"):
        read_table(frame)
    lost = read_table(frame, zero_means="loss").preference
    tied = read_table(frame, zero_means="tie").preference
    known = ~np.isnan(lost)
    assert set(lost[known]) == {-1.0, 1.0}
    assert set(tied[known]) == {0.0, 1.0}
    np.testing.assert_array_equal(lost == 1, tied == 1)


def test_a_model_s_name_may_stand_for_the_primary() -> None:
    frame = table(gold=[0.1, 0.2, 0.3, 0.4], preference=["gpt", "llama", "tie", None])
    queries = read_table(frame, positive="GPT")
    np.testing.assert_array_equal(queries.preference, [1, -1, 0, np.nan])
    with pytest.raises(DataError, match=r"nowhere holds 'claude'.*'gpt', 'llama'"):
        read_table(frame, positive="claude")


def test_votes_of_an_arena_are_turned_to_the_primary() -> None:
    frame = pd.DataFrame(
        {
            "prompt": ["a", "b", "c", "d"],
            "model_a": ["gpt", "llama", "gpt", "pi"],
            "model_b": ["llama", "gpt", "pi", "llama"],
            "winner": ["model_a", "model_a", "tie", "model_b"],
        }
    )
    with pytest.raises(DataError, match="name the primary model with positive="):
        read_table(frame, text="prompt", preference="winner")
    queries = read_table(frame, text="prompt", preference="winner", positive="gpt")
    np.testing.assert_array_equal(queries.preference, [1, -1, 0])
    assert "1 rows of other models dropped" in queries.notes


def test_two_scores_make_a_label() -> None:
    frame = table(strong=[3.0, 4, 5, 1], weak=[1.0, 4, 7, None], preference=[1, -1, 0, 1])
    queries = read_table(frame, gold_scores=("strong", "weak"))
    np.testing.assert_array_equal(queries.gold, [2, 0, -2, np.nan])
    assert queries.feature_names == ["x"]


def test_several_judges_are_weighed_by_their_errors() -> None:
    rng = np.random.default_rng(0)
    gold = rng.normal(size=400)
    good, bad = gold + 0.3 * rng.normal(size=400), gold + 1.0 + 2 * rng.normal(size=400)
    frame = pd.DataFrame({"x": rng.normal(size=400), "gold": gold, "good": good, "bad": bad})
    queries = read_table(frame, preference=["good", "bad"])
    weight = 0.3**-2 / (0.3**-2 + 2.0**-2)
    combined = weight * good + (1 - weight) * bad
    assert np.corrcoef(queries.preference, combined)[0, 1] > 0.999
    assert any("judge 'bad' has weight 0.0" in note and "bias +" in note for note in queries.notes)
    alone = read_table(frame.assign(gold=np.nan), preference=["good", "bad"])
    np.testing.assert_allclose(alone.preference, (good + bad) / 2)


def test_rows_of_one_text_form_a_group_by_themselves() -> None:
    frame = pd.DataFrame({"prompt": ["a", "b", "a"], "gold": [0.1, 0.2, 0.3]})
    queries = read_table(frame, text="prompt")
    assert queries.groups[0] == queries.groups[2] != queries.groups[1]
    assert any("1 of 2 texts stand in several rows" in note for note in queries.notes)
    named = read_table(frame, text="prompt", group="prompt")
    assert named.groups.tolist() == ["a", "b", "a"]


def test_groups_are_names_and_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,gold,group\n1,.1,01\n2,.2,1\n3,.3,1e1\n4,.4,10\n")
    assert read_table(tmp_path / "a.csv").groups.tolist() == ["01", "1", "1e1", "10"]


def test_an_empty_prompt_drops_its_row_alone() -> None:
    frame = pd.DataFrame({"prompt": ["a", " ", None, "b"], "gold": [0.1, 0.2, 0.3, 0.4]})
    queries = read_table(frame, text="prompt")
    np.testing.assert_array_equal(queries.gold, [0.1, 0.4])
    assert "2 of 4 rows left out: column 'prompt' is empty there" in queries.notes


def test_a_chat_stands_for_its_first_message() -> None:
    chat = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]
    frame = pd.DataFrame({"chat": [chat, "plain"], "gold": [0.1, 0.2]})
    assert read_table(frame, text="chat").text.tolist() == ["Hi?", "plain"]


@pytest.mark.parametrize(
    ("columns", "doubt"),
    [
        ({"gold": [0.1, 0.2, 0.4, -999]}, "holds -999 in 1 rows, far from all other values"),
        ({"preference": [2.0, 2, 2, 2]}, "all 4 preference labels are 2"),
        ({"x": [7.0, 7, 7, 7]}, "features with one value in every row: 'x'"),
    ],
)
def test_what_looks_like_a_mistake_is_told(columns: dict, doubt: str) -> None:
    frame = table(gold=[0.1, 0.2, 0.3, 0.4], preference=[-1, 1, 0, 1]).assign(**columns)
    assert any(doubt in note for note in read_table(frame).notes)


def test_labels_that_run_against_each_other_are_told() -> None:
    gold = np.linspace(-1, 1, 40)
    frame = pd.DataFrame({"x": gold**2, "gold": gold, "preference": -np.sign(gold)})
    assert any("correlated -0." in note for note in read_table(frame).notes)
    assert not any("correlated" in n for n in read_table(frame.assign(preference=gold)).notes)


def test_a_long_cell_hides_no_malformed_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f'prompt,gold\n"{"a" * 200_000}",1\nb,2,3\n')
    with pytest.raises(DataError, match="row 1 has 3 cells, the header 2"):
        read_table(tmp_path / "a.csv", text="prompt")


def test_half_a_character_is_replaced_and_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"prompt": "a\\ud800b", "gold": 1.5}\n')
    queries = read_table(tmp_path / "a.jsonl", text="prompt")
    assert queries.text.tolist() == ["a\ufffdb"]
    assert any("lone surrogate" in note for note in queries.notes)
