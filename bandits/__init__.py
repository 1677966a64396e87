"""Routers that learn from partial feedback, as estimators under the scikit-learn API."""
