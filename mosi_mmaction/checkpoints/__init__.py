"""Checkpoint files: atomic writing, safe loading, names, publishing."""
