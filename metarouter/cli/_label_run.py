"""Serve the page where people compare answers; write the table when it is stopped."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from metarouter.cli.console import console
from metarouter.cli.label import LabelSettings
from metarouter.cli.outputs import output_file
from metarouter.datasets._rows import open_rows, same_format, write_frame
from metarouter.datasets._table_files import SUFFIXES, read_table_file
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.judging.annotation_page import AnnotationServer
from metarouter.judging.annotation_sheet import SheetVerdict, read_sheet, sheet_of
from metarouter.judging.annotations import Annotations, agreement_of, pair_id
from metarouter.judging.calls import Pair
from metarouter.utils.files import exclusive
from metarouter.utils.names import require_column

__all__ = ["run_label"]


def run_label(settings: LabelSettings) -> None:
    """Write a sheet; or read sheets, or serve until Ctrl-C, then write the table."""
    if settings.template is not None:
        _write_sheet(settings, settings.template)
        return
    if find_spec("krippendorff") is None:
        raise MetaRouterError("Labelling needs krippendorff: install metarouter[judging].")
    out = _out(settings)
    pairs = _pairs(settings)
    shown = [pair for pair in pairs if pair is not None]
    sheets = [verdict for path in settings.filled for verdict in _read_sheet(path, shown)]
    path = settings.verdicts or out.with_name(f"{out.name}.verdicts.csv")
    busy = f"{path} is in use by another process: end it first, or name another --verdicts."
    with exclusive(path.absolute().with_name(f".{path.name}.in-use"), busy):
        annotations = Annotations(path)
        if settings.filled:
            for said in sheets:
                if annotations.verdicts.get((said.pair, said.annotator)) != said.verdict:
                    annotations.add(*said)
        else:
            _serve(settings, shown, annotations)
        _write(settings, out, pairs, annotations, path)


def _out(settings: LabelSettings) -> Path:
    if settings.out is None:
        raise MetaRouterError("Option --out is missing: name the labelled table to write.")
    if settings.annotator is not None:
        raise MetaRouterError("--annotator says whom a --template is for: give both or none.")
    output_file(settings.out, suffixes=SUFFIXES)
    if settings.out.resolve() == settings.table.resolve():
        raise DataError(f"--out {settings.out} is the table to read: name another file.")
    return settings.out


def _serve(settings: LabelSettings, shown: list[Pair], annotations: Annotations) -> None:
    try:
        server = AnnotationServer(shown, annotations, settings.seed, settings.port)
    except OSError as error:
        raise MetaRouterError(
            f"Port {settings.port} is not free ({error.strerror}): name another --port, or 0."
        ) from None
    with server:
        console().print(
            f"Open {server.url} and label {len(shown)} pairs; Ctrl-C here ends it.",
            markup=False,
            soft_wrap=True,
        )
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _write_sheet(settings: LabelSettings, template: Path) -> None:
    if settings.annotator is None or not settings.annotator.strip():
        raise MetaRouterError("A --template is for one person: say whom with --annotator.")
    if settings.filled:
        raise MetaRouterError("--template writes a sheet and --filled reads one: give one of them.")
    output_file(template, suffixes=SUFFIXES)
    if template.exists():
        raise DataError(f"--template {template} is there already: name another file.")
    shown = [pair for pair in _pairs(settings) if pair is not None]
    shown = list(dict.fromkeys(shown))  # rows of the same texts are one pair
    write_frame(sheet_of(shown, settings.annotator.strip(), settings.seed), template)
    console().print(
        f"{len(shown)} pairs are in {template}: write 1 into the column verdict where the first "
        "answer is better, 2 where the second is, 0 where neither is; then read it with --filled.",
        markup=False,
        soft_wrap=True,
    )


def _read_sheet(path: Path, shown: list[Pair]) -> list[SheetVerdict]:
    if not path.is_file():
        raise DataError(f"There is no file {path}: check --filled.")
    return read_sheet(path, shown)


def _pairs(settings: LabelSettings) -> list[Pair | None]:
    names = [settings.text, settings.answer_primary, settings.answer_alternative]
    frame = read_table_file(settings.table, set(names), settings.encoding).frame
    columns = [str(name) for name in frame.columns]
    for name, option in zip(names, ("text", "answer-primary", "answer-alternative"), strict=True):
        require_column(name, columns, settings.table.name, mend=f"name it with --{option}")
    if settings.label in columns:
        raise DataError(
            f"{settings.table.name} has a column {settings.label!r} already: name another with "
            "--label."
        )
    whole = frame[names].notna().all(axis=1)
    texts = frame[names].astype(str).itertuples(index=False)
    pairs = [Pair(*row) if there else None for row, there in zip(texts, whole, strict=True)]
    if not whole.any():
        raise DataError(f"{settings.table.name} has no row with a query and two answers.")
    return pairs


def _write(
    settings: LabelSettings,
    out: Path,
    pairs: list[Pair | None],
    annotations: Annotations,
    path: Path,
) -> None:
    ids = ["" if pair is None else pair_id(pair) for pair in pairs]
    verdicts = annotations.matrix(ids)
    count = np.sum(~np.isnan(verdicts), axis=0)
    total = np.nansum(verdicts, axis=0) if len(verdicts) else np.zeros(len(ids))
    added: dict[str, list[float | int | None]] = {
        settings.label: [float(t / c) if c else None for t, c in zip(total, count, strict=True)],
        f"{settings.label}_people": [int(c) for c in count],
    }
    rows = open_rows(settings.table, settings.encoding)
    if same_format(settings.table, out):
        rows.write(out, added)
    else:
        frame = read_table_file(settings.table, (), settings.encoding).frame
        write_frame(frame.assign(**added), out)
    said = f"{int((count > 0).sum())} of {len(ids)} rows have a verdict, by {len(verdicts)} people"
    # Rows of the same texts are one pair.
    agreement = agreement_of(annotations.matrix(sorted(set(ids))), settings.seed)
    if agreement is not None:
        said += (
            f"; Krippendorff's alpha is {agreement.alpha:.2f} (95% interval {agreement.ci_low:.2f} "
            f"to {agreement.ci_high:.2f}, {agreement.n_pairs} pairs judged by two or more)"
        )
    console().print(
        f"{said}. Written to {out}; every verdict is in {path}.",
        markup=False,
        soft_wrap=True,
    )
