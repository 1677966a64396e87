from __future__ import annotations

from dataclasses import replace

import numpy as np

from metarouter.inference import best_linear_projection


def test_domains_are_told_apart_by_value(make):
    domain = np.empty(600, dtype=object)
    domain[:] = ["1"] * 200 + [1] * 250 + ["b"] * 150
    data = replace(make.labelled(), domain=domain)
    found = best_linear_projection(data, "domain", nuisances=make.recipe(), random_state=0)
    assert list(found.names)[1:] == ["'1' - 1", "'b' - 1"]
