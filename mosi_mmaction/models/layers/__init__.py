"""Layers that compute the same faster."""
