"""Metrics of the pretext task and of frozen features."""
