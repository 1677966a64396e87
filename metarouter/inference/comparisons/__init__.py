"""Routers compared on the same queries."""
