"""Leaves of another project, and the steps of their pipelines."""

from functools import cache

from mmengine.config import Config

from mosi_mmaction import (
    config_path,
)

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def leaf(tmp_path, base, line=''):
    """Write a leaf of another project; return its config."""
    path = tmp_path / 'leaf of mine.py'
    path.write_text(
        f"_base_ = [__import__('mosi_mmaction').config_path({base!r})]\n"
        f'{line}\n'
    )
    return Config.fromfile(path)


@cache
def config(name):
    return Config.fromfile(config_path(name))


def steps(cfg, kind):
    """Return a transform's config in every pipeline, None where absent."""
    return [
        next((s for s in cfg[loader].dataset.pipeline if s.type == kind), None)
        for loader in LOADERS
    ]
