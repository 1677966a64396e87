"""Thresholds that keep a budget and a quality with a stated probability.

What is public is exported by :mod:`metarouter.inference`.
"""
