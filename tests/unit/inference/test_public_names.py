from __future__ import annotations

import subprocess
import sys

import metarouter.inference as inference


def test_every_public_name_is_there():
    for name in inference.__all__:
        assert getattr(inference, name) is not None


def test_importing_the_package_and_its_tests_loads_no_plots_and_no_models_of_others():
    code = (
        "import sys, metarouter.inference as i; "
        "[getattr(i, name) for name in i.__all__]; "
        "print([m for m in ('matplotlib', 'statsmodels', 'econml', 'torch') if m in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"
