"""Leaves of another project, and the steps of their pipelines."""

from functools import cache

from mmengine.config import Config

from mosi_mmaction import (
    config_path,
)


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
