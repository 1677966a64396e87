"""Save a fitted router and load it again, without pickle.

A router file is a zip archive as skops writes it, with one more member: a header that says what
the file is and which versions wrote it. Nothing in it is executed on loading. Only types from an
allow-list are built, and the trees and vocabularies among them are checked before they can predict.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from metarouter._version import __version__
from metarouter.encoding import TfidfEncoder
from metarouter.exceptions import MetaRouterError, RouterFileError
from metarouter.routing._content_checks import require_sound_content
from metarouter.routing._lean import lean
from metarouter.routing._pipeline import final_estimator
from metarouter.routing._trusted import import_skops, untrusted_types
from metarouter.routing.threshold_router import ThresholdRouter
from metarouter.utils.arguments import validated
from metarouter.utils.files import atomic_path
from metarouter.utils.parameters import printable, shown

__all__ = ["load_router", "save_router"]

_FORMAT = "metarouter-router"
_FORMAT_VERSION = 1
_HEADER = "metarouter.json"
_MEMBERS = ("schema.json", _HEADER)
_ARRAY = re.compile(r"[0-9]+\.(npy|npz)|[0-9a-f-]{36}\.bin")  # .bin: bytes, as in boosted trees
# Trees and sparse arrays deflate to a tenth; a file that would inflate to more is no router.
_ALWAYS_ALLOWED = 2**26
_LARGEST_RATIO = 50


@validated()
def save_router(router: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted router to a file.

    What is needed to predict is kept: the gain model, the shift learner, the cost model, w and the
    names. Predictions of single training rows are left out, and so is a shift that was learned by
    econml or given as a function, with a warning: the router routes without it.

    Parameters
    ----------
    router : ThresholdRouter, MetaRouter, or Pipeline that ends in one
        Fitted. It is not changed.
    path : str or path-like
        The file, conventionally ``*.skops``. It appears whole or not at all: what was there before
        is kept until the new file is complete.

    Raises
    ------
    RouterFileError
        If the router is not fitted, holds something that cannot be stored without pickle (such as
        a lambda), or the file cannot be written.

    See Also
    --------
    load_router : Read the file again.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter.routing import ThresholdRouter
    >>> router = ThresholdRouter(LinearRegression(), w=0.5).fit([[0.0], [1.0]], [0.0, 1.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_router(router, Path(folder) / "router.skops")
    ...     load_router(Path(folder) / "router.skops").predict([[0.2], [0.8]]).tolist()
    ['alternative', 'primary']
    """
    _require_fitted(router, path)
    content = _dump(lean(router), path)
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    except MetaRouterError as error:
        raise RouterFileError(str(error)) from None
    except OSError as error:
        raise RouterFileError(
            f"{path} cannot be written ({error.strerror or error}); choose a folder that you may "
            "write to."
        ) from None


@validated()
def load_router(
    path: str | os.PathLike[str], *, trusted: str | type | Sequence[str | type] = ()
) -> Any:
    """Read a router that `save_router` has written.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : str, type, or sequence of them, default=()
        Types that the file may build beyond those of metarouter and bandits and the common ones of
        scikit-learn (linear models, forests, neural networks, Gaussian processes, pipelines), by
        their full names, for example ``"xgboost.sklearn.XGBRegressor"`` or
        ``"sklearn.svm._classes.SVR"``. Trust only files that you know: such types may hand what is
        in the file to compiled code that does not check it.

    Returns
    -------
    ThresholdRouter, MetaRouter or Pipeline
        Predicts what the saved router predicted.

    Raises
    ------
    RouterFileError
        If the file is absent, truncated, damaged, not a router file, of a newer format, holds types
        that are not trusted, or was written by a version whose routers hold other things.

    Warns
    -----
    UserWarning
        If another version of scikit-learn wrote the file.

    See Also
    --------
    save_router : Write the file.
    """
    content = _read(path)
    header = _read_header(content, path)
    _warn_of_other_sklearn(header, path)
    named: list[str | type] = [trusted] if isinstance(trusted, str | type) else list(trusted)
    written = printable(header.get("metarouter"))
    router = _build(content, path, named, written)
    if not isinstance(router, BaseEstimator) or not hasattr(router, "predict"):
        raise RouterFileError(
            f"{path} holds a {type(router).__name__}, which is not a router; save a fitted router "
            "with save_router."
        )
    _require_prediction(router, path, written)
    return router


def _require_prediction(router: Any, path: Any, written: str) -> None:
    """Refuse a router that cannot predict a row of zeros: its attributes are another version's."""
    last = final_estimator(router)
    try:
        repr(router)  # reads every parameter of every step
        if last is not router and isinstance(router.steps[0][1], TfidfEncoder):
            router.steps[0][1].transform(["a query"])
        if hasattr(last, "n_features_in_"):
            predict = last.predict_gain if isinstance(last, ThresholdRouter) else last.predict
            predict(_zeros(last))
    except (AttributeError, LookupError, TypeError) as error:
        raise _of_another_version(path, written, _first_line(error)) from None


def _zeros(estimator: Any) -> Any:
    row = np.zeros((1, estimator.n_features_in_))
    if not hasattr(estimator, "feature_names_in_"):
        return row
    import pandas as pd

    return pd.DataFrame(row, columns=estimator.feature_names_in_)


def _of_another_version(path: Any, written: str, reason: str) -> RouterFileError:
    return RouterFileError(
        f"{path} was saved by another version, metarouter {written}, and cannot be used with this "
        f"one, {__version__} ({reason}); fit the router again and save it, or install the version "
        "that saved it."
    )


def _require_fitted(router: Any, path: Any) -> None:
    if not isinstance(router, BaseEstimator) or not hasattr(router, "predict"):
        raise RouterFileError(
            f"A {type(router).__name__} cannot be saved to {path} as a router; give a "
            "ThresholdRouter, a MetaRouter or a Pipeline that ends in one."
        )
    try:
        check_is_fitted(router)
    except NotFittedError:
        raise RouterFileError(
            f"This {type(router).__name__} is not fitted, so there is nothing to save to {path}; "
            "call fit first."
        ) from None


def _dump(router: Any, path: Any) -> bytes:
    skops_io = import_skops()
    try:
        content = skops_io.dumps(router, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    except Exception as error:
        raise RouterFileError(
            f"The router cannot be saved to {path} without pickle ({_first_line(error)}); replace "
            "that part of it by one that skops can store."
        ) from None
    unnamed = [
        name
        for name in skops_io.get_untrusted_types(data=content)
        if "<" in name or name.startswith("__main__.")
    ]
    if unnamed:
        raise RouterFileError(
            f"The router cannot be saved to {path}, because it holds {', '.join(unnamed)}, which "
            "no other program can import; define it in a module."
        )
    header = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "metarouter": __version__,
        "scikit-learn": sklearn.__version__,
        "python": platform.python_version(),
        "router": type(router).__name__,
        "feature_names": [str(name) for name in getattr(router, "feature_names_in_", [])] or None,
    }
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_HEADER, json.dumps(header, indent=1))
    return buffer.getvalue()


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise RouterFileError(
            f"There is no file {path}; check the path, or write one with save_router."
        ) from None
    except OSError as error:
        raise RouterFileError(
            f"{path} cannot be read ({error.strerror or error}); check that it is a file you may "
            "read."
        ) from None


def _read_header(content: bytes, path: Any) -> dict[str, Any]:
    if not content.startswith(b"PK"):
        raise RouterFileError(
            f"{path} is not a router file ({len(content)} bytes, not a zip archive); give a file "
            "written by save_router."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = set(archive.namelist())
            if _HEADER in members:
                _require_expected(archive, len(content))
            header = json.loads(archive.read(_HEADER)) if _HEADER in members else None
    except Exception as error:
        raise _damaged(path, len(content), error) from None
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        what = "a skops file" if "schema.json" in members else "a zip archive"
        raise RouterFileError(
            f"{path} is {what} that was not written by save_router; save the fitted router with "
            "save_router."
        )
    version = header.get("format_version")
    if not isinstance(version, int) or version > _FORMAT_VERSION:
        raise RouterFileError(
            f"{path} has router format {shown(version)}, written by metarouter "
            f"{printable(header.get('metarouter'))}, where metarouter {__version__} reads formats "
            f"up to {_FORMAT_VERSION}; upgrade metarouter."
        )
    return header


def _require_expected(archive: zipfile.ZipFile, n_bytes: int) -> None:
    """Refuse members that no router file has, or that inflate to more than one ever would.

    Raises
    ------
    ValueError
    """
    infos = archive.infolist()
    names = [info.filename for info in infos]
    odd = [name for name in names if name not in _MEMBERS and not _ARRAY.fullmatch(name)]
    if odd or len(names) != len(set(names)):
        raise ValueError(f"it holds {shown((odd or names)[0])}, which no router file has")
    inflated = sum(info.file_size for info in infos)
    for name in names:
        if name.endswith(".npz"):  # a sparse matrix, an archive of its own
            with zipfile.ZipFile(io.BytesIO(archive.read(name))) as inner:
                inflated += sum(info.file_size for info in inner.infolist())
    if inflated > max(_ALWAYS_ALLOWED, _LARGEST_RATIO * n_bytes):
        raise ValueError(f"its {n_bytes} bytes would inflate to {inflated}")


def _warn_of_other_sklearn(header: dict[str, Any], path: Any) -> None:
    written = header.get("scikit-learn")
    if written != sklearn.__version__:
        warnings.warn(
            f"{path} was written with scikit-learn {printable(written)} and is read with "
            f"{sklearn.__version__}, so that its predictions may differ; fit and save the router "
            f"again, or install scikit-learn {printable(written)}.",
            UserWarning,
            stacklevel=4,
        )


def _build(content: bytes, path: Any, trusted: list[str | type], written: str) -> Any:
    skops_io = import_skops()
    names = {name if isinstance(name, str) else _full_name(name) for name in trusted}
    try:
        refused = untrusted_types(content, names)
        foreign = skops_io.get_untrusted_types(data=content)
    except Exception as error:
        raise _damaged(path, len(content), error) from None
    gone = [name for name in refused if name.split(".")[0] in ("metarouter", "bandits")]
    if gone and written != __version__:
        raise _of_another_version(path, written, f"there is no {printable(gone[0])} here")
    if refused:
        listed = ", ".join(repr(name) for name in refused)
        raise RouterFileError(
            f"{path} holds types that are not trusted: {listed}; if you know where the file comes "
            f"from, name them in trusted=[{listed}]."
        )
    try:
        with warnings.catch_warnings():
            # Said once, in one sentence, from the header.
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            router = skops_io.loads(content, trusted=foreign)
        require_sound_content(router)
    except ImportError as error:
        raise RouterFileError(
            f"{path} needs a package that cannot be imported ({_first_line(error)}); install it."
        ) from None
    except Exception as error:
        raise _damaged(path, len(content), error) from None
    return router


def _damaged(path: Any, size: int, error: Exception) -> RouterFileError:
    return RouterFileError(
        f"{path} is truncated or damaged ({size} bytes; {_first_line(error)}); copy it again, or "
        "save the router again."
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return printable(text[0]).rstrip(".") if text else type(error).__name__


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"
