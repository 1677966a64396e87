"""What is drawn where there is nothing to plan with."""

from __future__ import annotations

from typing import Any

from metarouter.inference._limits import Verdict


def verdict_alone(ax: Any, verdict: Verdict) -> Any:
    """Write the verdict in the middle of empty axes, and return these."""
    ax.text(0.5, 0.5, str(verdict), ha="center", transform=ax.transAxes)
    return ax
