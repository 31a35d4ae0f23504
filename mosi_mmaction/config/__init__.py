"""All edits of configs, each one call below ``_base_`` in a leaf config."""
