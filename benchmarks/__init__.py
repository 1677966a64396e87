"""Side-by-side timings against peers: ratios measured in one run."""
