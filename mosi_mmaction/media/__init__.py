"""From a file to RGB pixels, or the reason why not."""
