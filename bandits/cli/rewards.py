"""``bandits rewards``: label pairs of a user's table by routed reward models, and compare."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandits.cli._options import DATA, REWARD, Out
from metarouter.cli.options import RUNNING, Encoder, Seed

if TYPE_CHECKING:
    import pandas as pd

    from bandits.reward_models import RewardVerdicts

__all__ = ["rewards"]

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


def rewards(
    table: Annotated[
        Path,
        typer.Argument(
            help="A table with one row per pair: prompt, answer_a, answer_b (or --features), a "
            "column per reward model (A, B, tie, abstain, a number, or scores NAME_a and NAME_b), "
            "and the verified preference."
        ),
    ],
    out: Out,
    verified: Annotated[
        str,
        typer.Option(
            "--verified", help="Column of the verified preference: A or B.", rich_help_panel=DATA
        ),
    ] = "label",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="Reward model; may be repeated.",
            rich_help_panel=DATA,
            show_default="all columns that are nothing else",
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--features",
            help="Column of numbers, or a pattern like 'e*'; may be repeated. Instead of text.",
            rich_help_panel=DATA,
            show_default=False,
        ),
    ] = None,
    encoding: Annotated[
        Encoder,
        typer.Option(
            "--encoding",
            help="How text becomes vectors; minilm needs the extra `encoders`.",
            rich_help_panel=DATA,
        ),
    ] = Encoder.tfidf,
    group: Annotated[
        str,
        typer.Option(
            "--group",
            help="Column that says which pairs belong together; prompts do where it is absent.",
            rich_help_panel=DATA,
        ),
    ] = "group",
    router: Annotated[
        list[str] | None,
        typer.Option(
            "--router",
            help="bayesian, frozen_offline, without_offline, laser, racing or random; may be "
            "repeated. Every single model, the best of them, majority, a calibrated panel and the "
            "oracle are always compared with.",
            show_default="all",
        ),
    ] = None,
    reward: Annotated[
        Told,
        typer.Option(
            "--reward",
            help="What audited pairs tell: the verified label, or how many other models agree.",
            rich_help_panel=REWARD,
        ),
    ] = Told.verified,
    audit_share: Annotated[
        float,
        typer.Option(
            "--audit-share",
            min=0.001,
            max=1.0,
            help="Share of the pairs that is audited online.",
            rich_help_panel=REWARD,
        ),
    ] = 0.1,
    folds: Annotated[
        int,
        typer.Option("--folds", min=2, help="Folds of cross-validation.", rich_help_panel=RUNNING),
    ] = 5,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", min=1, help="Number of cross-validations.", rich_help_panel=RUNNING
        ),
    ] = 3,
    seed: Seed = 0,
) -> None:
    r"""Route among reward models on a table of your own, and say whether that pays.

    The offline router learns from the verified labels of the other folds; every pair is then
    labelled once per cross-validation by the model that a router chooses. Writes report.md,
    table.csv and accuracy.png. A run that was stopped goes on where it was.

    ```
    bandits rewards pairs.csv --verified label --out rewards
    bandits rewards verdicts.parquet --features 'e*' --model judge --model scorer --out rewards
    ```
    """
    from bandits.cli._progress import progress_bar
    from bandits.cli._text import command_line, print_sentence
    from bandits.evaluation.reward_study import REWARD_ROUTERS, RewardStudy, save_accuracy_figure
    from metarouter.cli.console import console, print_frame
    from metarouter.cli.outputs import output_folder
    from metarouter.reporting import markdown_table
    from metarouter.utils.files import write_text

    folder = output_folder(out)
    X, verdicts, described = _read(
        table, verified, group, tuple(model or ()), tuple(features or ()), encoding, seed
    )
    study = RewardStudy(
        tuple(router or REWARD_ROUTERS),
        reward=reward.value,
        audit_share=audit_share,
        folds=folds,
        seeds=seeds,
        random_state=seed,
    )
    study.check(X, verdicts)
    with progress_bar(seeds * folds, "folds labelled") as advance:
        result = study.run(X, verdicts, parts=folder / "checkpoint", advance=advance)
    frame = result.table()
    summary = verdicts.summary().reset_index()
    write_text(folder / "table.csv", frame.to_csv(index=False))
    save_accuracy_figure(result, folder / "accuracy.png", f"{table.stem}: {len(X)} pairs")
    report = [
        f"# Routing among reward models: {table.name}",
        f"`{command_line()}`",
        f"{len(X)} pairs with a verified label, {len(verdicts.models)} reward models, "
        f"{X.shape[1]} features per pair ({described}); {folds} folds, {seeds} seeds from {seed}; "
        f"{audit_share:g} of the pairs audited ({reward.value}).",
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


def _read(
    path: Path, verified: str, group: str, models: tuple[str, ...], features: tuple[str, ...],
    encoding: Encoder, seed: int,
) -> tuple[Any, RewardVerdicts, str]:  # fmt: skip
    """Return features and verdicts of the pairs with a verified label, and how they were made."""
    import numpy as np

    from bandits.reward_models import read_verdicts
    from bandits.reward_models.pairs import TEXT_COLUMNS
    from metarouter.datasets import read_frame
    from metarouter.exceptions import DataError
    from metarouter.utils.names import pick_columns, require_column

    frame = read_frame(path, TEXT_COLUMNS)
    names = list(map(str, frame.columns))
    mend = "name that of the verified preference with --verified"
    require_column(verified, names, path.name, mend=mend)
    described = pick_columns(names, features, path.name)
    try:
        verdicts = read_verdicts(
            frame.drop(columns=described), models=models or None, label=verified, group=group
        )
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from None
    X = _numbers(frame, described, path.name) if described else _encoded(frame, encoding, seed)
    assert verdicts.label is not None
    known = ~np.isnan(verdicts.label)
    if not known.any():
        raise DataError(f"Column {verified!r} of {path.name} is empty: give verified preferences.")
    made = "columns of the table" if described else f"{encoding.value} vectors of the texts"
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


def _encoded(frame: pd.DataFrame, encoding: Encoder, seed: int) -> Any:
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
    encoder = TfidfEncoder(random_state=seed) if encoding is Encoder.tfidf else MiniLMEncoder()
    if not both:
        return encoder.fit_transform(text[prompt].tolist())
    sides = [(text[prompt] + "\n\n" + text[side]).tolist() for side in both]
    encoder.fit(sides[0] + sides[1])
    return pair_features(*(encoder.transform(side) for side in sides))
