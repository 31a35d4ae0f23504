"""Faster versions of stock layers with the same results."""
