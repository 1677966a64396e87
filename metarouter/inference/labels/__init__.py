"""What the labels at hand say of every query, and whether there are enough of them."""

from __future__ import annotations

from metarouter.inference.labels._doubly_robust import DoublyRobustGains, doubly_robust_gains
from metarouter.inference.labels._held_out import (
    FIRST_TRAINING_FOLDS,
    HeldOutPredictions,
    Scheme,
    as_held_out,
    held_out_predictions,
    predict_folds,
    stratified_folds,
)
from metarouter.inference.labels._labels import (
    Counts,
    Effect,
    LabelOptions,
    LabelTable,
    ScaledLabels,
    Scaling,
    as_rows,
    check_effect,
    check_either_sample_size,
    check_sample_size,
    column_names,
    column_position,
    count_labels,
    fitted_nuisances,
    row_count,
    scaled_labels,
)
from metarouter.inference.labels._shift_estimates import (
    AugmentedNuisances,
    ShiftEstimate,
    augmented,
    difference_of_means,
    doubly_robust_mean,
    orthogonal_scores,
    overlap_weighted_slope,
    paired_mean,
    query_clusters,
    regressed_scores,
)
