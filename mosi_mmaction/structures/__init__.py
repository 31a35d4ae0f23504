"""A sample of many labelled clips, and batches of samples."""
