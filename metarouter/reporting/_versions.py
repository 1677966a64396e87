"""Which software made a report."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from metarouter._version import __version__

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "joblib", "xgboost", "econml")


def package_versions() -> dict[str, str]:
    """Return the versions of metarouter, of Python, and of the packages that decide numbers.

    Returns
    -------
    dict of str to str
        Packages that are not installed are left out.

    Examples
    --------
    >>> list(package_versions())[:2]
    ['metarouter', 'python']
    """
    found = {"metarouter": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
