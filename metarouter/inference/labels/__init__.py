"""What the labels at hand say of every query, and whether there are enough of them."""

from __future__ import annotations

from metarouter.inference.labels._augmented import AugmentedNuisances, augmented
from metarouter.inference.labels._doubly_robust import DoublyRobustGains, doubly_robust_gains
from metarouter.inference.labels._features import chosen_features, column_names
from metarouter.inference.labels._held_out import (
    FIRST_TRAINING_FOLDS,
    HeldOutPredictions,
    Scheme,
    as_held_out,
    held_out_folds,
    held_out_predictions,
    stratified_folds,
)
from metarouter.inference.labels._labels import (
    Counts,
    Effect,
    ScaledLabels,
    Scaling,
    as_rows,
    check_effect,
    check_either_sample_size,
    check_sample_size,
    count_labels,
    fitted_nuisances,
    scaled_labels,
)
from metarouter.inference.labels._shift_estimates import (
    ShiftEstimate,
    difference_of_means,
    doubly_robust_mean,
    orthogonal_scores,
    overlap_weighted_slope,
    paired_mean,
    query_clusters,
)
