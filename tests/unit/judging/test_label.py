"""People label pairs: over HTTP, and in a browser where there is one."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import refused, run

pytest.importorskip("krippendorff")

from metarouter.exceptions import DataError
from metarouter.judging.annotation_page import AnnotationServer
from metarouter.judging.annotations import Annotations, agreement_of, pair_id
from metarouter.judging.calls import Pair

PAIRS = [Pair(f"Question {k}?", f"primary {k}", f"alternative {k} <b>x</b>") for k in range(20)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AnnotationServer]:
    with AnnotationServer(PAIRS, Annotations(tmp_path / "v.csv")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def post(server: AnnotationServer, path: str, code: str | None = None, **body: Any) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.server_port}{path}", json.dumps(body).encode(),
        {"X-Code": server.code if code is None else code},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=5) as reply:
        return json.loads(reply.read())


def label_all(server: AnnotationServer, annotator: str) -> list[bool]:
    """Prefer the primary's answer in every pair; return whether it was shown first."""
    firsts = []
    item = post(server, "/item", annotator=annotator)
    while "pair" in item:
        firsts.append(item["first"].startswith("primary"))
        verdict = 1 if firsts[-1] else -1
        item = post(server, "/verdict", annotator=annotator, pair=item["pair"], verdict=verdict,
                    place=item["place"] + 1)  # fmt: skip
    return firsts


def test_verdicts_are_blinded_saved_and_resumed(server: AnnotationServer, tmp_path: Path) -> None:
    item = post(server, "/item", annotator="ann")
    assert set(item) == {"place", "total", "done", "pair", "question", "first", "second", "verdict"}
    post(server, "/verdict", annotator="ann", pair=item["pair"], verdict=0)
    assert len(Annotations(tmp_path / "v.csv").verdicts) == 1
    again = post(server, "/item", annotator="ann")
    assert (again["place"], again["done"]) == (1, 1)
    assert post(server, "/item", annotator="ann", place=0)["verdict"] == 0


def test_order_is_random_by_person_and_verdicts_are_turned_round(server: AnnotationServer) -> None:
    first, second = label_all(server, "ann"), label_all(server, "bob")
    assert 3 < sum(first) < 17
    assert first != second
    verdicts = server.annotations.matrix(server.ids)
    np.testing.assert_array_equal(verdicts, np.ones((2, 20)))
    assert post(server, "/item", annotator="ann")["place"] == 20


@pytest.mark.parametrize(
    ("path", "code", "body", "status"),
    [
        ("/item", "wrong", {"annotator": "ann"}, 403),
        ("/item", None, {"annotator": ""}, 400),
        ("/item", None, {"annotator": "a,b\n"}, 400),
        ("/verdict", None, {"annotator": "ann", "pair": "none", "verdict": 1}, 400),
        ("/verdict", None, {"annotator": "ann", "pair": pair_id(PAIRS[0]), "verdict": 2}, 400),
        ("/verdict", None, {"annotator": "ann", "pair": pair_id(PAIRS[0]), "verdict": True}, 400),
        ("/other", None, {"annotator": "ann"}, 404),
    ],
)
def test_what_is_no_verdict_is_refused(
    server: AnnotationServer, path: str, code: str | None, body: dict, status: int
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        post(server, path, code, **body)
    assert refusal.value.code == status
    assert not server.annotations.verdicts


def test_only_this_machine_is_served_and_only_under_its_own_name(server: AnnotationServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    with urllib.request.urlopen(server.url, timeout=5) as reply:
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    for url, host in ((server.url, "evil.example"), (server.url.split("?")[0], None)):
        request = urllib.request.Request(url, headers={"Host": host} if host else {})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request, timeout=5)


def test_a_line_cut_short_is_asked_for_again_and_another_file_is_refused(tmp_path: Path) -> None:
    kept = Annotations(tmp_path / "v.csv")
    kept.add("p", "ann", 1, True)
    kept.add("q", "ann", -1, False)
    text = kept.path.read_bytes()
    kept.path.write_bytes(text[:-6])
    resumed = Annotations(kept.path)
    assert resumed.verdicts == {("p", "ann"): 1}
    resumed.add("q", "ann", 0, False)
    assert Annotations(kept.path).verdicts == {("p", "ann"): 1, ("q", "ann"): 0}
    kept.path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no verdicts of people"):
        Annotations(kept.path)


def test_agreement_is_one_for_equals_near_zero_for_chance_and_unknown_for_one_person() -> None:
    rng = np.random.default_rng(0)
    one = rng.choice([-1.0, 0.0, 1.0], 300)
    same = agreement_of(np.stack([one, one]))
    assert same is not None
    assert same.alpha == same.ci_low == 1.0
    chance = agreement_of(np.stack([one, rng.permutation(one)]))
    assert chance is not None
    assert chance.ci_low < 0 < chance.ci_high
    assert agreement_of(one[None]) is None


def pairs_table(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.csv"
    frame = pd.DataFrame(PAIRS, columns=["query", "answer_primary", "answer_alternative"])
    frame.loc[3, "answer_primary"] = "- primary 3, a list"
    frame.loc[4, "answer_primary"] = '=HYPERLINK("http://x")'
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_sheets_are_blinded_filled_in_and_read_back(tmp_path: Path, ending: str) -> None:
    table, out = pairs_table(tmp_path), tmp_path / "labelled.csv"
    sheets = {}
    for person in ("ann", "bob"):
        path = tmp_path / f"{person}.{ending}"
        code, said, error = run("label", table, "--template", path, "--annotator", person)
        assert code == 0, error
        assert "20 pairs" in said
        sheet = pd.read_csv(path) if ending == "csv" else pd.read_excel(path)
        assert list(sheet) == ["item", "annotator", "query", "first", "second", "verdict"]
        assert sheet["verdict"].isna().all()
        assert not sheet["first"].str.startswith(("-", "=")).any()
        sheets[person] = sheet
    orders = [sheet["query"].tolist() for sheet in sheets.values()]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    sides = sheets["ann"]["first"].str.contains("alternative")
    assert 3 <= sides.sum() <= 17
    # Ann prefers the primary everywhere but leaves five out; rows come back sorted otherwise.
    for person, better in (("ann", "1"), ("bob", "0")):
        sheet = sheets[person].sort_values("query").reset_index(drop=True)
        first_is_primary = ~sheet["first"].str.contains("alternative")
        verdict = np.where(first_is_primary, 1, 2) if better == "1" else np.zeros(20, dtype=int)
        sheet["verdict"] = pd.array(verdict, dtype="Int64")
        if person == "ann":
            sheet.loc[:4, "verdict"] = pd.NA
        path = tmp_path / f"{person}_back.{ending}"
        sheet.to_csv(path, index=False, sep=";") if ending == "csv" else sheet.to_excel(
            path, index=False
        )
    filled = [w for p in ("ann", "bob") for w in ("--filled", tmp_path / f"{p}_back.{ending}")]
    for _ in range(2):  # reading a sheet again changes nothing
        code, said, error = run("label", table, *filled, "--out", out)
        assert code == 0, error
        assert "20 of 20 rows have a verdict, by 2 people" in said
        labelled = pd.read_csv(out)
        assert (labelled["gold"] == np.where(labelled["gold_people"] == 2, 0.5, 0.0)).all()
        assert (labelled["gold_people"] == 2).sum() == 15
        assert len(pd.read_csv(f"{out}.verdicts.csv")) == 35


def test_sheets_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    table, sheet = pairs_table(tmp_path), tmp_path / "ann.csv"
    assert "say whom with --annotator" in refused("label", table, "--template", sheet)
    assert "--out is missing" in refused("label", table)
    ask = ("--template", sheet, "--annotator", "ann")
    assert run("label", table, *ask)[0] == 0
    assert "is there already" in refused("label", table, *ask)
    given = pd.read_csv(sheet, dtype=str)
    read = ("label", table, "--out", tmp_path / "l.csv", "--filled")
    for changed, why in [
        (given.assign(verdict="first"), "has the verdict 'first'"),
        (given.assign(verdict="1", annotator="eve"), "belongs to no pair"),
        (given.assign(verdict="1", item="x"), "belongs to no pair"),
        (given.drop(columns="item"), "no column 'item'"),
    ]:
        path = tmp_path / "changed.csv"
        changed.to_csv(path, index=False)
        assert why in refused(*read, path)
    assert "no file" in refused(*read, tmp_path / "none.csv")
    assert not (tmp_path / "l.csv").exists()


def test_the_command_writes_the_table_when_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, out = tmp_path / "p.csv", tmp_path / "l.csv"
    frame = pd.DataFrame(PAIRS, columns=["query", "answer_primary", "answer_alternative"])
    frame.assign(id=[f"{k:03d}" for k in range(20)]).to_csv(table, index=False)

    def serve(self: AnnotationServer) -> None:
        for person in ("ann", "bob"):
            for k in range(10):
                self.annotations.add(self.ids[k], person, 1 if k < 5 else -1, True)
        raise KeyboardInterrupt

    monkeypatch.setattr(AnnotationServer, "serve_forever", serve)
    code, said, error = run("label", table, "--out", out)
    assert code == 0, error
    assert "alpha is 1.00" in said
    labels = pd.read_csv(out, dtype={"id": str})
    np.testing.assert_array_equal(labels["gold"][:10], [1.0] * 5 + [-1.0] * 5)
    assert labels["gold"][10:].isna().all()
    assert labels["id"][0] == "000"
    assert "did you mean 'query'" in refused("label", table, "--out", out, "--text", "quer")
    assert "'gold' already" in refused("label", out, "--out", table.with_name("m.csv"))


def test_twenty_pairs_are_labelled_with_the_keyboard_in_a_browser(
    server: AnnotationServer, tmp_path: Path
) -> None:
    webdriver = pytest.importorskip("selenium.webdriver")
    driver, browser = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or browser is None:
        pytest.skip("chromium and its driver are not installed")
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,800"):
        options.add_argument(option)
    page = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        page.get(server.url)
        page.find_element(By.ID, "name").send_keys("ann", Keys.ENTER)
        body = page.find_element(By.TAG_NAME, "body")
        for k in range(20):
            WebDriverWait(page, 10, poll_frequency=0.02).until(
                lambda page, k=k: (
                    page.find_element(By.ID, "state").text == f"{k + 1} of 20, {k} saved"
                )
            )
            page.save_screenshot(str(tmp_path / f"item_{k:02d}.png"))
            first = page.find_element(By.ID, "first").text
            assert "<b>x</b>" in first + page.find_element(By.ID, "second").text
            body.send_keys("1" if first.startswith("primary") else "2")
        WebDriverWait(page, 10, poll_frequency=0.02).until(
            lambda page: page.find_element(By.ID, "end").is_displayed()
        )
        page.save_screenshot(str(tmp_path / "item_20.png"))
    finally:
        page.quit()
    np.testing.assert_array_equal(server.annotations.matrix(server.ids), np.ones((1, 20)))
