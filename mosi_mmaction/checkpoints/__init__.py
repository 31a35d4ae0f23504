"""Checkpoint files: written whole, loaded safely, named, published."""
