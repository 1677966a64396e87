"""The bandits that are timed: ours, exact peers, and what BLAS alone allows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from scipy.linalg import blas, lapack

N_ARMS, N_FEATURES = 11, 386


class Subject(ABC):
    """One bandit with disjoint ridge regressions, prior precision 1 and exploration weight 1."""

    @abstractmethod
    def choose(self, x) -> int:
        """Play one context of shape (d,)."""

    @abstractmethod
    def update(self, x, arm, reward) -> None:
        """Learn one outcome."""

    @abstractmethod
    def choose_many(self, X):
        """Explore in contexts of shape (n, d) without learning between them."""

    def predict_many(self, X):
        """Return the best arms of contexts; most peers cannot without exploring."""
        raise NotImplementedError

    def probabilities_of_many(self, X):
        """Return the probabilities of all arms, which no peer knows."""
        raise NotImplementedError

    @abstractmethod
    def update_many(self, X, arms, rewards) -> None:
        """Learn n outcomes at once."""

    def use_means(self, X) -> None:
        """Ask for something that needs the means of what was learned."""
        self.choose_many(X)

    def look(self, X) -> None:
        """Explore for the first time after learning."""
        self.choose_many(X)

    def replay(self, X, quality) -> None:
        """Play a stream whose contexts are known; only chosen cells are looked at."""
        for x, row in zip(X, quality, strict=True):
            arm = self.choose(x)
            self.update(x, arm, row[arm])


class Ours(Subject):
    """A router of `bandits`, through its public methods."""

    def __init__(self, make):
        self.make = make
        self.router = make()
        # The first rows tell the router its features and its arms, as they do a user's.
        self.router.partial_fit(np.zeros((1, N_FEATURES)), [0], [0.0], arms=range(N_ARMS))

    def choose(self, x):
        return self.router.sample(x[None])[0][0]

    def update(self, x, arm, reward):
        self.router.partial_fit(x[None], [arm], [reward])

    def choose_many(self, X):
        return self.router.sample(X)[0]

    def predict_many(self, X):
        return self.router.predict(X)

    def probabilities_of_many(self, X):
        return self.router.predict_proba(X)

    def use_means(self, X):
        self.predict_many(X)

    def update_many(self, X, arms, rewards):
        self.router.partial_fit(X, arms, rewards)

    def replay(self, X, quality):
        self.make().fit(X, quality)


class ContextualBandits(Subject):
    """contextualbandits, the Sherman-Morrison variant, its fastest exact one."""

    def __init__(self, learner="LinUCB"):
        from contextualbandits import online

        options = {"fit_intercept": False, "random_state": 1, "njobs": 1, "use_float": False}
        if learner == "LinUCB":
            self.model = online.LinUCB(N_ARMS, alpha=1.0, method="sm", **options)
        else:
            self.model = online.LinTS(N_ARMS, method="sm", sample_from="ci", **options)
        self.model.fit(np.eye(N_ARMS, N_FEATURES), np.arange(N_ARMS), np.zeros(N_ARMS))

    def choose(self, x):
        return int(self.model.predict(x[None])[0])

    def update(self, x, arm, reward):
        self.model.partial_fit(x[None], np.array([arm]), np.array([reward]))

    def choose_many(self, X):
        return self.model.predict(X)

    def predict_many(self, X):
        return self.model.predict(X, exploit=True)

    def update_many(self, X, arms, rewards):
        self.model.partial_fit(X, arms, rewards)


class ParetoBandit(Subject):
    """paretobandit without forgetting; it has no batches, so a batch is a loop."""

    def __init__(self):
        from pareto_bandit.policy import DisjointLinUCBPolicy

        names = [str(arm) for arm in range(N_ARMS)]
        self.policy = DisjointLinUCBPolicy(
            names, dim=N_FEATURES, alpha=1.0, forgetting_factor=1.0, seed=0
        )

    def choose(self, x):
        return int(self.policy.select_arm(x)[0])

    def update(self, x, arm, reward):
        self.policy.update(str(arm), x, float(reward))

    def choose_many(self, X):
        return [self.choose(x) for x in X]

    def update_many(self, X, arms, rewards):
        for x, arm, reward in zip(X, arms, rewards, strict=True):
            self.update(x, arm, reward)


class MabWiser(Subject):
    def __init__(self, learner="LinUCB"):
        from mabwiser.mab import MAB, LearningPolicy

        policy = getattr(LearningPolicy, learner)(alpha=1.0)
        self.model = MAB(list(range(N_ARMS)), policy, seed=0, n_jobs=1)
        self.model.fit(list(range(N_ARMS)), [0.0] * N_ARMS, np.eye(N_ARMS, N_FEATURES))

    def choose(self, x):
        return self.model.predict(x[None])

    def update(self, x, arm, reward):
        self.model.partial_fit([arm], [reward], x[None])

    def choose_many(self, X):
        return self.model.predict(X)

    def update_many(self, X, arms, rewards):
        self.model.partial_fit(arms, rewards, X)


class BayesianBandits(Subject):
    """bayesianbandits, whose batches share one draw of the coefficients per arm."""

    def __init__(self, learner="LinUCB"):
        import bayesianbandits as bb

        policy = (
            bb.UpperConfidenceBound(alpha=0.84) if learner == "LinUCB" else bb.ThompsonSampling()
        )
        arms = [
            bb.Arm(arm, learner=bb.NormalRegressor(alpha=1.0, beta=1.0)) for arm in range(N_ARMS)
        ]
        self.agent = bb.ContextualAgent(arms, policy, random_seed=0)

    def choose(self, x):
        return self.agent.pull(x[None])[0]

    def update(self, x, arm, reward):
        self.agent.select_for_update(arm).update(x[None], np.array([reward]))

    def choose_many(self, X):
        return self.agent.pull(X)

    def update_many(self, X, arms, rewards):
        for arm in range(N_ARMS):
            rows = np.asarray(arms) == arm
            if rows.any():
                self.agent.select_for_update(arm).update(X[rows], np.asarray(rewards)[rows])


class BlasFloor(Subject):
    """LinUCB as bare BLAS calls: no ties, names, checks, propensities or locks."""

    def __init__(self):
        d = N_FEATURES
        self.precision = [np.asfortranarray(np.eye(d)) for _ in range(N_ARMS)]
        self.covariance = [np.asfortranarray(np.eye(d)) for _ in range(N_ARMS)]
        self.moment, self.coef = np.zeros((N_ARMS, d)), np.zeros((N_ARMS, d))
        self.factor = [np.asfortranarray(np.eye(d)) for _ in range(N_ARMS)]
        self.u = [np.zeros(d)] * N_ARMS

    def choose(self, x):
        self.u = [blas.dsymv(1.0, covariance, x, lower=1) for covariance in self.covariance]
        variance = np.array([u @ x for u in self.u])
        return int(np.argmax(self.coef @ x + np.sqrt(np.maximum(variance, 0))))

    def update(self, x, arm, reward):
        u = self.u[arm]
        step = 1.0 / (1.0 + float(u @ x))
        blas.dsyr(-step, u, lower=1, a=self.covariance[arm], overwrite_a=1)
        self.coef[arm] += u * ((reward - self.coef[arm] @ x) * step)

    def predict_many(self, X):
        return (self.coef @ X.T).argmax(axis=0)  # 1.8 times as fast as X @ coef.T

    def use_means(self, X):
        self.predict_many(X)

    def look(self, X):
        for arm, precision in enumerate(self.precision):
            factor, _ = lapack.dpotrf(precision, lower=1)
            self.factor[arm], _ = lapack.dtrtri(factor, lower=1, overwrite_c=1)

    def probabilities_of_many(self, X):
        return self.choose_many(X)  # the same work, up to the ties

    def choose_many(self, X):
        width = np.empty((len(X), N_ARMS))
        for start in range(0, len(X), 1024):
            rows = slice(start, start + 1024)
            columns = np.asfortranarray(X[rows].T)
            for arm, factor in enumerate(self.factor):
                half = blas.dtrmm(1.0, factor, columns, lower=1)
                width[rows, arm] = np.einsum("ij,ij->j", half, half)
        return (X @ self.coef.T + np.sqrt(width)).argmax(axis=1)

    def update_many(self, X, arms, rewards):
        arms = np.asarray(arms)
        for arm in range(N_ARMS):
            chosen = arms == arm
            rows = X[chosen]
            self.precision[arm] = blas.dsyrk(
                1.0, rows.T, beta=1.0, c=self.precision[arm], lower=1, overwrite_c=1
            )
            self.moment[arm] += rows.T @ np.asarray(rewards)[chosen]
            factor, _ = lapack.dpotrf(self.precision[arm], lower=1)
            self.coef[arm] = lapack.dpotrs(factor, self.moment[arm], lower=1)[0]


def subjects(*, peers: bool = True) -> dict[str, Callable[[], Subject]]:
    """Everything that can be timed here, by name; peers that are not installed are left out."""
    from bandits import LinTS, LinUCB

    quality_only = {"fit_intercept": False, "random_state": 0}
    found: dict[str, Callable[[], Subject]] = {
        "ours LinUCB": lambda: Ours(lambda: LinUCB(alpha=1.0, **quality_only)),
        "ours LinTS": lambda: Ours(lambda: LinTS(scale=1.0, **quality_only)),
        "BLAS floor": BlasFloor,
    }
    others: dict[str, Callable[[], Subject]] = {
        "contextualbandits LinUCB": ContextualBandits,
        "contextualbandits LinTS": lambda: ContextualBandits("LinTS"),
        "paretobandit LinUCB": ParetoBandit,
        "mabwiser LinUCB": MabWiser,
        "mabwiser LinTS": lambda: MabWiser("LinTS"),
        "bayesianbandits UCB": BayesianBandits,
        "bayesianbandits TS": lambda: BayesianBandits("LinTS"),
    }
    for name, make in others.items() if peers else ():
        try:
            make()
        except ImportError as missing:
            print(f"left out: {name} ({missing})")
            continue
        found[name] = make
    return found
