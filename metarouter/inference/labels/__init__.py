"""What the labels at hand say of every query, and whether there are enough of them."""

from __future__ import annotations

from metarouter.inference.labels._doubly_robust import DoublyRobustGains, doubly_robust_gains
from metarouter.inference.labels._held_out import (
    FIRST_TRAINING_FOLDS,
    HeldOutPredictions,
    HeldOutRouters,
    Scheme,
    as_held_out,
    fold_of_each_query,
    held_out_predictions,
    held_out_routers,
    predict_folds,
    ranks_within_folds,
    too_few_to_cross_fit,
)
from metarouter.inference.labels._labels import (
    Counts,
    Effect,
    LabelOptions,
    LabelTable,
    ScaledLabels,
    check_sample_size,
    column_names,
    column_position,
    fitted_nuisances,
    scaled_labels,
)
from metarouter.inference.labels._shift_estimates import (
    ShiftEstimate,
    doubly_robust_mean,
    estimate_shift,
    orthogonal_scores,
    overlap_weighted_slope,
    paired_mean,
)
