"""Read files as RGB pixels, or say why they cannot be read."""
