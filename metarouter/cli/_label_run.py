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
from metarouter.judging.annotations import Annotations, agreement_of, pair_id
from metarouter.judging.calls import Pair
from metarouter.utils.files import exclusive
from metarouter.utils.names import nearest

__all__ = ["run_label"]


def run_label(settings: LabelSettings) -> None:
    """Serve until Ctrl-C, then write the table."""
    if find_spec("krippendorff") is None:
        raise MetaRouterError("Labelling needs krippendorff: install metarouter[judging].")
    output_file(settings.out, suffixes=SUFFIXES)
    if settings.out.resolve() == settings.table.resolve():
        raise DataError(f"--out {settings.out} is the table to read: name another file.")
    pairs = _pairs(settings)
    path = settings.verdicts or settings.out.with_name(f"{settings.out.name}.verdicts.csv")
    busy = f"{path} is in use by another process: end it first, or name another --verdicts."
    with exclusive(path.absolute().with_name(f".{path.name}.in-use"), busy):
        annotations = Annotations(path)
        shown = [pair for pair in pairs if pair is not None]
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
        _write(settings, pairs, annotations, path)


def _pairs(settings: LabelSettings) -> list[Pair | None]:
    names = [settings.text, settings.answer_primary, settings.answer_alternative]
    frame = read_table_file(settings.table, set(names), settings.encoding).frame
    columns = [str(name) for name in frame.columns]
    for name, option in zip(names, ("text", "answer-primary", "answer-alternative"), strict=True):
        if name not in columns:
            raise DataError(
                f"{settings.table.name} has no column {name!r}{nearest(name, columns)}: name it "
                f"with --{option}."
            )
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
    settings: LabelSettings, pairs: list[Pair | None], annotations: Annotations, path: Path
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
    if same_format(settings.table, settings.out):
        rows.write(settings.out, added)
    else:
        frame = read_table_file(settings.table, (), settings.encoding).frame
        write_frame(frame.assign(**added), settings.out)
    said = f"{int((count > 0).sum())} of {len(ids)} rows have a verdict, by {len(verdicts)} people"
    # Rows of the same texts are one pair.
    agreement = agreement_of(annotations.matrix(sorted(set(ids))), settings.seed)
    if agreement is not None:
        said += (
            f"; Krippendorff's alpha is {agreement.alpha:.2f} (95% interval {agreement.ci_low:.2f} "
            f"to {agreement.ci_high:.2f}, {agreement.n_pairs} pairs judged by two or more)"
        )
    console().print(
        f"{said}. Written to {settings.out}; every verdict is in {path}.",
        markup=False,
        soft_wrap=True,
    )
