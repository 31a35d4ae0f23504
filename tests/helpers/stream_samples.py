"""Samples that are read by workers and processes, to be compared."""

import copy
import random

import numpy as np
import torch
from mmengine.runner import Runner

MOTION = [
    dict(type='SeedSample'),
    dict(type='CropSource', size=24),
    dict(type='DrawPseudoMotion', clip_len=4, crop_size=12),
    dict(type='DrawStaticMask'),
    dict(type='DrawColorJitter'),
    dict(type='RenderPseudoMotion'),
    dict(type='PackMoSIInputs'),
]
LEAVES = dict(type='DeadLeavesDataset', num_images=7, size=24, pipeline=MOTION)


def read(
    dataset,
    epochs,
    workers=0,
    persistent=False,
    rank=0,
    world=1,
    seed=3,
    shuffle=True,
    monkeypatch=None,
    collate='pseudo_collate',
):
    """Return the samples a run loads: [{place in the epoch: bytes}]."""
    if monkeypatch is not None:
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda: (rank, world)
        )
    # Whatever state a process happens to be in must not matter.
    for generator in (random.seed, np.random.seed, torch.manual_seed):
        generator(1000 * workers + rank)
    loader = Runner.build_dataloader(
        dict(
            dataset=copy.deepcopy(dataset),
            batch_size=2,
            num_workers=workers,
            persistent_workers=persistent,
            sampler=dict(type='EpochSampler', shuffle=shuffle),
            collate_fn=dict(type=collate),
        ),
        seed=seed,
    )
    out = []
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)
        places = list(loader.sampler)
        loaded = [
            x.numpy().tobytes() for batch in loader for x in batch['inputs']
        ]
        assert len(places) == len(loaded)
        out.append(dict(zip(places, loaded)))
    return out
