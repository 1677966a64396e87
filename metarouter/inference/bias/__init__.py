"""Tests of bias: whether there is any, where it is, and whether the corrections hit it."""
