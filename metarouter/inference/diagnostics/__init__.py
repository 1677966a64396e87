"""Can the data bear it? Overlap, nuisances, and what may have gone unmeasured."""
