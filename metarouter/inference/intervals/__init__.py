"""Arithmetic on arrays: estimates, their errors and their limits."""
