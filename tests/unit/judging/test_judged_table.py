"""A table keeps what a profile needs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from metarouter.judging import Verdicts, judges_of_table, profile_judge, profile_table


def table(rng: np.random.Generator, judges: tuple[str, ...]) -> tuple[pd.DataFrame, dict]:
    """What collect writes, of judges that verdicts are drawn for, with what they were drawn as."""
    n = 80
    columns = {
        "query": [f"q {k // 2}" for k in range(n)],
        "gold": np.where(np.arange(n) < 50, rng.normal(size=n), np.nan),
        "answer_primary": ["x" * int(k) for k in rng.integers(1, 90, n)],
        "answer_alternative": ["x" * int(k) for k in rng.integers(1, 90, n)],
    }
    drawn = {}
    for judge in judges:
        verdicts = Verdicts(*(rng.choice([-1.0, 0.0, 1.0], (n, 3)) for _ in range(2)))
        verdicts.primary_first[::9] = np.nan
        first, second = verdicts.order_means
        columns |= {
            f"preference{judge}": verdicts.mean,
            f"preference_primary_first{judge}": first,
            f"preference_primary_second{judge}": second,
            f"preference_sd{judge}": verdicts.draw_sd,
            f"preference_draws{judge}": verdicts.n_draws,
            f"own_side{judge}": rng.choice([-1, 0, 1], n),
        }
        drawn[judge] = verdicts
    return pd.DataFrame(columns), drawn


def test_a_profile_of_the_table_is_that_of_its_verdicts() -> None:
    frame, drawn = table(np.random.default_rng(0), ("_a", "_b"))
    assert judges_of_table(frame) == ["preference_a", "preference_b"]
    lengths = [frame[f"answer_{side}"].str.len() for side in ("primary", "alternative")]
    for profile in profile_table(frame, group="query"):
        expected = profile_judge(
            drawn[f"_{profile.judge}"],
            gold=frame["gold"],
            log2_length_ratio=np.log2(lengths[0] / lengths[1]),
            own_side=frame[f"own_side_{profile.judge}"],
            groups=frame["query"],
            judge=profile.judge,
        )
        pd.testing.assert_frame_equal(profile.to_frame(), expected.to_frame())
        assert set(profile.names) == {
            "position_bias", "order_consistency", "draw_noise", "agreement", "gold_slope",
            "length_bias", "self_preference", "leaning",
        }  # fmt: skip


def test_votes_in_words_are_compared_with_gold_and_nothing_is_said_without() -> None:
    frame = pd.DataFrame({"preference": ["A", "B", "tie", "A"], "gold": [1.0, -1.0, 0.5, 2.0]})
    (profile,) = profile_table(frame)
    assert profile.to_frame().set_index("estimate").loc["agreement", "value"] == 0.875
    assert profile_table(frame.drop(columns="gold")) == ()
    assert profile_table(frame.assign(preference=np.nan)) == ()
