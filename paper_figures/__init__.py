"""Published figures and tables, one script each; ``python -m paper_figures`` runs them all."""
