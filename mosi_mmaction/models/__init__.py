"""Networks, heads and data preprocessors for MMAction2's registry."""
