"""What MMAction2's registry of models gets from this package."""
