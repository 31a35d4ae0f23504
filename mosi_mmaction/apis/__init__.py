"""Use a trained network: build it, read clips, compute features."""
