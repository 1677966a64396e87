"""Every limit behind a verdict, with the reason why it stands where it does.

Nothing else in the package compares an estimate with a constant of its own: a reader who disagrees
with a verdict finds the limit, and the sentence that defends it, here.
"""

from __future__ import annotations

import math
from typing import Any

from metarouter.inference._verdict import Limit, Minimum, Verdict, rows_needed, worst

__all__ = [
    "LIMITS",
    "MINIMA",
    "MOST_SKEWNESS",
    "Limit",
    "Minimum",
    "Verdict",
    "limits_table",
    "rows_needed",
    "worst",
]

MINIMA = {
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
        "A quarter is left out to measure areas, and the smallest of the four sizes that train is "
        "a quarter of the others: about twenty gold labels.",
    ),
    "rows_per_group": Minimum(
        10,
        "gold labels in a sorted group",
        "The mean of a group rests on its gold labels, and with fewer than ten of them its "
        "standard error is itself too uncertain to be printed.",
    ),
    "rows_per_coefficient": Minimum(
        10,
        "gold labels per coefficient of a projection",
        "The usual ten observations per coefficient, counted in gold labels because they carry "
        "the information about the shift.",
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
        "An alarm needs a factor of 20, and bets of the size that we make can hardly win that on "
        "fewer rows: silence would say nothing.",
    ),
}

# Of a mean: the mean of n values, of which a share p is large, has the skewness (n p)^(-1/2), and
# above 0.4 it rests on six values or fewer.
MOST_SKEWNESS = 0.4

LIMITS = {
    "mean_shift": Limit(
        0.1,
        0.1,
        "size of the mean shift, in standard deviations of the preference labels",
        "Half of what is called a small effect (0.2): a smaller shift moves hardly a query across "
        "a threshold.",
    ),
    "out_of_support": Limit(
        0.05,
        0.20,
        "share of preference labels where gold queries are more than ten times rarer",
        "Ten times rarer means a standard error about three times larger; a twentieth of such "
        "rows changes little, a fifth decides the mean.",
    ),
    "effective_gold": Limit(
        0.5,
        0.2,
        "effective sample size of the gold labels, as a share of their number",
        "Half the labels lost to weighting widens intervals by 1.4, four fifths lost by 2.2, which "
        "is where more labels cost less than a better design.",
    ),
    "effective_preference": Limit(
        0.5,
        0.2,
        "effective sample size of the preference labels, as a share of their number",
        "The same loss of precision as for gold labels; it matters less only where preference "
        "labels are far more numerous.",
    ),
    "outcome_error": Limit(
        1.05,
        1.25,
        "out-of-fold squared error of an outcome model over that of the mean label (1 - R2)",
        "At 1 the model knows nothing, which is harmless; above 1 it adds noise, by 5% hardly "
        "visible, by 25% as if a fifth of the labels had been thrown away.",
    ),
    "leak": Limit(
        0.95,
        0.99,
        "out-of-fold R2 of an outcome model",
        "Labels of single queries are noisy: features that predict them to 95% probably contain "
        "the label.",
    ),
    "propensity_error": Limit(
        1.02,
        1.10,
        "out-of-fold log loss of the propensity over that of the constant gold share",
        "At 1 the sources cannot be told apart, which is the best case; a model that is worse than "
        "a constant puts noise into every weight.",
    ),
    "robustness": Limit(
        2.0,
        1.0,
        "robustness value of the interval over the strength of the strongest observed feature",
        "Below 1 an unmeasured difference no stronger than a feature that we do see would explain "
        "the shift away; twice as strong as anything seen is implausible.",
    ),
    "slope": Limit(
        0.5,
        0.0,
        "calibration slope of predicted differences between queries",
        "1 is perfect, 0 is no information; below a half more than half of the predicted "
        "differences are noise and should be shrunk. An interval above 1 that reaches beyond 2 is "
        "no pass either: the true differences may be more than twice those predicted.",
    ),
    "extrapolation": Limit(
        4.0,
        10.0,
        "labels that are asked about, over those that the pilot trained on",
        "Sizes of training differ fourfold within the pilot, so that a law that holds there may be "
        "trusted about as far again; ten times as far it is a guess.",
    ),
    "promise": Limit(
        0.0,
        0.0,
        "excess over what was promised for a share, a saving or a quality, in its own unit",
        "A promise is the user's own bound: whatever is shown to exceed it breaks it, and no "
        "tolerance of ours softens it.",
    ),
    "drift": Limit(
        0.2,
        0.05,
        "anytime-valid p-value against the claim that queries come as they came before",
        "The alarm is raised below the level that the user chose for false ones (by default 5%); "
        "below 20%, a factor of five, it is worth a look.",
    ),
    "gold_draw": Limit(
        0.1,
        0.1,
        "relative distance of the gold labels drawn from those expected",
        "Debiased scores are off by about as much as the stated chances of being drawn are.",
    ),
    "density_ratio": Limit(
        10.0,
        10.0,
        "density of preference queries over that of gold queries, at one query",
        "The bound behind 'out of support': where gold queries are ten times rarer than elsewhere "
        "a tenth of the information is left.",
    ),
}


def limits_table() -> Any:
    """Return all limits and minima as a DataFrame, for the method section of a report."""
    import pandas as pd

    limits = [
        {"limit": name, "passes": limit.passes, "fails": limit.fails, "what": limit.what}
        | {"why": limit.why}
        for name, limit in LIMITS.items()
    ]
    minima = [
        {"limit": name, "passes": minimum.count, "fails": math.nan, "what": minimum.what}
        | {"why": minimum.why}
        for name, minimum in MINIMA.items()
    ]
    return pd.DataFrame(limits + minima)
