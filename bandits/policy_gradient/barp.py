"""BaRP: one policy for every trade-off, learned from bandit feedback by policy gradients."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._core import Feedback
from bandits.base import BanditRouter
from bandits.policy_gradient._learning import learn_feedback
from bandits.policy_gradient._outcome_model import OutcomeModel
from bandits.policy_gradient._parameters import Layout
from bandits.policy_gradient._settings import Settings
from bandits.policy_gradient._sources import LoggedSource, ReplaySource
from bandits.policy_gradient._trainer import PolicyTrainer, device_of
from bandits.policy_gradient._training import Training
from bandits.replay import Replay
from metarouter.exceptions import DataError

__all__ = ["BaRP"]

Array = NDArray[np.float64]

# Costs that are kept to find the cap in, the first that are seen.
COSTS_KEPT = 1000
# Where the counters stand in their array.
STEPS, EPOCHS, SHOWN, COSTS = range(4)


class BaRP(BanditRouter):
    """Preference-conditioned policy, trained with REINFORCE from the outcomes of chosen arms.

    The policy pi(a | x, w) is the softmax of a decision head's logits for the features x of a
    query and the preference w. In training an arm is drawn from it, its reward seen and no other,
    and the parameters climb (r - b) log pi(a) + beta H(pi). In use `predict` returns the most
    probable arm.

    Parameters
    ----------
    head : {"mlp", "linear", "bilinear", "trade_off"}, default="mlp"
        How features and preference make logits; the first three are the paper's. The logits of
        "trade_off" are w_q Q(x) + w_c C(x): the form of the best entropy-regularised policy, and
        with it a query never moves to an arm of higher Q or lower C as w_c grows.
    hidden_size : int, default=64
        Width of the hidden layer (of "bilinear": the rank); not stated in the paper.
    preference_size : int, default=32
        Width of the preference encoder, a perceptron with one hidden layer; not stated either.
    estimator : {"reinforce", "doubly_robust"}, default="reinforce"
        What the gradient is made of. "reinforce" takes the reward of the chosen arm above the
        batch's mean (equations 5 and 6). "doubly_robust" predicts the rewards of all arms by
        ridge regressions of what was seen, and corrects that of the chosen arm: the same mean,
        less variance.
    entropy : float, default=0.05
        beta, the weight of the policy's entropy.
    learning_rate : float, default=1e-4
    weight_decay : float, default=0.0
        Decoupled from the gradient (AdamW); offsets do not decay.
    epochs : int, default=100
        Passes of `fit` over the queries, each with new preferences and draws.
    batch_size : int or sequence of int, default=32
        Rows per step. A sequence holds the sizes of the first epochs; its last one stays.
    patience : int, optional
        Stop when the mean reward of an epoch has not risen for this many epochs.
    clip : float, default=10.0
        Largest importance weight in `partial_fit`.
    outcome_penalty : float, default=10.0
        Ridge penalty of the regressions of "doubly_robust".
    outcome_discount : float, default=0.9
        What their evidence is multiplied by at every epoch, or every batch of `partial_fit`.
    cost_quantile : float, default=0.95
        Without `cost_cap`, tau is this quantile of the first 1000 costs seen. The paper does not
        state its tau.
    device : str, default="auto"
        Where to train: "auto" takes a GPU where there is one, else the CPU. Routing is numpy.
    checkpoint : str or path-like, optional
        A file that `fit` writes its state to, and goes on from when it finds it: a training that
        was killed ends, on a CPU, with the same bits as one that was not.
    checkpoint_every : int, default=10
        Epochs between two checkpoints.
    verbose : bool, default=False
        Show a progress bar.
    arms, cost_cap, random_state
        As in `BanditRouter`.

    Attributes
    ----------
    reward_ : ndarray of shape (n_epochs,)
        Mean reward of every epoch of `fit`, as it was earned.
    n_revealed_ : int
        Outcomes that `fit` was shown, one per round: epochs times queries.

    References
    ----------
    .. [1] Learning to Route LLMs from Bandit Feedback: One Policy, Many Trade-offs
       (arXiv 2510.07429): equations 1 to 7, Algorithm 1, section 3.4 for the defaults.

    Notes
    -----
    Every epoch draws anew: over many epochs `fit` sees several outcomes of one query, one each
    time. `partial_fit` sees one and no more.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.tile([[1.0, 0.0], [0.0, 1.0]], (50, 1))
    >>> quality = np.tile([[1.0, 0.2], [0.1, 0.9]], (50, 1))
    >>> router = BaRP(learning_rate=0.01, epochs=20, random_state=0).fit(X, quality)
    >>> router.predict([[1.0, 0.0], [0.0, 1.0]]).tolist()
    [0, 1]
    >>> router.n_revealed_
    2000
    """

    # Beyond it a policy in single precision is noise.
    _largest_feature = 1e6

    def __init__(
        self,
        head: str = "mlp",
        *,
        hidden_size: int = 64,
        preference_size: int = 32,
        estimator: str = "reinforce",
        entropy: float = 0.05,
        learning_rate: float = 1e-4,
        weight_decay: float = 0.0,
        epochs: int = 100,
        batch_size: int | Sequence[int] = 32,
        patience: int | None = None,
        clip: float = 10.0,
        outcome_penalty: float = 10.0,
        outcome_discount: float = 0.9,
        cost_quantile: float = 0.95,
        device: str = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 10,
        verbose: bool = False,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(arms=arms, cost_cap=cost_cap, random_state=random_state)
        self.head = head
        self.hidden_size = hidden_size
        self.preference_size = preference_size
        self.estimator = estimator
        self.entropy = entropy
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.clip = clip
        self.outcome_penalty = outcome_penalty
        self.outcome_discount = outcome_discount
        self.cost_quantile = cost_quantile
        self.device = device
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.verbose = verbose

    @staticmethod
    def paper_settings() -> dict[str, Any]:
        """Return the settings of the paper's section 3.4, as keyword arguments.

        Its cost cap and the sizes of its networks are not stated; those stay at our defaults.

        Examples
        --------
        >>> BaRP(**BaRP.paper_settings()).learning_rate
        0.0001
        """
        return {
            "head": "mlp",
            "estimator": "reinforce",
            "entropy": 0.05,
            "learning_rate": 1e-4,
            "weight_decay": 0.0,
            "epochs": 100,
            "batch_size": 32,
        }

    @property
    def reward_(self) -> Array:
        """Mean reward of every epoch of `fit`."""
        return self._rewards[: self.epochs_done_]

    @property
    def epochs_done_(self) -> int:
        """Epochs of `fit` that are done."""
        return int(self._counts[EPOCHS])

    @property
    def cells_shown_(self) -> int:
        """Outcomes that `fit` was shown."""
        return int(self._counts[SHOWN])

    def fit_logged(
        self,
        X: Any,
        action: Any,
        quality: Any,
        cost: Any = None,
        *,
        propensity: Any,
        arms: Iterable[Any] | None = None,
    ) -> Self:
        """Learn anew from fixed logs of chosen arms, off policy; on any error nothing changes.

        Every epoch goes through the same rows with new preferences, and weighs them by
        pi(a) / propensity, at most `clip`. With ``estimator="doubly_robust"`` the rewards of the
        arms that were not chosen are predicted by cross-fitted regressions.

        Parameters
        ----------
        X : array of shape (n, n_features)
        action : array of shape (n,)
            Names of the arms that were called.
        quality, cost : array of shape (n,)
            What came of it.
        propensity : array of shape (n,)
            Probability with which each action was chosen.
        arms : iterable, optional
            Names of all arms, where the constructor has none.

        Returns
        -------
        self

        Raises
        ------
        DataError
            One sentence that names what is wrong, where, and the mend.
        """
        if propensity is None:
            raise DataError("propensity is None; give the probability of every logged action.")
        with self._anew() as fresh:
            fresh._begin_with(X, arms, has_cost=cost is not None)
            feedback = fresh._feedback(X, action, quality, cost, propensity)
            if fresh.has_cost_:
                feedback = feedback._replace(outcomes=fresh._capped(feedback.outcomes))
            Training(fresh, LoggedSource(fresh, feedback), None).run()
        return self

    # What the base asks for ------------------------------------------------------------------

    def _start(self, n_features: int, n_arms: int, n_outcomes: int) -> None:
        Settings.of(self)
        self._layout = Layout(self.head, n_features, n_arms, self.hidden_size, self.preference_size)
        self._state = np.zeros((3, self._layout.size), dtype=np.float32)
        self._state[0] = self._layout.drawn(np.random.default_rng([self._seed, 3]))
        self._counts = np.zeros(4, dtype=np.int64)
        self._rewards = np.zeros(self.epochs)
        self._costs = np.zeros(COSTS_KEPT)
        self._seen = np.zeros((n_arms, 1 + n_outcomes))
        self._fingerprint = np.zeros(32, dtype=np.uint8)
        self._outcome_model: OutcomeModel | None = None
        if self.estimator == "doubly_robust":
            self._outcome_model = OutcomeModel(
                n_features, n_arms, n_outcomes, self.outcome_penalty, self.outcome_discount
            )

    def _play(self, replay: Replay, preference: ArrayLike | None) -> int:
        return Training(self, ReplaySource(self, replay), preference).run()

    def _update(self, feedback: Feedback) -> None:
        learn_feedback(self, feedback)

    def _scores(self, X: Array, preference: Array) -> Array:
        theta = self._layout.views(self._state[0])
        x, w = X.astype(np.float32), np.atleast_2d(preference).astype(np.float32)
        return np.asarray(self._layout.of_head.forward(theta, x, w)[0], dtype=np.float64)

    def _probabilities(self, X: Array, preference: Array) -> Array:
        logits = self._scores(X, preference)
        chance = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(chance / chance.sum(axis=1, keepdims=True))

    def _choose(self, X: Array, preference: Array) -> tuple[NDArray[np.intp], Array]:
        chance = self._probabilities(X, preference)
        uniform = self._exploration.random((len(X), 1))
        below = np.cumsum(chance, axis=1)[:, :-1] <= uniform
        arm = below.sum(axis=1)
        return arm, chance[np.arange(len(X)), arm]

    def _capped(self, outcomes: Array) -> Array:
        if self.cost_cap is None:
            self._watch_costs(outcomes[:, 1])
        cap = self.cost_cap_ or np.inf
        return np.column_stack([outcomes[:, 0], np.minimum(outcomes[:, 1], cap)])

    def _watch_costs(self, cost: Array) -> None:
        known = int(self._counts[COSTS])
        new = cost[: COSTS_KEPT - known]
        if len(new):
            self._costs[known : known + len(new)] = new
            self._counts[COSTS] = known + len(new)
            kept = self._costs[: known + len(new)]
            self.cost_cap_ = float(np.quantile(kept, self.cost_quantile))

    def _trainer(self) -> PolicyTrainer:
        return PolicyTrainer(
            self._layout,
            self._state,
            int(self._counts[STEPS]),
            Settings.of(self).optimiser,
            device_of(self.device),
        )

    # What training calls ---------------------------------------------------------------------

    def _keep(self, trainer: PolicyTrainer) -> None:
        trainer.write_back()
        self._counts[STEPS] = trainer.steps

    def _remember(self, arm: NDArray[np.intp], outcomes: Array) -> None:
        np.add.at(self._seen, arm, np.column_stack([np.ones(len(arm)), outcomes]))

    def _mean_outcome(self) -> Array:
        """Mean outcome of all feedback; zero before there is any."""
        return self._seen[:, 1:].sum(axis=0) / max(float(self._seen[:, 0].sum()), 1.0)

    def _end_epoch(
        self, arm: NDArray[np.intp], outcomes: Array, reward: float, n_shown: int
    ) -> None:
        self._remember(arm, outcomes)
        self._rewards[self.epochs_done_] = reward
        self._counts[EPOCHS] += 1
        self._counts[SHOWN] += n_shown
        self.n_updates_ += len(outcomes)

    def _take_over(self, saved: BaRP) -> None:
        rewards = np.zeros(self.epochs)
        rewards[: saved.epochs_done_] = saved.reward_[: self.epochs]
        self._set_arrays({**saved._arrays(), "rewards": rewards})
        self._exploration, self._ties = saved._exploration, saved._ties
        self.cost_cap_, self.n_updates_, self._seed = (
            saved.cost_cap_, saved.n_updates_, saved._seed,
        )  # fmt: skip

    # Arms and files --------------------------------------------------------------------------

    def _add_arm(self, like: int | None, weight: float) -> None:
        parameters, *moments = self._state
        self._state = np.stack(
            [
                self._layout.with_column(parameters, like, weight),
                *(self._layout.with_column(moment, None, 0.0) for moment in moments),
            ]
        )
        self._layout = replace(self._layout, n_arms=len(self.arms_) + 1)
        self._seen = np.append(self._seen, np.zeros((1, self._seen.shape[1])), axis=0)
        if self._outcome_model is not None:
            self._outcome_model.posterior.add_arm(like, weight)

    def _remove_arm(self, position: int) -> None:
        self._state = np.stack([self._layout.without_column(row, position) for row in self._state])
        self._layout = replace(self._layout, n_arms=len(self.arms_) - 1)
        self._seen = np.delete(self._seen, position, axis=0)
        if self._outcome_model is not None:
            self._outcome_model.posterior.remove_arm(position)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {
            "state": self._state,
            "counts": self._counts,
            "rewards": self._rewards,
            "costs": self._costs,
            "seen": self._seen,
            "fingerprint": self._fingerprint,
        }
        if self._outcome_model is not None:
            arrays |= self._outcome_model.arrays()
        return arrays

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._state, self._counts = arrays["state"], arrays["counts"]
        self._rewards, self._costs = arrays["rewards"], arrays["costs"]
        self._seen, self._fingerprint = arrays["seen"], arrays["fingerprint"]
        if self._outcome_model is not None:
            self._outcome_model.set_arrays(arrays)
