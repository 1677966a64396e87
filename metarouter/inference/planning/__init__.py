"""How many labels, and of which kind, a claim needs.

What is public is exported by :mod:`metarouter.inference`.
"""
