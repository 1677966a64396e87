"""``bandits rewards``: label pairs of a user's table by routed reward models, and compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandits.cli._options import DATA, REWARD, Out
from metarouter.cli.command import command_of
from metarouter.cli.options import RUNNING, Encoder, EncoderChoice, Seed, TextEncoding

if TYPE_CHECKING:
    import pandas as pd

    from bandits.reward_models import RewardVerdicts

__all__ = ["RewardSettings", "rewards"]

_SETTINGS = (
    "Pairs of one group lie in one fold. A tie or an abstention counts one half, as does a model "
    "that gave no verdict. Errors are clustered by group and conditional on the training pairs. "
    "`best_single` is the model that is best on the training folds; majority and calibrated panel "
    "ask all models; the oracle knows who is right. `labels` are verified labels spent online."
)


class Told(StrEnum):
    """What an audited pair tells."""

    verified = "verified"
    agreement = "agreement"


@dataclass(frozen=True, kw_only=True)
class RewardSettings:
    r"""Route among reward models on a table of your own, and say whether that pays.

    The offline router learns from the verified labels of the other folds; every pair is then
    labelled once per cross-validation by the model that a router chooses. Writes report.md,
    table.csv and accuracy.png. A run that was stopped goes on where it was.

    ```
    bandits rewards pairs.csv --verified label --out rewards
    bandits rewards verdicts.parquet --features 'e*' --model judge --model scorer --out rewards
    ```
    """

    table: Annotated[
        Path,
        typer.Argument(
            help="A table with one row per pair: prompt, answer_a, answer_b (or --features), a "
            "column per reward model (A, B, tie, abstain, a number, or scores NAME_a and NAME_b), "
            "and the verified preference."
        ),
    ]
    out: Out
    verified: Annotated[
        str,
        typer.Option(
            "--verified", help="Column of the verified preference: A or B.", rich_help_panel=DATA
        ),
    ] = "label"
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            help="Reward model; may be repeated.",
            rich_help_panel=DATA,
            show_default="all columns that are nothing else",
        ),
    ] = field(default_factory=list)
    features: Annotated[
        list[str],
        typer.Option(
            "--features",
            help="Column of numbers, or a pattern like 'e*'; may be repeated. Instead of text.",
            rich_help_panel=DATA,
            show_default=False,
        ),
    ] = field(default_factory=list)
    encoder: EncoderChoice = Encoder.tfidf
    encoding: TextEncoding = None
    group: Annotated[
        str,
        typer.Option(
            "--group",
            help="Column that says which pairs belong together; prompts do where it is absent.",
            rich_help_panel=DATA,
        ),
    ] = "group"
    router: Annotated[
        list[str],
        typer.Option(
            "--router",
            help="bayesian, frozen_offline, without_offline, laser, racing or random; may be "
            "repeated. Every single model, the best of them, majority, a calibrated panel and the "
            "oracle are always compared with.",
            show_default="all",
        ),
    ] = field(default_factory=list)
    reward: Annotated[
        Told,
        typer.Option(
            "--reward",
            help="What audited pairs tell: the verified label, or how many other models agree.",
            rich_help_panel=REWARD,
        ),
    ] = Told.verified
    audit_share: Annotated[
        float,
        typer.Option(
            "--audit-share",
            min=0.001,
            max=1.0,
            help="Share of the pairs that is audited online.",
            rich_help_panel=REWARD,
        ),
    ] = 0.1
    folds: Annotated[
        int,
        typer.Option("--folds", min=2, help="Folds of cross-validation.", rich_help_panel=RUNNING),
    ] = 5
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", min=1, help="Number of cross-validations.", rich_help_panel=RUNNING
        ),
    ] = 3
    seed: Seed = 0


def _run(settings: RewardSettings) -> None:
    from bandits.cli._text import command_line, print_sentence
    from bandits.evaluation.reward_study import REWARD_ROUTERS, RewardStudy, save_accuracy_figure
    from metarouter.cli.console import console, print_frame
    from metarouter.cli.outputs import output_folder
    from metarouter.reporting import markdown_table
    from metarouter.utils.files import write_text
    from metarouter.utils.progress import progress_bar

    folder = output_folder(settings.out)
    X, verdicts, described = _read(settings)
    study = RewardStudy(
        tuple(settings.router or REWARD_ROUTERS),
        reward=settings.reward.value,
        audit_share=settings.audit_share,
        folds=settings.folds,
        seeds=settings.seeds,
        random_state=settings.seed,
    )
    study.check(X, verdicts)
    with progress_bar(settings.seeds * settings.folds, "folds labelled") as advance:
        result = study.run(X, verdicts, parts=folder / "checkpoint", advance=advance)
    frame = result.table()
    summary = verdicts.summary().reset_index()
    write_text(folder / "table.csv", frame.to_csv(index=False))
    save_accuracy_figure(result, folder / "accuracy.png", f"{settings.table.stem}: {len(X)} pairs")
    report = [
        f"# Routing among reward models: {settings.table.name}",
        f"`{command_line()}`",
        f"{len(X)} pairs with a verified label, {len(verdicts.models)} reward models, "
        f"{X.shape[1]} features per pair ({described}); {settings.folds} folds, "
        f"{settings.seeds} seeds from {settings.seed}; "
        f"{settings.audit_share:g} of the pairs audited ({settings.reward.value}).",
        *result.verdicts(),
        markdown_table(frame, decimals=3),
        "![Accuracy of the labels](accuracy.png)",
        _SETTINGS,
        "## The reward models",
        markdown_table(summary, decimals=3),
    ]
    write_text(folder / "report.md", "\n\n".join(report) + "\n")
    to = console()
    print_frame(
        to, frame.drop(columns="accuracy_se"), title=f"Labels of {len(X)} pairs", decimals=3
    )
    for sentence in result.verdicts():
        print_sentence(to, sentence)
    print_sentence(to, f"Written to {folder}: report.md, table.csv, accuracy.png.")


rewards = command_of("rewards", RewardSettings, _run)


def _read(settings: RewardSettings) -> tuple[Any, RewardVerdicts, str]:
    """Return features and verdicts of the pairs with a verified label, and how they were made."""
    import numpy as np

    from bandits.reward_models import read_verdicts
    from bandits.reward_models.pairs import TEXT_COLUMNS
    from metarouter.datasets import read_frame
    from metarouter.exceptions import DataError
    from metarouter.utils.names import pick_columns, require_column

    path, verified, encoder = settings.table, settings.verified, settings.encoder
    frame = read_frame(path, TEXT_COLUMNS, settings.encoding)
    names = list(map(str, frame.columns))
    mend = "name that of the verified preference with --verified"
    require_column(verified, names, path.name, mend=mend)
    described = pick_columns(names, settings.features, path.name)
    try:
        verdicts = read_verdicts(
            frame.drop(columns=described),
            models=tuple(settings.model) or None,
            label=verified,
            group=settings.group,
        )
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from None
    X = (
        _numbers(frame, described, path.name)
        if described
        else _encoded(frame, encoder, settings.seed)
    )
    assert verdicts.label is not None
    known = ~np.isnan(verdicts.label)
    if not known.any():
        raise DataError(f"Column {verified!r} of {path.name} is empty: give verified preferences.")
    made = "columns of the table" if described else f"{encoder.value} vectors of the texts"
    return X[known], verdicts.take(known), made


def _numbers(frame: pd.DataFrame, names: list[str], source: str) -> Any:
    import numpy as np
    import pandas as pd

    from metarouter.exceptions import DataError

    X = np.column_stack([pd.to_numeric(frame[n], errors="coerce").astype(float) for n in names])
    wrong = ~np.isfinite(X)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{source} holds no number for {names[column]!r} in row {row}, and in "
            f"{int(wrong.sum()) - 1} more cells: give every feature, or leave these rows out."
        )
    return X


def _encoded(frame: pd.DataFrame, encoder: Encoder, seed: int) -> Any:
    """Return pair features of prompt with either answer, or of the prompt where it is alone."""
    from bandits.reward_models import pair_features
    from bandits.reward_models.pairs import TEXT_COLUMNS
    from metarouter.encoding import MiniLMEncoder, TfidfEncoder
    from metarouter.exceptions import DataError

    prompt, *answers = TEXT_COLUMNS
    if prompt not in frame.columns:
        raise DataError(
            f"Nothing describes the pairs: give text columns {', '.join(TEXT_COLUMNS)}, or name "
            "columns of numbers with --features."
        )
    both = [name for name in answers if name in frame.columns]
    if len(both) == 1:
        raise DataError(f"The table has {both[0]} alone: give both answers, or prompts only.")
    text = frame[[prompt, *both]].fillna("").astype(str)
    vectors = TfidfEncoder(random_state=seed) if encoder is Encoder.tfidf else MiniLMEncoder()
    if not both:
        return vectors.fit_transform(text[prompt].tolist())
    sides = [(text[prompt] + "\n\n" + text[side]).tolist() for side in both]
    vectors.fit(sides[0] + sides[1])
    return pair_features(*(vectors.transform(side) for side in sides))
