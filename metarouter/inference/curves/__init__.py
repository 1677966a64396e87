"""Curves of what routing by a score gains, and how far they may be from the truth."""
