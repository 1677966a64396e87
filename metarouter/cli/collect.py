"""``metarouter collect``: labels from language models, for a table of prompts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli._tables import TABLE_HELP
from metarouter.cli.command import command_of
from metarouter.cli.options import COLUMNS, RUNNING, Seed, TextEncoding

__all__ = ["CollectSettings", "LimitField", "ReplyFormat", "collect"]

_ASK = "Whom to ask, and how"
_MONEY = "Money"
_ENDPOINT = "The endpoint"


class LimitField(StrEnum):
    """What an endpoint calls the largest number of tokens of a reply."""

    max_completion_tokens = "max_completion_tokens"
    max_tokens = "max_tokens"


class ReplyFormat(StrEnum):
    """How far an endpoint can be told to reply in JSON."""

    json_schema = "json_schema"
    json_object = "json_object"
    none = "none"


def _copy_templates(folder: Path | None) -> None:
    if folder is None:
        return
    from metarouter.judging.template import copy_templates

    for path in copy_templates(folder):
        typer.echo(path)
    raise typer.Exit


@dataclass(frozen=True, kw_only=True)
class CollectSettings:
    """Collect answers, verdicts and grades for a table of prompts.

    Judges compare the two answers to each query in both orders (column **preference**); a grader
    checks each answer against a rubric (column **gold**). Every reply is stored before it is used:
    run the command again after a stop, and it goes on without paying twice.

    ```
    metarouter collect prompts.csv --judge gpt-5-mini --price gpt-5-mini=0.25,2 --dry-run -o l.csv
    metarouter collect prompts.csv --judge gpt-5-mini --price gpt-5-mini=0.25,2 --budget 5 -o l.csv
    metarouter collect --copy-templates my_templates
    ```
    """

    table: Annotated[Path, typer.Argument(help=f"Prompts, with answers or without. {TABLE_HELP}")]
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The labelled table to write; what is known of each judge goes beside it, as "
            "*.judges.md.",
            show_default=False,
        ),
    ]
    judge: Annotated[
        list[str],
        typer.Option(
            "--judge",
            help="Model that compares answers; may be repeated.",
            rich_help_panel=_ASK,
            show_default="none",
        ),
    ] = field(default_factory=list)
    grader: Annotated[
        str | None,
        typer.Option(
            "--grader",
            help="Model that grades answers by rubric.",
            rich_help_panel=_ASK,
            show_default=False,
        ),
    ] = None
    primary: Annotated[
        str | None,
        typer.Option(
            "--primary",
            help="Model to ask for the primary's answers, where the table has none.",
            rich_help_panel=_ASK,
            show_default=False,
        ),
    ] = None
    alternative: Annotated[
        str | None,
        typer.Option(
            "--alternative",
            help="The same of the alternative.",
            rich_help_panel=_ASK,
            show_default=False,
        ),
    ] = None
    template: Annotated[
        str,
        typer.Option(
            "--template",
            help="What counts: general, medicine, law, finance, or a file of your own.",
            rich_help_panel=_ASK,
        ),
    ] = "general"
    rubric_template: Annotated[
        str | None,
        typer.Option(
            "--rubric-template",
            help="The same for grades.",
            rich_help_panel=_ASK,
            show_default="as --template, or general where that is a file",
        ),
    ] = None
    rubric: Annotated[
        Path | None,
        typer.Option(
            "--rubric",
            help="JSON file with one rubric for all queries, instead of a column of rubrics.",
            rich_help_panel=_ASK,
            show_default=False,
        ),
    ] = None
    n_gold: Annotated[
        int | None,
        typer.Option(
            "--n-gold",
            min=1,
            help="Grade so many queries, drawn at random.",
            rich_help_panel=_ASK,
            show_default="all that have a rubric",
        ),
    ] = None
    draws: Annotated[
        int,
        typer.Option(
            "--draws", min=1, help="Times that each verdict is asked for.", rich_help_panel=_ASK
        ),
    ] = 1
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature",
            min=0,
            help="Of judges and grader.",
            rich_help_panel=_ASK,
            show_default="the endpoint's",
        ),
    ] = None
    max_tokens: Annotated[
        int,
        typer.Option(
            "--max-tokens",
            min=1,
            help="Longest verdict or grade, with what a model thinks before it.",
            rich_help_panel=_ASK,
        ),
    ] = 1000
    max_answer_tokens: Annotated[
        int,
        typer.Option("--max-answer-tokens", min=1, help="Longest answer.", rich_help_panel=_ASK),
    ] = 2000
    copy_templates: Annotated[
        Path | None,
        typer.Option(
            "--copy-templates",
            is_eager=True,
            callback=_copy_templates,
            help="Write the templates into a folder, to be changed, and leave.",
            rich_help_panel=_ASK,
            show_default=False,
        ),
    ] = None
    price: Annotated[
        list[str],
        typer.Option(
            "--price",
            help="MODEL=INPUT,OUTPUT per million tokens; once per model.",
            rich_help_panel=_MONEY,
            show_default=False,
        ),
    ] = field(default_factory=list)
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            help="The most that all runs with this store may spend together.",
            rich_help_panel=_MONEY,
            show_default=False,
        ),
    ] = None
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Ask nobody: say what it would cost.", rich_help_panel=_MONEY
        ),
    ] = False
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            help="Where replies are kept.",
            rich_help_panel=_MONEY,
            show_default="--out with the ending .replies.sqlite",
        ),
    ] = None
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url",
            envvar="OPENAI_BASE_URL",
            help="Any endpoint with OpenAI's chat completions.",
            rich_help_panel=_ENDPOINT,
            show_default="OpenAI's",
        ),
    ] = None
    key_from: Annotated[
        str,
        typer.Option(
            "--key-from",
            help="Environment variable that holds the key.",
            rich_help_panel=_ENDPOINT,
        ),
    ] = "OPENAI_API_KEY"
    concurrency: Annotated[
        int,
        typer.Option("--concurrency", min=1, max=1000, help="Calls under way at once.",
                     rich_help_panel=_ENDPOINT),
    ] = 16  # fmt: skip
    per_minute: Annotated[
        float | None,
        typer.Option(
            "--per-minute",
            min=0.1,
            help="Calls begun per minute.",
            rich_help_panel=_ENDPOINT,
            show_default="no limit but the endpoint's",
        ),
    ] = None
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=0.1, help="Seconds for one call.", rich_help_panel=_ENDPOINT),
    ] = 120.0
    limit_field: Annotated[
        LimitField,
        typer.Option(
            "--limit-field",
            help="What the endpoint calls the limit of tokens.",
            rich_help_panel=_ENDPOINT,
        ),
    ] = LimitField.max_completion_tokens
    reply_format: Annotated[
        ReplyFormat,
        typer.Option(
            "--reply-format",
            help="How far the endpoint can be told to reply in JSON.",
            rich_help_panel=_ENDPOINT,
        ),
    ] = ReplyFormat.json_schema
    text: Annotated[str, typer.Option("--text", help="The queries.", rich_help_panel=COLUMNS)] = (
        "query"
    )
    answer_primary: Annotated[
        str, typer.Option("--answer-primary", help="The primary's answers.",
                          rich_help_panel=COLUMNS)
    ] = "answer_primary"  # fmt: skip
    answer_alternative: Annotated[
        str, typer.Option("--answer-alternative", help="The alternative's.",
                          rich_help_panel=COLUMNS)
    ] = "answer_alternative"  # fmt: skip
    rubric_column: Annotated[
        str,
        typer.Option(
            "--rubric-column", help="A rubric per query, as JSON.", rich_help_panel=COLUMNS
        ),
    ] = "rubric"
    reference: Annotated[
        str,
        typer.Option(
            "--reference", help="An ideal answer, for the grader.", rich_help_panel=COLUMNS
        ),
    ] = "reference"
    gold: Annotated[
        str,
        typer.Option(
            "--gold",
            help="Trustworthy labels that are there already, to measure the judges by.",
            rich_help_panel=COLUMNS,
        ),
    ] = "gold"
    seed: Seed = 0
    encoding: TextEncoding = None
    progress: Annotated[
        bool,
        typer.Option("--progress/--no-progress", help="Show how far it is.",
                     rich_help_panel=RUNNING),
    ] = True  # fmt: skip


def _run(settings: CollectSettings) -> None:
    from metarouter.cli._collect_run import run_collect

    run_collect(settings)


collect = command_of("collect", CollectSettings, _run)
