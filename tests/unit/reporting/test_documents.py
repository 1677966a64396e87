"""A document says the same in HTML, markdown, LaTeX and JSON, whatever strings it is given."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest

from metarouter.exceptions import MetaRouterError
from metarouter.inference import Verdict
from metarouter.reporting import Document, write_document
from metarouter.reporting._document import (
    Bullets,
    Column,
    Estimate,
    Figure,
    Finding,
    Findings,
    Limits,
    Paragraph,
    Parts,
    PValue,
    Section,
    Table,
    Terms,
    Unanswered,
    Verbatim,
    section,
    table,
)
from metarouter.reporting._write_document import DocumentFormat, render

NASTY = '<script>alert("1")</script> a_b | 50% & $x$ {y} \\cmd *z* `c` 中 [l](u)'
_VOID = {"meta", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """Collects tags, and complains about tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _draw(ax: Any) -> None:
    ax.plot([0, 1], [0, 1], label="line")


@pytest.fixture(scope="module")
def document() -> Document:
    table = Table(
        NASTY,
        (
            Column(NASTY),
            Column("gain", "gold units"),
            Column("limits"),
            Column("p"),
            Column("says"),
        ),
        (
            (NASTY, Estimate(0.5, 0.25, 0.75), Limits(-0.2, 0.8), PValue(0.02), Verdict.PASS),
            (
                "[b] *",
                Estimate(float("nan"), 0.0, 1.0),
                Limits(-0.2, 0.8),
                PValue(0.5),
                Verdict.FAIL,
            ),
        ),
        "A note.",
    )
    blocks = (
        Paragraph(NASTY),
        Bullets((NASTY, "[two]", "*three")),
        Findings((Finding(NASTY, Verdict.CAUTION), Finding("no verdict"))),
        table,
        Figure("picture", "A caption.", NASTY, _draw, data={"x": [0.0, float("nan")]}),
        Terms({NASTY: NASTY, "command": Verbatim(NASTY)}),
    )
    below = Section("Below", (Paragraph("deep"),))
    return Document("A title", "A subtitle", (Section("First things", blocks, (below,)),))


def test_html_is_well_formed_and_escapes_what_it_is_given(document: Document) -> None:
    page = Page(render(document, "html"))
    assert page.open == []
    assert page.all("script") == []
    assert len(page.all("h1")) == 1
    assert [name for name, _ in page.tags if re.fullmatch(r"h\d", name)][:4] == [
        "h1", "h2", "h2", "h3",
    ]  # fmt: skip


def test_html_loads_nothing_from_elsewhere(document: Document) -> None:
    page = Page(render(document, "html"))
    for _, attributes in page.tags:
        for name in ("src", "href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/svg+xml;base64,"))
    assert "@import" not in render(document, "html")
    assert "url(" not in render(document, "html")


def test_html_can_be_read_without_seeing_and_its_links_lead_somewhere(document: Document) -> None:
    page = Page(render(document, "html"))
    assert page.all("html")[0]["lang"] == "en"
    assert [image["alt"] for image in page.all("img")] == [NASTY]
    assert all(head["scope"] in ("col", "row") for head in page.all("th"))
    assert all(cell["data-head"] for cell in page.all("td"))
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(names)) == len(names)
    assert {(link["href"] or "")[1:] for link in page.all("a")} <= set(names)


def test_markdown_keeps_cells_and_commands_apart(document: Document) -> None:
    text = render(document, "md", "figures")
    assert "<script" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
    assert "| 0.500 (0.250 to 0.750) | -0.200 to +0.800 | 0.020 | PASS |" in text
    assert "](<figures/picture.png>)" in text
    assert "- **CAUTION** " in text


def test_json_holds_numbers_with_limits_and_units_and_no_nan(document: Document) -> None:
    read = json.loads(render(document, "json"), parse_constant=lambda name: pytest.fail(name))
    (first,) = read["sections"]
    blocks = {block["type"]: block for block in first["blocks"]}
    (row, unknown) = blocks["table"]["rows"]
    assert row[0] == NASTY
    assert row[1] == {"value": 0.5, "low": 0.25, "high": 0.75, "unit": "gold units"}
    assert row[2:] == [{"low": -0.2, "high": 0.8, "unit": ""}, 0.02, "PASS"]
    assert unknown[1]["value"] is None
    assert blocks["figure"]["data"] == {"x": [0.0, None]}
    assert first["sections"][0]["title"] == "Below"


def test_latex_escapes_every_command_and_names_letters_that_fonts_lack(document: Document) -> None:
    text = render(document, "tex")
    body = text.partition(r"\begin{document}")[2]
    assert r"\textbackslash{}cmd" in body
    assert "[U+4E2D]" in body
    assert "{[}b{]} {*}" in body  # bare, the row before would take them for its options
    assert re.search(r"(?<!\\)[%$#]", body) is None
    for environment in re.findall(r"\\begin\{(\w+)\}", text):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}")


def test_commands_can_be_copied_from_latex() -> None:
    command = Verbatim("tool 'a b' --level \"0.9\" `x` ,, ---")
    blocks = (Bullets((command,)), Terms({"command": command}), Paragraph("Give --level."))
    text = render(Document("Ours", "today", (Section("Commands", blocks),)), "tex")
    copied = (
        r"\texttt{tool \textquotesingle{}a b\textquotesingle{} -{}-level "
        r'"0.9" \textasciigrave{}x\textasciigrave{} ,{}, -{}-{}-}'
    )
    assert text.count(copied) == 2
    assert "Give -{}-level." in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(document: Document, tmp_path: Path) -> None:
    write_document(document, tmp_path / "report.tex")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]


def test_all_four_say_the_same_words(document: Document) -> None:
    for form in get_args(DocumentFormat):
        text = render(document, form)
        for words in ("A title", "First things", "deep", "A note.", "no verdict", "CAUTION"):
            assert words in text


def test_endings_choose_formats_and_figures_stand_beside(
    document: Document, tmp_path: Path
) -> None:
    names = [tmp_path / f"new/report.{ending}" for ending in ("html", "md", "tex", "json")]
    assert write_document(document, names) == names
    assert all(name.is_file() for name in names)
    figures = {path.name for path in (tmp_path / "new" / "report_figures").iterdir()}
    assert figures == {"picture.png", "picture.pdf"}
    write_document(document, tmp_path / "report.txt", format="json")
    assert json.loads((tmp_path / "report.txt").read_text())["title"] == "A title"


def test_an_unknown_ending_is_refused_before_anything_is_written(
    document: Document, tmp_path: Path
) -> None:
    with pytest.raises(MetaRouterError, match=r"ends in '\.doc'"):
        write_document(document, [tmp_path / "report.html", tmp_path / "report.doc"])
    assert list(tmp_path.iterdir()) == []


def test_the_same_document_gives_the_same_bytes(document: Document) -> None:
    assert render(document, "html") == render(document, "html")


def test_a_section_is_made_of_what_is_yielded_and_says_why_it_is_empty() -> None:
    @section("Below")
    def below(found: int) -> Parts:
        yield Paragraph(f"{found} rows")

    @section("Ours")
    def ours(found: int) -> Parts:
        yield Paragraph("Text.")
        yield below(found)

    made = ours(3)
    assert made.blocks == (Paragraph("Text."),)
    assert made.sections == (Section("Below", (Paragraph("3 rows"),)),)
    (findings,) = ours(Unanswered("Too few labels.")).blocks
    assert findings == Findings((Finding("Too few labels.", Verdict.INCONCLUSIVE),))


def test_tables_of_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        table("Ours", {"name": ["a", "b"], "n": [1]})
