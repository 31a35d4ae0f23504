"""The full-size configs, and what a run of them is."""

from functools import cache

from mmengine.config import Config

from mosi_mmaction import config_path

# Total batch, epochs, epochs of warm-up, base rate, first rate, weight decay.
PRETRAINING = {
    f'mosi_{network}_{data}': (
        total,
        *((20, 2) if data == 'k400' else (100, 10)),
        1e-3,
        1e-4,
        1e-4,
    )
    for network, total in (('r2p1d', 80), ('r2p1d-paper', 80), ('r2d3d', 160))
    for data in ('hmdb', 'ucf', 'k400', 'imagenet')
}
FINETUNING = {
    f'finetune_{network}_{data}': (total, 300, 10, rate, rate / 10, 1e-3)
    for network, data, total, rate in (
        ('r2p1d', 'hmdb', 384, 7.5e-4),
        ('r2p1d', 'ucf', 384, 1.5e-3),
        ('r2p1d-paper', 'hmdb', 384, 7.5e-4),
        ('r2p1d-paper', 'ucf', 384, 1.5e-3),
        ('r2d3d', 'hmdb', 1024, 2e-3),
        ('r2d3d', 'ucf', 1024, 4e-3),
    )
}
FINETUNING['finetune_r2p1d_hmdb_3crop'] = FINETUNING['finetune_r2p1d_hmdb']


@cache
def load(name):  # for reading only
    return Config.fromfile(config_path(name))


def pipeline(name, part='train'):
    return load(name)[f'{part}_dataloader'].dataset.pipeline


def step_of(name, kind, part='train'):
    return next(
        (s for s in pipeline(name, part) if s['type'].startswith(kind)), None
    )
