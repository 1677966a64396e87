"""Users' tables of labelled queries: which columns they are asked for, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metarouter.cli._choices import ZeroMeans
from metarouter.cli.options import COLUMNS, TextEncoding
from metarouter.cli.outputs import input_file
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.names import pick_columns

if TYPE_CHECKING:
    from metarouter.datasets import LabelledQueries

__all__ = ["TABLE_HELP", "TableOptions", "with_named_columns"]

TABLE_HELP = "A file (.csv .tsv .parquet .json .jsonl .xlsx; .gz, .zst), or - for standard input."
_LABELS = "How labels are written (by default as differences, or as votes: A, B, tie)"


def _label(option: str, says: str) -> typer.models.OptionInfo:
    return typer.Option(option, help=says, rich_help_panel=_LABELS, show_default=False)


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """The columns of a table of labelled queries."""

    text: Annotated[
        str | None,
        typer.Option(
            "--text",
            help="Column of text: the queries.",
            rich_help_panel=COLUMNS,
            show_default=False,
        ),
    ] = None
    features: Annotated[
        list[str],
        typer.Option(
            "--features",
            help="Column of numbers, or a pattern like 'e*'; may be repeated. Instead of --text.",
            rich_help_panel=COLUMNS,
            show_default="all columns without another role, where there is no --text",
        ),
    ] = field(default_factory=list)
    gold: Annotated[
        str, typer.Option("--gold", help="Trustworthy labels.", rich_help_panel=COLUMNS)
    ] = "gold"
    preference: Annotated[
        list[str],
        typer.Option(
            "--preference",
            help="Cheap labels; may be repeated: several judges are combined, weighted by what the "
            "gold labels say of their errors.",
            rich_help_panel=COLUMNS,
        ),
    ] = field(default_factory=lambda: ["preference"])
    group_by: Annotated[
        str | None,
        typer.Option(
            "--group-by",
            help="Queries with one value here share a source and stay on one side of every split; "
            "'none' ignores groups.",
            rich_help_panel=COLUMNS,
            show_default="column 'group', else rows of one text",
        ),
    ] = None
    weight: Annotated[
        str | None,
        typer.Option(
            "--weight",
            help="How much each query counts.",
            rich_help_panel=COLUMNS,
            show_default="column 'weight' if there is one",
        ),
    ] = None
    preference_weight: Annotated[
        str | None,
        typer.Option(
            "--preference-weight",
            help="How precise each cheap label is, such as a mean of several draws: routers learn "
            "with it; 'none' ignores it.",
            rich_help_panel=COLUMNS,
            show_default="column 'preference_weight' beside 'preference', if there is one",
        ),
    ] = None
    gold_primary: Annotated[
        str | None, _label("--gold-primary", "Gold score of the primary's answer.")
    ] = None
    gold_alternative: Annotated[
        str | None, _label("--gold-alternative", "The same of the alternative's answer.")
    ] = None
    preference_primary: Annotated[
        str | None, _label("--preference-primary", "Cheap score of the primary's answer.")
    ] = None
    preference_alternative: Annotated[
        str | None, _label("--preference-alternative", "The same of the alternative's answer.")
    ] = None
    positive: Annotated[
        str | None,
        _label("--positive", "The vote, such as a model's name, that stands for the primary."),
    ] = None
    negative: Annotated[
        str | None,
        _label("--negative", "The same of the alternative; rows that compare others are left out."),
    ] = None
    annotator: Annotated[
        str | None,
        _label(
            "--annotator",
            "Column that says who gave a label, where --preference holds those of people and of "
            "judges.",
        ),
    ] = None
    gold_annotator: Annotated[
        list[str],
        _label(
            "--gold-annotator",
            "Whose labels are trustworthy there, such as 'expert*'; may be repeated.",
        ),
    ] = field(default_factory=list)
    zero_means: Annotated[
        ZeroMeans | None,
        _label("--zero-means", "What 0 stands for in a column of 0 and 1, or of booleans."),
    ] = None
    encoding: TextEncoding = None

    def read(
        self,
        table: Path,
        *,
        gold_alone: bool = False,
        **columns: str | None,
    ) -> LabelledQueries:
        """Read a table of labelled queries.

        Parameters
        ----------
        table : Path
        gold_alone : bool, default=False
            Whether preference labels may be absent.
        **columns
            Further columns by role, as `metarouter.datasets.read_table` takes them.

        Raises
        ------
        DataError
            If the table cannot be read as such, or one kind of labels is absent.
        MetaRouterError
            If text and features are both named, or one of two scores alone.
        """
        with input_file(table) as path:
            queries = self.read_any(path, **columns)
        if gold_alone and queries.n_gold and not queries.n_preference:
            note = "no preference labels: the router learns from gold labels alone"
            known = [n for n in queries.notes if n != "no column of preference labels"]
            queries = replace(queries, notes=(*known, note))
            return _without_bare(queries)
        return _labelled(queries, {"gold": self.gold, "preference": self.preference[0]})

    def read_any(self, table: Path, **columns: str | None) -> LabelledQueries:
        """Read a file of queries, labelled or not.

        Raises
        ------
        DataError
            If the table cannot be read as such.
        MetaRouterError
            If text and features are both named, or one of two scores alone.
        """
        if self.text is not None and self.features:
            raise MetaRouterError(
                "Both --text and --features are given: name a column of text or columns of numbers."
            )
        from metarouter.datasets import read_table
        from metarouter.datasets._rows import open_rows

        known = open_rows(table, self.encoding).columns() if self.features else []
        ignored = self.group_by == "none"
        queries = read_table(
            table,
            text=self.text,
            features=pick_columns(known, self.features, table.name) if self.features else None,
            gold=self.gold,
            preference=self.preference,
            gold_scores=_both("gold", self.gold_primary, self.gold_alternative),
            preference_scores=_both(
                "preference", self.preference_primary, self.preference_alternative
            ),
            positive=self.positive,
            negative=self.negative,
            annotator=self.annotator,
            gold_annotators=self.gold_annotator,
            zero_means=None if self.zero_means is None else str(self.zero_means),
            group=None if ignored else self.group_by,
            weight=self.weight,
            preference_weight=self.preference_weight,
            allow_unlabelled=True,
            encoding=self.encoding,
            **columns,
        )
        return replace(queries, groups=None) if ignored else queries


def _both(role: str, primary: str | None, alternative: str | None) -> tuple[str, str] | None:
    if primary is None and alternative is None:
        return None
    if primary is None or alternative is None:
        missing = "primary" if primary is None else "alternative"
        raise MetaRouterError(
            f"One of two {role} scores is named: name the other with --{role}-{missing}."
        )
    return primary, alternative


def _labelled(queries: LabelledQueries, columns: dict[str, str]) -> LabelledQueries:
    """Leave out queries without a label; refuse a table where one kind of label is absent."""
    for kind, number in (("gold", queries.n_gold), ("preference", queries.n_preference)):
        if number == 0:
            absent = f"no column of {kind} labels" in queries.notes
            what = "is not there" if absent else f"holds no {kind} label"
            raise DataError(
                f"Column {columns[kind]!r} of {queries.name} {what}, but both kinds of labels are "
                f"needed: name another with --{kind}."
            )
    return _without_bare(queries)


def _without_bare(queries: LabelledQueries) -> LabelledQueries:
    bare = ~(queries.has_gold | queries.has_preference)
    if not bare.any():
        return queries
    note = f"{int(bare.sum())} of {bare.size} queries left out: they carry no label"
    return replace(queries.subset(~bare), notes=(*queries.notes, note))


def with_named_columns(queries: LabelledQueries) -> LabelledQueries:
    """Return the queries with their features as a frame, which a router remembers."""
    if hasattr(queries.X, "columns"):
        return queries
    import pandas as pd

    return replace(queries, X=pd.DataFrame(queries.X, columns=queries.feature_names))
