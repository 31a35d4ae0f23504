"""What to do with a trained network: build it, read clips, take features."""
