"""Where published data lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.names import nearest

__all__ = ["PUBLISHED", "PublishedSet", "available", "data_home", "published_folder"]

_VARIABLE = "METAROUTER_DATA_HOME"


class PublishedSet(NamedTuple):
    """What a published set consists of, and where it comes from (owner/name on GitHub)."""

    files: tuple[str, ...]
    upstream: str


PUBLISHED = {
    "evouna": PublishedSet(("evouna.parquet", "embeddings.parquet"), "wangcunxiang/QA-Eval"),
    "xstest": PublishedSet(
        ("xstest.parquet", "embeddings.parquet"), "paul-rottger/exaggerated-safety"
    ),
    "wmt_mt": PublishedSet(
        ("wmt_mt.parquet", "sources.parquet", "embeddings.parquet"),
        "wmt-conference/wmt24-news-systems",
    ),
    "llmrouter_14task": PublishedSet(("data.parquet", "embeddings.parquet"), "ulab-uiuc/LLMRouter"),
    "routerbench_fewshot": PublishedSet(
        ("data.parquet", "embeddings.parquet"), "withmartian/routerbench"
    ),
    "routellm_evals": PublishedSet(("data.parquet", "embeddings.parquet"), "lm-sys/RouteLLM"),
    "arena_frontier": PublishedSet(
        ("arena_frontier.parquet", "embeddings.parquet"), "yiqunchen/debias-llm-as-a-judge"
    ),
    "cascades_9model": PublishedSet(
        ("data.parquet", "embeddings.parquet"), "mzelling/rational-llm-cascades"
    ),
}


@validated()
def data_home(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that holds one folder per published set.

    Parameters
    ----------
    path : str or path-like, optional
        The folder. When left out it is the environment variable ``METAROUTER_DATA_HOME``, and
        when that is empty, the ``metarouter`` folder of the user's cache.

    Returns
    -------
    pathlib.Path
        The folder, which need not exist.

    Examples
    --------
    >>> data_home("tables").as_posix()
    'tables'
    """
    if path is not None:
        return Path(path).expanduser()
    if os.environ.get(_VARIABLE):
        return Path(os.environ[_VARIABLE]).expanduser()
    import pooch

    return Path(pooch.os_cache("metarouter"))


@validated()
def available(name: str, data_home: str | os.PathLike[str] | None = None) -> bool:
    """Tell whether all files of a published set lie under the data home.

    Parameters
    ----------
    name : str
        Name of the set, such as ``"xstest"``.
    data_home : str or path-like, optional
        As in `metarouter.datasets.data_home`.

    Raises
    ------
    DataError
        If there is no published set of that name.

    Examples
    --------
    >>> available("xstest", data_home="a folder that does not exist")
    False
    """
    folder = _folder(name, data_home)
    return all((folder / file).is_file() for file in PUBLISHED[name].files)


def published_folder(name: str, data_home: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of a published set, or say what is missing and how to mend it."""
    folder = _folder(name, data_home)
    missing = [file for file in PUBLISHED[name].files if not (folder / file).is_file()]
    if missing:
        raise DataError(
            f"The data set {name!r} is not complete in {folder}: {', '.join(missing)} missing; "
            f"prepare the tables from github.com/{PUBLISHED[name].upstream} in a folder named "
            f"{name} and let data_home= or the environment variable {_VARIABLE} name the folder "
            "above it."
        )
    return folder


def _folder(name: str, home: str | os.PathLike[str] | None) -> Path:
    if name not in PUBLISHED:
        raise DataError(
            f"There is no published data set {name!r}{nearest(name, PUBLISHED)}: choose one of "
            f"{', '.join(PUBLISHED)}."
        )
    return data_home(home) / name
