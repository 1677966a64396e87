"""Do routed reward models pay on a table of verdicts? Cross-validated, each pair once per seed."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from bandits.baselines import RandomRouter
from bandits.evaluation._parts import PartsFolder, key_of
from bandits.reward_models import (
    LASER,
    BayesianRouter,
    CalibratedPanel,
    FrozenOffline,
    OfflineRewardRouter,
    Racing,
    RewardVerdicts,
    agreement_reward,
    majority_vote,
)
from bandits.reward_models.offline import count_disagreements
from bandits.reward_models.rewards import learn_rewards
from metarouter.evaluation import clustered_means
from metarouter.exceptions import DataError
from metarouter.utils.files import atomic_path
from metarouter.utils.groups import group_codes
from metarouter.utils.names import nearest

__all__ = ["REWARD_ROUTERS", "RewardStudy", "RewardStudyResult", "save_accuracy_figure"]

Array = NDArray[np.float64]

BEST_SINGLE, ORACLE = "best_single", "oracle"
PANELS = ("majority", "calibrated_panel")
_BATCH = 64  # pairs that are labelled before their rewards are learned
_COLOURS = {"routed, one call": "#D55E00", "one call": "#7F7F7F", "several calls": "#0072B2"}

Make = Callable[[OfflineRewardRouter, Array, list[Any], int], Any]
REWARD_ROUTERS: dict[str, Make] = {
    "bayesian": lambda offline, X, names, seed: BayesianRouter(offline, random_state=seed),
    "frozen_offline": lambda offline, X, names, seed: FrozenOffline(offline),
    "without_offline": lambda offline, X, names, seed: BayesianRouter(
        offline, prior_scale="none", random_state=seed
    ),
    "laser": lambda offline, X, names, seed: _begun(LASER(arms=names, random_state=seed), X),
    "racing": lambda offline, X, names, seed: _begun(Racing(arms=names, random_state=seed), X),
    "random": lambda offline, X, names, seed: _begun(
        RandomRouter(arms=names, random_state=seed), X
    ),
}


@dataclass(frozen=True)
class RewardStudyResult:
    """How often every way to label a pair was right.

    Attributes
    ----------
    credit : dict of str to ndarray of shape (n,)
        Share of the seeds in which the label was right, ties and abstentions as one half.
    calls, labels : dict of str to float
        Calls of reward models, and verified labels spent online, per pair.
    models : list of str
        Among the ways.
    groups : ndarray of int of shape (n,)
        Pairs that belong together.
    n_seeds : int
    """

    credit: dict[str, Array]
    calls: dict[str, float]
    labels: dict[str, float]
    models: list[str]
    groups: NDArray[np.intp]
    n_seeds: int

    def table(self) -> pd.DataFrame:
        """One row per way: accuracy, and the difference to the best single model of training.

        Errors and 95% intervals are clustered by group, and conditional on the training sets.
        """
        names = list(self.credit)
        accuracy = np.column_stack([self.credit[name] for name in names])
        gap = accuracy - self.credit[BEST_SINGLE][:, None]
        means, gaps = (clustered_means(values, self.groups) for values in (accuracy, gap))
        low, high = gaps.interval()
        frame = pd.DataFrame(
            {
                "label_by": names,
                "calls": [self.calls[name] for name in names],
                "labels": [self.labels[name] for name in names],
                "accuracy": means.value,
                "accuracy_se": means.se,
                "minus_best_single": gaps.value,
                "low": low,
                "high": high,
            }
        )
        return frame.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)

    def verdicts(self) -> list[str]:
        """Return one plain sentence per router that says whether its one call per pair pays."""
        table = self.table().set_index("label_by")
        fixed = {BEST_SINGLE, ORACLE, *PANELS, *self.models}
        sentences = []
        for name, row in table.loc[[name for name in self.credit if name not in fixed]].iterrows():
            says = (
                "is better than" if row.low > 0 else
                "is worse than" if row.high < 0 else "is not significantly different from"
            )  # fmt: skip
            sentences.append(
                f"{name} {says} the best single model of the training pairs: "
                f"{row.minus_best_single:+.3f} [{row.low:+.3f}, {row.high:+.3f}]."
            )
        return sentences


class _Labelled(NamedTuple):
    """What every way to label did on one fold."""

    credit: Array  # (n_ways, n_test)
    calls: Array  # (n_ways,) in all
    labels: Array  # (n_ways,) verified labels spent online, in all


class RewardStudy:
    """Label every pair of a table by routed reward models and by everything they compete with.

    Per seed the groups are cut into folds. The offline router learns from the labels of the other
    folds; a fold is then labelled as a stream, in a random order and in batches of 64, and routers
    that learn online are rewarded on an audited share of it.

    Parameters
    ----------
    routers : tuple of str
        Of `REWARD_ROUTERS`. Every single model, the best of them on the training folds, majority,
        the calibrated panel and the oracle are always compared with.
    reward : {"verified", "agreement"}, default="verified"
        What an audited pair tells: whether the label is right (one verified label), or how many
        other models agree (N - 1 further calls).
    audit_share : float, default=0.1
    folds : int, default=5
    seeds : int, default=3
    random_state : int, default=0
    """

    def __init__(
        self,
        routers: tuple[str, ...] = tuple(REWARD_ROUTERS),
        *,
        reward: str = "verified",
        audit_share: float = 0.1,
        folds: int = 5,
        seeds: int = 3,
        random_state: int = 0,
    ) -> None:
        self.routers = routers
        self.reward = reward
        self.audit_share = audit_share
        self.folds = folds
        self.seeds = seeds
        self.random_state = random_state

    def check(self, X: Array, verdicts: RewardVerdicts) -> None:
        """Refuse what cannot be studied, before any work is done.

        Raises
        ------
        DataError
            If a setting makes no sense, or the table has too few pairs or models.
        """
        for name in self.routers:
            if name not in REWARD_ROUTERS:
                raise DataError(
                    f"There is no router {name!r}{nearest(name, list(REWARD_ROUTERS))}: choose "
                    f"among {', '.join(REWARD_ROUTERS)}."
                )
        if self.reward not in ("verified", "agreement"):
            raise DataError(f"reward is {self.reward!r}: give 'verified' or 'agreement'.")
        if not 0 < self.audit_share <= 1 or self.folds < 2 or self.seeds < 1:
            raise DataError("audit_share lies in (0, 1]; give 2 folds and 1 seed or more.")
        if len(verdicts.models) < 2:
            raise DataError("The table has one reward model: give two or more to choose from.")
        if verdicts.label is None or len(X) != len(verdicts):
            raise DataError("Verdicts need verified labels, and X one row per pair.")
        if np.isnan(verdicts.label).any():
            raise DataError("Some pairs have no verified label: leave them out of the study.")
        taken = {BEST_SINGLE, ORACLE, *PANELS, *REWARD_ROUTERS} & set(map(str, verdicts.models))
        if taken:
            raise DataError(f"A reward model is called {taken.pop()!r}: give it another name.")
        if not np.isfinite(X).all():
            raise DataError("Some features are not finite: leave these pairs out of the study.")
        if count_disagreements(verdicts.correct) < self.folds:
            raise DataError(
                "Hardly any pair has one reward model that is right and another that is wrong, so "
                "there is nothing to choose: add pairs or other models."
            )
        n_groups = len(np.unique(self._groups(verdicts)))
        if n_groups < 2 * self.folds:
            raise DataError(
                f"The table has {n_groups} independent pairs or groups: give at least twice as "
                f"many as folds ({self.folds})."
            )

    def run(
        self,
        X: Array,
        verdicts: RewardVerdicts,
        *,
        parts: str | os.PathLike[str] | None = None,
        advance: Callable[[], None] | None = None,
    ) -> RewardStudyResult:
        """Label every pair once per seed.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            See `pair_features`.
        verdicts : RewardVerdicts
            With the label of every pair.
        parts : path-like, optional
            A folder for finished folds; what another run with the same data and settings has
            finished there is taken over.
        advance : callable, optional
            Called whenever a fold is done.

        Raises
        ------
        DataError
            See `check`.
        """
        self.check(X, verdicts)
        folder, ways = PartsFolder(parts, _Labelled), self._ways(verdicts)
        total = {name: np.zeros(len(X)) for name in ways}
        calls, labels = (dict.fromkeys(ways, 0.0) for _ in range(2))
        table = joblib.hash((X, verdicts.verdict, verdicts.abstained, verdicts.label))
        for seed, train, test in self._folds(verdicts):
            key = key_of(table, train, test, seed, self.routers, self.reward, self.audit_share)
            played = folder.recall(
                "fold", key, partial(self._labelled, X, verdicts, train, test, seed)
            )
            for k, name in enumerate(ways):
                total[name][test] += played.credit[k] / self.seeds
                calls[name] += played.calls[k] / self.seeds / len(X)
                labels[name] += played.labels[k] / self.seeds / len(X)
            if advance is not None:
                advance()
        models = [str(name) for name in verdicts.models]
        return RewardStudyResult(total, calls, labels, models, self._groups(verdicts), self.seeds)

    def _ways(self, verdicts: RewardVerdicts) -> list[str]:
        return [*self.routers, BEST_SINGLE, *PANELS, ORACLE, *map(str, verdicts.models)]

    @staticmethod
    def _groups(verdicts: RewardVerdicts) -> NDArray[np.intp]:
        n = len(verdicts)
        return np.arange(n) if verdicts.groups is None else group_codes(verdicts.groups)

    def _folds(
        self, verdicts: RewardVerdicts
    ) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.intp]]]:
        groups = self._groups(verdicts)
        chance = np.random.SeedSequence(self.random_state).generate_state(self.seeds * self.folds)
        for k in range(self.seeds):
            seeds = chance[k * self.folds : (k + 1) * self.folds] % 2**31
            splitter = GroupKFold(self.folds, shuffle=True, random_state=int(seeds[0]))
            for seed, (train, test) in zip(
                seeds, splitter.split(groups, groups=groups), strict=True
            ):
                yield int(seed), train, test

    def _labelled(
        self, X: Array, verdicts: RewardVerdicts, train: Any, test: Any, seed: int
    ) -> _Labelled:
        learned, fresh = verdicts.take(train), verdicts.take(test)
        models = [str(name) for name in verdicts.models]
        offline = OfflineRewardRouter(
            8, weight_decay=0.1, arms=models, random_state=seed, device="cpu"
        ).fit(X[train], learned.correct, groups=learned.groups)
        # A model that was not asked cannot be chosen for free: its pair counts one half.
        known, credit = (np.nan_to_num(part.credit, nan=0.5) for part in (learned, fresh))
        label, n, rows = np.asarray(fresh.label), len(test), []
        for name in self.routers:
            router = REWARD_ROUTERS[name](offline, X[train], models, seed)
            rows.append(self._streamed(router, X[test], credit, fresh.verdict, models, seed))
        panel = CalibratedPanel().fit(learned.verdict, learned.label)
        said = (majority_vote(fresh.verdict)[0], panel.predict(fresh.verdict))
        rows.append((credit[:, known.mean(axis=0).argmax()], n, 0.0))
        rows += [(0.5 + 0.5 * given * label, n * len(models), 0.0) for given in said]
        rows.append((credit.max(axis=1), n, 0.0))
        rows += [(column, n, 0.0) for column in credit.T]
        return _Labelled(*(np.array(column, dtype=float) for column in zip(*rows, strict=True)))

    def _streamed(
        self, router: Any, X: Array, credit: Array, verdict: Array, models: list[str], seed: int
    ) -> tuple[Array, float, float]:
        rng = np.random.default_rng([seed, 11])
        order, n = rng.permutation(len(X)), len(X)
        audited = rng.random(n) < self.audit_share
        got = np.empty(n)
        for start in range(0, n, _BATCH):
            rows = order[start : start + _BATCH]
            action, chance = router.sample(X[rows])
            arm = np.array([models.index(name) for name in action.tolist()])
            own = credit[rows, arm]
            got[rows] = own
            reward = own if self.reward == "verified" else agreement_reward(verdict[rows], arm)
            learn_rewards(router, X[rows], action, np.where(audited[rows], reward, np.nan), chance)
        # Who learns nothing online needs no audits.
        spent = 0.0 if isinstance(router, FrozenOffline | RandomRouter) else float(audited.sum())
        if self.reward == "verified":
            return got, n, spent
        return got, n + spent * (len(models) - 1), 0.0


def save_accuracy_figure(
    result: RewardStudyResult, path: str | os.PathLike[str], title: str
) -> Path:
    """Draw the accuracy of every way to label a pair, with 95% intervals.

    Parameters
    ----------
    result : RewardStudyResult
    path : str or path-like
        Its ending chooses the format. The file appears whole or not at all.
    title : str
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    table = result.table()
    figure = Figure(figsize=(7.0, 1.3 + 0.3 * len(table)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    place = -np.arange(len(table))
    kind = [
        "several calls" if row.calls > 1.5 else
        "one call" if row.label_by in (*result.models, BEST_SINGLE, ORACLE) else "routed, one call"
        for row in table.itertuples()
    ]  # fmt: skip
    for which, colour in _COLOURS.items():
        at = np.array([k == which for k in kind])
        axes.errorbar(
            table.accuracy[at], place[at], xerr=1.96 * table.accuracy_se[at], fmt="o",
            color=colour, label=which,
        )  # fmt: skip
    best = table.set_index("label_by").accuracy[BEST_SINGLE]
    axes.axvline(best, color="#7F7F7F", linestyle="--", linewidth=1)
    names = [textwrap.shorten(str(name), 40, placeholder="...") for name in table.label_by]
    axes.set_yticks(place, names)
    axes.set_xlabel("accuracy of the labels, 95% intervals")
    axes.set_title(title)
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    return Path(path)


def _begun(router: Any, X: Array) -> Any:
    """Give a router without a prior one neutral reward per model, so that it can choose."""
    n = len(router.arms)
    return router.partial_fit(X[np.arange(n) % len(X)], list(router.arms), quality=np.full(n, 0.5))
