"""BaRP: one policy for every trade-off, learned from bandit feedback by policy gradients."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from bandits._caps import count_outcomes
from bandits._validation import contexts
from bandits.policy_gradient._heads import HEADS
from bandits.policy_gradient._new_arm import place_arm
from bandits.policy_gradient._settings import ESTIMATORS, PUBLISHED, Settings
from bandits.policy_gradient._sources import LoggedSource
from bandits.policy_gradient.base import PolicyRouter
from metarouter.exceptions import DataError
from metarouter.utils.parameters import number, one_of, renamed_parameters, several, whole

__all__ = ["BaRP"]


class BaRP(PolicyRouter):
    """Preference-conditioned policy, trained by policy gradients from outcomes of chosen arms.

    The policy pi(a | x, w) is the softmax of a decision head's logits for the features x of a
    query and the preference w. In training an arm is drawn from it and its outcome seen, no
    other's, and the parameters climb the estimated mean reward plus beta times the entropy. In use
    `predict` returns the most probable arm.

    The defaults are ours: on the few thousand queries of the tables that we have the published
    settings end as the best constant model (see the page on BaRP). `paper_settings` has those.

    Parameters
    ----------
    head : {"mlp", "linear", "bilinear", "trade_off"}, default="trade_off"
        How features and preference make logits; the first three are the paper's. The logits of
        "trade_off" are w_q Q(x) + w_c C(x), and w_l L(x) where latencies are given: the form of the
        best entropy-regularised policy, and with it a query never moves to an arm of higher Q or
        lower C as w_c grows.
    hidden_size : int, default=64
        Width of the hidden layer (of "bilinear": the rank); not stated in the paper.
    preference_size : int, default=32
        Width of the preference encoder, a perceptron with one hidden layer; not stated either.
    estimator : {"reinforce", "doubly_robust"}, default="doubly_robust"
        What the gradient is made of. "reinforce" takes the reward of the chosen arm above the
        batch's mean (equations 5 and 6). "doubly_robust" predicts the rewards of all arms by
        ridge regressions of what was seen, and corrects that of the chosen arm: the same mean,
        less variance.
    entropy : float, default=0.05
        beta, the weight of the policy's entropy.
    learning_rate : float, default=2e-3
        Of Adam.
    weight_decay : float, default=0.0
        Decoupled from the gradient (AdamW); offsets do not decay.
    averaging : float, default=0.995
        Decay per step of an exponential moving average of the parameters, over about
        1 / (1 - averaging) steps but two fifths of the training at most, that `fit` and
        `fit_logged` end with [2]_: steps can be large and their noise small. 0 ends with the last
        step, as is better where training takes but a few hundred of them (epochs times queries
        over `batch_size`). `partial_fit` goes on without averaging, which would lag behind.
    epochs : int, default=50
        Passes of `fit` over the queries, each with new preferences and draws.
    batch_size : int or sequence of int, default=128
        Rows per step. A sequence holds the sizes of the first epochs; its last one stays.
    patience : int, optional
        Stop when the mean reward of an epoch has not risen for this many epochs.
    concentration : float, default=0.5
        Of the Dirichlet distribution that training draws preferences from: 1 is uniform on the
        simplex, as published; below 1 the ends of the dial come up more often.
    clip : float, default=10.0
        Largest importance weight in `partial_fit`.
    outcome_penalty : float, default=10.0
        Ridge penalty of the regressions of "doubly_robust".
    discount : float, default=1.0
        What their evidence is multiplied by with every row of `partial_fit`, for streams that
        drift.
    replay_buffer : int, default=0
        Rows of feedback with propensities that `partial_fit` keeps, the latest, to learn from
        again off policy.
    replay_steps : int, default=4
        Steps on rows drawn from the replay buffer for every step on new ones.
    cost_quantile : float, optional
        Without `cost_cap`, tau is this quantile of the first 1000 costs seen, so that a few long
        answers do not set the scale; by default it is the largest cost so far, as for all
        routers. The paper does not state its tau. Without `latency_cap` it is so for latencies.
    device : str, default="auto"
        Where to train: "auto" takes a GPU where there is one, else the CPU. Routing is numpy.
    checkpoint : str or path-like, optional
        A file that `fit` writes its state to, and goes on from when it finds it: a training that
        was killed ends, on a CPU, with the same bits as one that was not.
    checkpoint_every : int, default=10
        Epochs between two checkpoints.
    verbose : bool, default=False
        Show a progress bar.
    arms, cost_cap, latency_cap, random_state
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
       (arXiv 2510.07429): equations 1 to 7, Algorithm 1, section 3.4 for the published settings.
    .. [2] Polyak & Juditsky (1992), Acceleration of stochastic approximation by averaging; its
       start is corrected for as in Kingma & Ba (2015), section 3.

    Notes
    -----
    Every epoch draws anew: over many epochs `fit` sees several outcomes of one query, one each
    time. `partial_fit` sees one and no more.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.tile([[1.0, 0.0], [0.0, 1.0]], (50, 1))
    >>> quality = np.tile([[1.0, 0.2], [0.1, 0.9]], (50, 1))
    >>> router = BaRP(learning_rate=0.01, random_state=0).fit(X, quality)
    >>> router.predict([[1.0, 0.0], [0.0, 1.0]]).tolist()
    [0, 1]
    >>> router.n_revealed_
    5000
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "head": [one_of(*HEADS)],
        "hidden_size": [whole()],
        "preference_size": [whole()],
        "estimator": [one_of(*ESTIMATORS)],
        "entropy": [number(at_least=0)],
        "learning_rate": [number(above=0)],
        "weight_decay": [number(at_least=0)],
        "averaging": [number(at_least=0, below=1)],
        "epochs": [whole()],
        "batch_size": [whole(), several(whole())],
        "patience": [whole(), None],
        "concentration": [number(above=0)],
        "clip": [number(above=0)],
        "outcome_penalty": [number(above=0)],
        "discount": [number(at_least=0, at_most=1)],
        "replay_buffer": [whole(0)],
        "replay_steps": [whole(0)],
        "cost_quantile": [number(at_least=0, at_most=1), None],
        "device": [str],
        "checkpoint": [str, os.PathLike, None],
        "checkpoint_every": [whole()],
        "verbose": ["boolean"],
    }

    @renamed_parameters(memory="replay_buffer", rehearsals="replay_steps")
    def __init__(
        self,
        head: str = "trade_off",
        *,
        hidden_size: int = 64,
        preference_size: int = 32,
        estimator: str = "doubly_robust",
        entropy: float = 0.05,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.0,
        averaging: float = 0.995,
        epochs: int = 50,
        batch_size: int | Sequence[int] = 128,
        patience: int | None = None,
        concentration: float = 0.5,
        clip: float = 10.0,
        outcome_penalty: float = 10.0,
        discount: float = 1.0,
        replay_buffer: int = 0,
        replay_steps: int = 4,
        cost_quantile: float | None = None,
        device: str = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 10,
        verbose: bool = False,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            arms=arms, cost_cap=cost_cap, latency_cap=latency_cap, random_state=random_state
        )
        self.head = head
        self.hidden_size = hidden_size
        self.preference_size = preference_size
        self.estimator = estimator
        self.entropy = entropy
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.averaging = averaging
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.concentration = concentration
        self.clip = clip
        self.outcome_penalty = outcome_penalty
        self.discount = discount
        self.replay_buffer = replay_buffer
        self.replay_steps = replay_steps
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
        return dict(PUBLISHED)

    def fit_logged(
        self,
        X: Any,
        action: Any,
        quality: Any,
        cost: Any = None,
        latency: Any = None,
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
        quality, cost, latency : array of shape (n,)
            Observed outcomes.
        propensity : array of shape (n,)
            Probability with which each action was chosen.
        arms : iterable, optional
            Names of all arms, where neither the constructor nor an earlier fit has named them.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If X, action, an outcome or propensity is malformed.
        """
        if propensity is None:
            raise DataError("propensity is None; give the probability of every logged action.")
        with self._anew() as fresh:
            fresh._begin_with(X, arms, count_outcomes(cost, latency))
            feedback = fresh._feedback(X, action, quality, cost, latency, propensity)
            if fresh.has_cost_:
                feedback = feedback._replace(outcomes=fresh._caps.observe(feedback.outcomes))
            fresh._train(LoggedSource(fresh._policy, Settings.of(fresh), feedback), None)
        return self

    def add_arm(
        self,
        name: Any,
        *,
        like: Any = None,
        weight: float = 1.0,
        X: Any = None,
        quality: Any = None,
        cost: Any = None,
        latency: Any = None,
    ) -> Self:
        """Add an arm, without touching what is known of the others.

        With a handful of evaluations the arm gets its place among the others at once, and nothing
        is trained again: the logits are inner products of shared features and an embedding per
        arm, and the evaluations say where the new one's should be. This needs
        ``estimator="doubly_robust"``, which knows what to expect of the others.

        Parameters
        ----------
        name : str or int
        like : name of an arm, optional
            Start from this arm instead of from the mean of all.
        weight : float, default=1.0
            Share of `like` in the start, from 0 to 1.
        X : array of shape (n, n_features), optional
            Queries that the new arm was tried on.
        quality, cost, latency : array of shape (n,), optional
            Observed outcomes.

        Raises
        ------
        DataError
            If the name is taken, `like` is no arm, the weight is off its range, or the evaluations
            are no feedback.
        """
        check_is_fitted(self, "arms_")
        with self._lock:
            if X is None and any(given is not None for given in (quality, cost, latency)):
                raise DataError("X is missing; give the queries that the new arm was tried on.")
            if X is None:
                return super().add_arm(name, like=like, weight=weight)
            if self._policy.outcome_model is None:
                raise DataError(
                    "Evaluations are put beside the rewards expected of the other arms, which "
                    f"estimator={self.estimator!r} does not predict: train with "
                    "estimator='doubly_robust', or add the arm without evaluations."
                )
            some = [self.arms_[0]] * len(contexts(self, X))  # whose feedback it is matters not
            known = self._feedback(X, some, quality, cost, latency, None)
            super().add_arm(name, like=like, weight=weight)
            place_arm(self._policy, known.X, known.outcomes)
        return self
