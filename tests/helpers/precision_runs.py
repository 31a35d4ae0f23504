"""Runs of the tools in other precisions and with seeds."""

import sys
from pathlib import Path

from helpers.paths import load_tool
from mosi_mmaction import config_path

TINY = Path(config_path('tiny/finetune_r2p1d_weizmann')).parent


# ---------------------------------------------------------------- whole runs
CONFIG = """
_base_ = [{base!r}]
load_from = None
_data = dict(ann_file={root!r} + '/few.txt', data_prefix=dict(video={root!r}))
_loader = dict(batch_size=2, num_workers=0, persistent_workers=False,
               dataset=_data)
model = dict(backbone=dict(base_channels=4), cls_head=dict(in_channels=32))
train_dataloader = _loader
val_dataloader = _loader
test_dataloader = _loader
train_cfg = dict(max_epochs=1, val_interval=1)
default_hooks = dict(logger=dict(interval=1))
"""


def config(path, videos, base='finetune'):
    base = str(TINY / f'{base}_r2p1d_weizmann.py')
    path.write_text(CONFIG.format(base=base, root=str(videos)))
    return path


# --------------------------------------------------------------------- flags
def parse(name, *args, monkeypatch):
    monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, args)])
    return load_tool(name).parse_args()


def trained(monkeypatch, tmp_path, *args, text=''):
    """The config that tools/train.py trains with."""
    file = tmp_path / 'leaf.py'
    file.write_text(
        f'_base_ = [{config_path("finetune_r2p1d_hmdb")!r}]\n{text}'
    )
    from mosi_mmaction.cli.runs import load_config

    parsed = parse('train', file, *args, monkeypatch=monkeypatch)
    cfg = load_config(parsed)
    load_tool('train').merge_args(cfg, parsed)
    return cfg
