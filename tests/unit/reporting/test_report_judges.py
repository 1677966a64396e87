"""What a report says of the judges."""

from __future__ import annotations

import numpy as np

from metarouter.judging import Verdicts, profile_judge
from metarouter.reporting._document import Findings, Table
from metarouter.reporting._report_labels import judges_section


def section_on(*judges: tuple[str, float]):
    rng = np.random.default_rng(0)
    profiles = []
    for name, bias in judges:
        gold = rng.normal(size=200)
        orders = [gold[:, None] + sign * bias + 0.1 * rng.normal(size=(200, 2)) for sign in (1, -1)]
        profiles.append(profile_judge(Verdicts(*orders), gold=gold, judge=name))
    return judges_section(tuple(profiles))


def test_every_judge_has_its_finding_and_its_table_with_intervals() -> None:
    section = section_on(("a", 0.5), ("b", -0.5))
    findings = [item.text for b in section.blocks if isinstance(b, Findings) for item in b.items]
    assert findings == [
        "a significantly favours the answer shown first.",
        "b significantly favours the answer shown second.",
    ]
    tables = [block for block in section.blocks if isinstance(block, Table)]
    assert [table.caption for table in tables] == ["What is known of a", "What is known of b"]
    first = {row[0]: str(row[1]) for row in tables[0].rows}
    assert first["verdict moved towards the answer shown first"].startswith("+0.5")
    assert first["queries judged alike in both orders"].endswith("%)")
