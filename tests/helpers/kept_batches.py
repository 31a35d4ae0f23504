"""Batches in kept memory, and what is right of them."""

import os

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mosi_mmaction import MoSIDataSample, mosi_collate
from mosi_mmaction.structures import batch_memory

SHAPE = (2, 3, 8, 8, 3)  # C, N, L, L, 3


def content(index, epoch=0):
    return np.random.default_rng((index, epoch)).integers(
        0, 256, SHAPE, dtype=np.uint8
    )


class Clips(Dataset):
    """Samples as RenderPseudoMotion and PackMoSIInputs make them."""

    def __init__(self, number=24, trick=None):
        self.number = number
        self.trick = trick
        self.kept = []

    def __len__(self):
        return self.number

    def _sample(self, index):
        out = batch_memory.empty_sample(SHAPE)
        if out is None:
            out = np.empty(SHAPE, np.uint8)
        out[...] = content(index)
        return out

    def __getitem__(self, index):
        if self.trick == 'mixes':  # renders more than it returns
            self._sample(1000 + index)
        if self.trick == 'fails' and index == 5:
            self._sample(index)
            raise ValueError('a sample that fails')
        clips = self._sample(index)
        if self.trick == 'own memory' and index % 3 == 0:
            clips = clips.copy()
        if self.trick == 'transposes' and index % 3:
            clips[...] = clips.swapaxes(2, 3).copy()
            clips = clips.swapaxes(2, 3)
        if self.trick == 'remembers':
            # As a transform would that mixes with samples of before.
            self.kept.append((index, clips))
            for i, old in self.kept:
                assert np.array_equal(old, content(i)), i
        sample = MoSIDataSample().set_gt_label(np.array([index, 7]))
        sample.set_metainfo(dict(index=index))
        inputs = torch.from_numpy(clips).permute(0, 4, 1, 2, 3)
        return dict(inputs=inputs, data_samples=sample)


def loader(dataset=None, workers=2, **options):
    options.setdefault('batch_size', 4)
    return DataLoader(
        Clips() if dataset is None else dataset,
        num_workers=workers,
        collate_fn=mosi_collate,
        **options,
    )


def is_right(batch):
    """Compare a batch with what its samples say they are."""
    indices = [s.index for s in batch['data_samples']]
    labels = [s.gt_label.tolist() for s in batch['data_samples']]
    assert labels == [[i, 7] for i in indices]
    inputs = batch['inputs']
    assert type(inputs) is torch.Tensor and inputs.dtype == torch.uint8
    assert inputs.movedim(2, -1).is_contiguous()
    expected = np.stack([content(i) for i in indices])
    return np.array_equal(inputs.movedim(2, -1).numpy(), expected)


def leftovers(*pids):
    """Return what these processes have mapped, or left by a name."""
    found = {
        n for n in os.listdir('/dev/shm') if any(str(p) in n for p in pids)
    }
    for pid in pids:
        try:
            with open(f'/proc/{pid}/maps') as file:
                found.update(x for x in file if 'memfd:mosi_batch' in x)
        except OSError:  # has ended
            continue
    return found
