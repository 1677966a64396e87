"""Users' logs and routers: which options say what a log holds, and how both are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metarouter.exceptions import DataError, RouterFileError
from metarouter.utils.names import pick_columns, require_column

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from bandits.off_policy import LoggedFeedback

__all__ = ["LogOptions", "UserLog", "load_policy"]

COLUMNS = "Columns of the log"


def _column(option: str, says: str, **more: Any) -> typer.models.OptionInfo:
    return typer.Option(option, help=says, rich_help_panel=COLUMNS, **more)


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """What a log holds: one row per decision, in the order of time."""

    log: Annotated[
        Path,
        typer.Argument(
            help="A table with one row per decision (.csv .parquet .jsonl ...), or the folder of a "
            "live router, whose journals are read."
        ),
    ]
    action: Annotated[str, _column("--action", "The model that was called.")] = "action"
    propensity: Annotated[
        str, _column("--propensity", "The probability with which it was chosen.")
    ] = "propensity"
    quality: Annotated[str, _column("--quality", "Quality of the answer.")] = "quality"
    cost: Annotated[str, _column("--cost", "Cost of the call; read where --w-cost is above 0.")] = (
        "cost"
    )
    features: Annotated[
        list[str],
        _column(
            "--features",
            "Column of features, or a pattern like 'e*'; may be repeated.",
            show_default="those that the router was fitted on",
        ),
    ] = field(default_factory=list)
    w_cost: Annotated[
        float,
        typer.Option(
            "--w-cost",
            min=0.0,
            max=1.0,
            help="Weight of cost in the reward, that of quality being one minus it.",
        ),
    ] = 0.0
    cost_cap: Annotated[
        float | None,
        typer.Option(
            "--cost-cap",
            help="Cost that counts as 1; larger ones too. Needed where --w-cost is above 0.",
            show_default="the largest in the log of a live router",
        ),
    ] = None
    quality_range: Annotated[
        tuple[float, float],
        typer.Option(
            "--quality-range", metavar="LEAST LARGEST", help="Qualities that are possible."
        ),
    ] = (0.0, 1.0)
    least_propensity: Annotated[
        float | None,
        typer.Option(
            "--least-propensity",
            help="The least that the logging policy gives a model, such as epsilon / K.",
            show_default="the least in the log",
        ),
    ] = None
    adaptive: Annotated[
        bool,
        typer.Option(
            "--adaptive/--fixed", help="Whether the logging policy learned from these very rows."
        ),
    ] = False
    level: Annotated[float, typer.Option("--level", help="Of the intervals.")] = 0.95

    def read(self, *routers: Any) -> UserLog:
        """Read the log for some routers, which say what features they need.

        Raises
        ------
        DataError
            If a column is missing or malformed, or a cost cap is.
        RouterFileError
            If a folder holds no journals of a live router.
        """
        return _journals(self) if self.log.is_dir() else _table(self, routers)


class UserLog:
    """A log, and what policies would have done in it.

    Parameters
    ----------
    log : LoggedFeedback
    frame : DataFrame or None
        The table that the log was read from; None for the journals of a live router.
    features : tuple of str
        Columns that were named, for routers that remember no names.
    w_cost : float
    """

    def __init__(
        self,
        log: LoggedFeedback,
        frame: pd.DataFrame | None,
        features: tuple[str, ...],
        w_cost: float,
    ) -> None:
        self.log, self.frame, self.features, self.w_cost = log, frame, features, w_cost

    @property
    def preference(self) -> tuple[float, float]:
        """Weights of quality and cost."""
        return (1.0 - self.w_cost, self.w_cost)

    def policy(self, router: Any) -> NDArray[np.float64]:
        """Return the probabilities with which a router would have called every arm."""
        import numpy as np

        from metarouter.routing import final_estimator

        arms = [str(arm) for arm in self.log.arms]
        if hasattr(router, "predict_proba") and not hasattr(router, "classes_"):
            X = self.log.X if self.frame is None else self.frame[self._needed(router)]
            known, given = (
                list(router.arms_),
                router.predict_proba(
                    X if hasattr(router, "feature_names_in_") else np.asarray(X, dtype=np.float64),
                    **({} if router.n_outcomes_ == 1 else {"preference": self.preference}),
                ),
            )
        else:
            if self.frame is None:
                raise DataError(
                    "The journals of a live router hold features without names, which a threshold "
                    "router cannot read: give the log as a table."
                )
            last = final_estimator(router)
            wanted = getattr(last.cost, "query_inputs", ())
            inputs = {name: self.frame[name] for name in wanted if name in self.frame}
            chosen = router.predict(self.frame[self._needed(router)], **inputs)
            known = list(last.models)
            given = np.asarray(chosen)[:, None] == np.asarray(known)
        target = np.zeros((self.log.n, len(arms)))
        for k, name in enumerate(known):
            if str(name) not in arms:
                raise DataError(
                    f"The router may call {name!r}, which the log has never called: it holds "
                    f"{', '.join(arms)}."
                )
            target[:, arms.index(str(name))] = given[:, k]
        return target

    def _needed(self, router: Any) -> list[str]:
        return [str(name) for name in getattr(router, "feature_names_in_", self.features)]


def load_policy(path: Path) -> Any:
    """Read a router of either package: ``.skops`` files of thresholds, ``.npz`` files of bandits.

    Raises
    ------
    RouterFileError
        If the file holds no router.
    """
    from bandits import load_bandit
    from metarouter.routing import ThresholdRouter, final_estimator, load_router

    if path.suffix.lower() != ".skops":
        return load_bandit(path)
    router = load_router(path)
    last = final_estimator(router)
    if not isinstance(last, ThresholdRouter):
        raise RouterFileError(
            f"{path} holds a {type(last).__name__}, which predicts gains and chooses no model: "
            "save a ThresholdRouter, as `metarouter fit` does."
        )
    return router


def _journals(options: LogOptions) -> UserLog:
    from bandits.live import read_history

    log = read_history(options.log, cost_cap=options.cost_cap)
    return UserLog(log, None, (), options.w_cost)


def _table(options: LogOptions, routers: tuple[Any, ...]) -> UserLog:
    import numpy as np

    from bandits.off_policy import LoggedFeedback
    from metarouter.datasets import read_frame
    from metarouter.routing import final_estimator

    frame, source = read_frame(options.log, (options.action,)), options.log.name
    if frame.empty:
        raise DataError(f"{source} has no rows: give one per logged decision.")
    for option in ("action", "propensity", "quality"):
        _require(frame, getattr(options, option), option, source)
    picked = pick_columns(frame.columns, options.features, source)
    needed = [list(getattr(router, "feature_names_in_", ())) for router in routers]
    for name in (name for names in needed for name in names):
        _require(frame, name, "features", source)
    columns = picked or list(dict.fromkeys(name for names in needed for name in names))
    if not columns:
        raise DataError(
            "The router does not say which columns it was fitted on: name them with --features."
        )
    quality = _numbers(frame, options.quality, source)
    reward = (1.0 - options.w_cost) * quality
    low, high = ((1.0 - options.w_cost) * end for end in options.quality_range)
    if options.w_cost > 0:
        _require(frame, options.cost, "cost", source)
        if options.cost_cap is None or not options.cost_cap > 0:
            raise DataError("--w-cost weighs costs: say with --cost-cap which cost counts as 1.")
        share = np.minimum(_numbers(frame, options.cost, source) / options.cost_cap, 1.0)
        reward, low = reward - options.w_cost * share, low - options.w_cost
    text = [name for name in columns if frame[name].dtype.kind not in "biuf"]
    if text:
        router = next(router for router in routers if hasattr(router, "steps"))
        contexts: Any = router[:-1].transform(frame[columns])
    else:
        contexts = frame[columns]
    actions = frame[options.action].astype(str).to_numpy()
    arms = dict.fromkeys(actions.tolist())
    for router in routers:
        last = final_estimator(router)
        arms |= dict.fromkeys(map(str, getattr(last, "arms_", getattr(last, "models", ()))))
    log = LoggedFeedback(
        contexts,
        actions,
        _numbers(frame, options.propensity, source),
        reward,
        arms=sorted(arms),
        reward_range=(low, high),
        adaptive=options.adaptive,
        least_propensity=options.least_propensity,
    )
    return UserLog(log, frame, tuple(picked), options.w_cost)


def _require(frame: pd.DataFrame, column: str, option: str, source: str) -> None:
    require_column(column, frame.columns, source, mend=f"name another with --{option}")


def _numbers(frame: pd.DataFrame, column: str, source: str) -> NDArray[np.float64]:
    import numpy as np
    import pandas as pd

    values = np.asarray(pd.to_numeric(frame[column], errors="coerce"), dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise DataError(
            f"Column {column!r} of {source} is no number in {wrong.size} of {len(frame)} rows "
            f"(first: row {wrong[0]}): mend them, or leave out these rows."
        )
    return values
