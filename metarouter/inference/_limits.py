"""Verdicts, and the decision thresholds behind them, with the reason why each stands where it does.

A reader who disagrees with a verdict finds the threshold, and the sentence that defends it, here.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What the data say about a claim.

    Examples
    --------
    >>> print(Verdict.PASS)
    PASS
    """

    PASS = "PASS"
    CAUTION = "CAUTION"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class DecisionThreshold:
    """Two bounds on a quantity: good up to the first, bad beyond the second.

    Parameters
    ----------
    passes, fails : float
        The quantity is good up to `passes` and bad beyond `fails`; when `fails` is the smaller
        of the two, more is better.
    what : str
        The quantity, with its unit.
    why : str
        One sentence that defends the bounds.

    Examples
    --------
    >>> share = DecisionThreshold(0.05, 0.20, "share of rows", "An example.")
    >>> print(share.judge(0.01, 0.04), share.judge(0.25, 0.30), share.judge(0.01, 0.30))
    PASS FAIL INCONCLUSIVE
    >>> print(share.judge(0.03, 0.10))
    CAUTION
    """

    passes: float
    fails: float
    what: str
    why: str

    def judge(self, lower: float, upper: float) -> Verdict:
        """Compare an interval with the two bounds; NaN stands for one that could not be had.

        The whole interval must be good for PASS and bad for FAIL; one that reaches from good to
        bad is INCONCLUSIVE; everything else is CAUTION.
        """
        if math.isnan(lower) or math.isnan(upper):
            return Verdict.INCONCLUSIVE
        sign = -1.0 if self.fails < self.passes else 1.0
        passes, fails = sign * self.passes, sign * self.fails
        best, worst_end = sorted((sign * lower, sign * upper))
        if worst_end <= passes:
            return Verdict.PASS
        if best > fails:
            return Verdict.FAIL
        return Verdict.INCONCLUSIVE if best <= passes and worst_end > fails else Verdict.CAUTION

    def rows_needed(self, n: int, lower: float, upper: float) -> int | None:
        """Return how many rows would bring an interval from `n` rows to one side of the bounds."""
        return rows_needed(n, (upper - lower) / 2, abs(self.fails - self.passes) / 2)


@dataclass(frozen=True)
class Minimum:
    """The fewest rows with which a claim is judged at all: what is counted, and why so many."""

    count: int
    what: str
    why: str

    def missing(self, n: int) -> int:
        """Return how many more are needed, 0 when `n` are enough."""
        return max(0, self.count - n)


def rows_needed(n: int, margin: float, wanted: float) -> int | None:
    """Return how many rows would shrink the margin of error of `n` rows to the wanted one.

    At least `n`: margins shrink with the square root of the number of rows that carry the
    information. None where no number of rows would do.

    Examples
    --------
    >>> rows_needed(100, 0.2, 0.1)
    400
    """
    if not (math.isfinite(margin) and wanted > 0):
        return None
    return max(n, math.ceil(n * (margin / wanted) ** 2))


def about(needed: int | None, there: int) -> str:
    """Say how many rows are needed, no finer than such a number is known.

    Examples
    --------
    >>> about(78, 60)
    'about 78'
    >>> about(418_203, 5000)
    'about 420,000'
    >>> about(418_203, 60)
    'more than 100 times as many'
    >>> about(60, 60)
    'somewhat more'
    """
    if needed is None:
        return "an unknown number of"
    if needed <= there:
        return "somewhat more"
    if needed > 100 * there:
        return "more than 100 times as many"
    if needed <= 10_000:
        return f"about {needed}"
    return f"about {round(needed, 2 - len(str(needed))):,}"


def scarce(n: int, what: str) -> str:
    """Say that so many of something are too few.

    Examples
    --------
    >>> scarce(3, "gold labels"), scarce(1, "queries with both labels")
    ('3 gold labels are too few', '1 query with both labels is too few')
    """
    if n != 1:
        return f"{n} {what} are too few"
    one = re.sub(r"ies\b|s\b", lambda plural: "y" * (plural[0] == "ies"), what, count=1)
    return f"1 {one} is too few"


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the gravest of several verdicts.

    Examples
    --------
    >>> print(worst([Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.CAUTION]))
    INCONCLUSIVE
    """
    order = (Verdict.PASS, Verdict.CAUTION, Verdict.INCONCLUSIVE, Verdict.FAIL)
    return max(verdicts, key=order.index, default=Verdict.INCONCLUSIVE)


MINIMUM_SAMPLE_SIZES = {
    "paired_queries": Minimum(
        30,
        "queries with both labels",
        "With 20 votes and rubric gains and an estimated factor a 95% interval covers 92% in our "
        "study; from 30 on it is within three standard errors of its level.",
    ),
    "gold_rows": Minimum(
        30,
        "gold labels",
        "Cross-fitting in five folds leaves 24 of 30 gold labels to fit on and 6 to correct with; "
        "our coverage study goes down to that number and not below.",
    ),
    "preference_rows": Minimum(
        30,
        "preference labels",
        "The two sources are treated alike, and five folds need as many labels of either.",
    ),
    "gold_rows_held_out": Minimum(
        50,
        "gold labels for a check of predictions",
        "The first of the models that are checked on later folds learns from two fifths of the "
        "labels, and 20 gold labels are the fewest that its own five folds can share.",
    ),
    "gold_rows_learning_curve": Minimum(
        100,
        "gold labels for a learning curve",
        "A quarter measures areas, and a quarter of the rest, about twenty, trains the least.",
    ),
    "rows_per_group": Minimum(
        10,
        "gold labels in a sorted group",
        "With fewer than ten the standard error of a mean is itself too uncertain to be printed.",
    ),
    "rows_per_coefficient": Minimum(
        10,
        "gold labels per coefficient of a projection",
        "The usual ten per coefficient, of the labels that carry information about the shift.",
    ),
    "clusters": Minimum(
        10,
        "independent groups of rows",
        "Cluster-robust errors count groups; with ten groups of equal size the jackknife over "
        "groups keeps its level in our study, and fewer were not studied.",
    ),
    "monitored_costs": Minimum(
        200,
        "queries with costs",
        "Confidence sequences for costs are asymptotic; from 200 queries on they keep their level "
        "over the whole stream in our study, from 50 on they do not where prices have a long tail.",
    ),
    "monitored_gold": Minimum(
        20,
        "gold labels drawn among the queries that the model in question answered",
        "Confidence sequences for quality are asymptotic; from 20 such labels on they keep their "
        "level over the whole stream in our study, from 5 on they miss up to a fifth of streams.",
    ),
    "monitored_rows": Minimum(
        30,
        "rows of the stream to watch for drift",
        "An alarm at 5% needs a factor of 80, which bets of our size can hardly win on fewer rows.",
    ),
}

# Of a mean: the mean of n values, of which a share p is large, has the skewness (n p)^(-1/2), and
# above 0.4 it rests on six values or fewer.
MOST_SKEWNESS = 0.4

# Of the terms of a mean: half as much again as the normal distribution's. Beyond it their standard
# error is taken to rest on fewer of them, in proportion.
USUAL_KURTOSIS = 4.5

DECISION_THRESHOLDS = {
    "mean_shift": DecisionThreshold(
        0.1,
        0.1,
        "size of the mean shift, in standard deviations of the preference labels",
        "Half of what is called a small effect (0.2): it moves hardly a query over a threshold.",
    ),
    "out_of_support": DecisionThreshold(
        0.05,
        0.20,
        "share of preference labels where gold queries are more than ten times rarer",
        "Ten times rarer means a standard error about three times larger; a twentieth of such "
        "rows changes little, a fifth decides the mean.",
    ),
    "effective_gold": DecisionThreshold(
        0.5,
        0.2,
        "effective sample size of the gold labels, as a share of their number",
        "Half the labels lost to weighting widens intervals by 1.4, four fifths lost by 2.2, which "
        "is where more labels cost less than a better design.",
    ),
    "effective_preference": DecisionThreshold(
        0.5,
        0.2,
        "effective sample size of the preference labels, as a share of their number",
        "As for gold labels; less matters only where preference labels are far more numerous.",
    ),
    "outcome_error": DecisionThreshold(
        1.05,
        1.25,
        "out-of-fold squared error of an outcome model over that of the mean label (1 - R2)",
        "At 1 the model knows nothing, which is harmless; above 1 it adds noise, by 5% hardly "
        "visible, by 25% as if a fifth of the labels had been thrown away.",
    ),
    "leak": DecisionThreshold(
        0.95,
        0.99,
        "out-of-fold R2 of an outcome model",
        "Labels of single queries are noisy: what predicts 95% of them probably holds the label.",
    ),
    "propensity_error": DecisionThreshold(
        1.02,
        1.10,
        "out-of-fold log loss of the propensity over that of the constant gold share",
        "At 1, the best case, sources cannot be told apart; above, every weight gets more noise.",
    ),
    "robustness": DecisionThreshold(
        2.0,
        1.0,
        "robustness value of the interval over the strength of the strongest observed feature",
        "Below 1 an unmeasured difference no stronger than a feature that we do see would explain "
        "the shift away; twice as strong as anything seen is implausible.",
    ),
    "slope": DecisionThreshold(
        0.5,
        0.0,
        "calibration slope of predicted differences between queries",
        "1 is perfect, 0 is no information; below a half more than half of the predicted "
        "differences are noise and should be shrunk. An interval above 1 that reaches beyond 2 is "
        "no pass either: the true differences may be more than twice those predicted.",
    ),
    "extrapolation": DecisionThreshold(
        4.0,
        10.0,
        "labels that are asked about, over those that the pilot trained on",
        "Sizes of training differ fourfold within the pilot, so that a law that holds there may be "
        "trusted about as far again; ten times as far it is a guess.",
    ),
    "constraint": DecisionThreshold(
        0.0,
        0.0,
        "excess over the limit of a share, a saving or a quality, in its own unit",
        "The limit is the user's own: what is shown to exceed it breaks it, without tolerance.",
    ),
    "drift": DecisionThreshold(
        0.2,
        0.05,
        "anytime-valid p-value against the claim that queries come as they came before",
        "The user's level of false alarms (by default 5%); at a factor of four worth a look.",
    ),
    "gold_draw": DecisionThreshold(
        0.1,
        0.1,
        "relative distance of the gold labels drawn from those expected",
        "Debiased scores are off by about as much as the stated chances of being drawn are.",
    ),
    "density_ratio": DecisionThreshold(
        10.0,
        10.0,
        "density of preference queries over that of gold queries, at one query",
        "The bound behind 'out of support': ten times rarer leaves a tenth of the information.",
    ),
}


LIMITS, MINIMA = DECISION_THRESHOLDS, MINIMUM_SAMPLE_SIZES  # former names, kept for one release


def decision_thresholds() -> Any:
    """Return all thresholds and minimum sample sizes as a DataFrame, as a report prints them."""
    import pandas as pd

    thresholds = [{"limit": name} | asdict(one) for name, one in DECISION_THRESHOLDS.items()]
    minima = [
        {"limit": name, "passes": size.count, "what": size.what, "why": size.why}
        for name, size in MINIMUM_SAMPLE_SIZES.items()
    ]
    return pd.DataFrame(thresholds + minima)


limits_table = decision_thresholds  # its former name, kept for one release
