"""Bands of one router's curves, and of the averages over them."""
