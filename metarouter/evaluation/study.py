"""Monte Carlo studies of routers on one table of queries with both labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from metarouter.datasets import LabelledQueries
from metarouter.evaluation._checkpoint import StudyFolder, study_fingerprint
from metarouter.evaluation._rounds import RoundOutcome, RoundPlan, run_round, split_of
from metarouter.evaluation._study_checks import (
    as_sizes,
    check_count,
    check_labels,
    check_routers_fit,
    check_seed,
    check_splits,
)
from metarouter.evaluation.default_routers import default_routers
from metarouter.evaluation.study_result import StudyResult
from metarouter.exceptions import MetaRouterError
from metarouter.routing.meta_router import MetaRouter
from metarouter.utils.progress import progress_bar
from metarouter.utils.random import check_n_jobs

__all__ = ["MonteCarloStudy"]

_Task = tuple[int, np.random.SeedSequence]


class MonteCarloStudy:
    """Compare routers over repeated splits of one table (Meta-Router, section 4.1).

    Every round draws a test set and puts the other queries in random order. For each number of
    gold labels n, the first n training queries carry only their gold label and the rest only
    their preference label; every router is fitted on these rows and evaluated by its efficiency
    gain on the gold labels of the test queries. The gold sets of one round are nested and the
    test set is shared, so routers and numbers of gold labels are compared in pairs.

    Parameters
    ----------
    routers : dict of str to estimator, optional
        Cloned, seeded and fitted by ``fit(X, y, is_gold=...)`` in every round; by default those
        of :func:`default_routers`.
    n_gold : sequence of int, default=(100, 500, 1000)
        Numbers of gold labels.
    rounds : int, default=200
        Number of random splits.
    n_test : int, default=500
        Queries in the test set; with groups, at least that many.
    oracle : bool or regressor, default=True
        Add the router ``oracle``, trained on the gold label of every training query. True takes
        the regressor of the first router that has one.
    grouped : bool, default=True
        Where the data have groups, draw test sets of whole groups and hand the groups to the
        routers. No effect on data without groups.
    random_state : int or None, default=0
        The same seed gives the same numbers for every ``n_jobs``, and after every interruption.
        Every ``random_state`` inside the routers is set from it.
    n_jobs : int, optional
        Rounds run in parallel by joblib.
    checkpoint : path-like, optional
        Folder that keeps every finished round; a study that was stopped goes on from there, also
        with more ``rounds``. Needs a ``random_state``.
    progress : bool, default=False
        Show a progress bar on the error stream.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from metarouter.datasets import make_judged_queries
    >>> queries = make_judged_queries(400, 6, gold_share=1.0, pairing=1.0, random_state=0)
    >>> study = MonteCarloStudy(default_routers(Ridge()), n_gold=(50,), rounds=3, n_test=100)
    >>> result = study.run(queries)
    >>> list(result.areas().columns)
    ['router', 'n_gold', 'area', 'se', 'se_corrected', 'rounds', 'lo', 'hi']
    """

    def __init__(
        self,
        routers: Mapping[str, Any] | None = None,
        *,
        n_gold: Iterable[int] | int = (100, 500, 1000),
        rounds: int = 200,
        n_test: int = 500,
        oracle: Any = True,
        grouped: bool = True,
        random_state: int | None = 0,
        n_jobs: int | None = None,
        checkpoint: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.routers = routers
        self.n_gold = n_gold
        self.rounds = rounds
        self.n_test = n_test
        self.oracle = oracle
        self.grouped = grouped
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.checkpoint = checkpoint
        self.progress = progress

    def run(self, data: LabelledQueries) -> StudyResult:
        """Run the study, or what is left of it.

        Parameters
        ----------
        data : LabelledQueries
            Queries that all carry both labels. Its weights, if any, are used in training and in
            evaluation. Features are taken as they are: see :func:`reduce_dimension`.

        Returns
        -------
        StudyResult

        Raises
        ------
        DataError
            If queries lack a label, there are too few of them, or the checkpoint folder holds
            something else.
        MetaRouterError
            If a setting is not usable.
        """
        plan, tasks = self._checked(data)
        folder = self._folder(data, plan)
        done: dict[int, RoundOutcome] = {}
        if folder is not None:
            stored = ((number, folder.load(number)) for number, _ in tasks)
            done = {number: outcome for number, outcome in stored if outcome is not None}
        remaining = [task for task in tasks if task[0] not in done]
        with progress_bar(len(tasks), "rounds", done=len(done), shown=self.progress) as advance:
            for number, outcome in self._outcomes(remaining, data, plan):
                if folder is not None:
                    folder.save(number, outcome)
                done[number] = outcome
                advance()
        return StudyResult.from_rounds([done[number] for number, _ in tasks], plan, data)

    def check(self, data: LabelledQueries) -> None:
        """Raise what :meth:`run` would raise before its first round; touch no checkpoint."""
        self._checked(data)

    def _checked(self, data: LabelledQueries) -> tuple[RoundPlan, list[_Task]]:
        plan = self._plan(data)
        check_labels(data, grouped=plan.grouped)
        tasks = list(enumerate(np.random.SeedSequence(self.random_state).spawn(self.rounds)))
        check_splits([split_of(seed, data, plan)[0] for _, seed in tasks], plan, data.n_queries)
        return plan, tasks

    def _plan(self, data: LabelledQueries) -> RoundPlan:
        check_count("rounds", self.rounds)
        check_count("n_test", self.n_test)
        check_seed(self.random_state)
        check_n_jobs(self.n_jobs)
        sizes = as_sizes(self.n_gold if np.ndim(self.n_gold) == 0 else list(self.n_gold))  # type: ignore[arg-type]
        grouped = self.grouped and data.groups is not None
        routers = self.routers
        if routers is None:
            # Out-of-bag predictions cannot keep groups together.
            routers = default_routers(method="cv" if grouped else None)
        check_routers_fit(dict(routers))
        oracle = self._oracle(routers)
        if oracle is None and not routers:
            raise MetaRouterError("There is no router to study: give at least one, or an oracle.")
        return RoundPlan(routers, oracle, sizes, self.n_test, grouped)

    def _oracle(self, routers: Mapping[str, Any]) -> MetaRouter | None:
        if self.oracle is False or self.oracle is None:
            return None
        if self.oracle is not True:
            return MetaRouter(regressor=self.oracle)
        given = (getattr(router, "regressor", None) for router in routers.values())
        return MetaRouter(regressor=next((each for each in given if each is not None), None))

    def _folder(self, data: LabelledQueries, plan: RoundPlan) -> StudyFolder | None:
        if self.checkpoint is None:
            return None
        if self.random_state is None:
            raise MetaRouterError(
                "A study with checkpoints has random_state=None and could not be resumed with the "
                "same splits: give a whole number as random_state."
            )
        return StudyFolder(self.checkpoint, study_fingerprint(data, plan, self.random_state))

    def _outcomes(
        self, tasks: list[_Task], data: LabelledQueries, plan: RoundPlan
    ) -> Iterator[tuple[int, RoundOutcome]]:
        settings: dict[str, Any] = {"n_jobs": self.n_jobs, "batch_size": 1}
        try:
            parallel = joblib.Parallel(return_as="generator_unordered", **settings)
        except ValueError:
            # Some cluster backends of joblib cannot yet hand over results one by one.
            parallel = joblib.Parallel(**settings)
        yield from parallel(
            joblib.delayed(run_round)(number, seed, data, plan) for number, seed in tasks
        )
