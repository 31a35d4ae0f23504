"""Layers on the device against the worker's renderer; the other image."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.plans import layered_plans
from mosi_mmaction import (
    DrawColorJitter,
    DrawMovingBackground,
    DrawPseudoMotion,
    DrawStaticMask,
    MoSIDataPreprocessor,
    PackMoSIInputs,
    RenderPseudoMotion,
    mosi_collate,
    render,
    render_batch,
)


def noise(size, seed):
    return np.random.default_rng(seed).integers(
        0, 256, (*size, 3), dtype=np.uint8
    )


def both(plans: Sequence):
    images = [noise(p.source_size, i) for i, p in enumerate(plans)]
    tensor = torch.from_numpy(np.stack(images)).movedim(-1, 1)
    device = render_batch(tensor, plans).movedim(2, -1).numpy()
    worker = [
        render(image, p, other=images[(i + 1) % len(images)])
        for i, (image, p) in enumerate(zip(images, plans))
    ]
    return device.astype(int), np.array(worker).astype(int)


@settings(max_examples=40)
@given(layered_plans(interpolated=False, jittered=False))
def test_integer_shifts_are_the_workers_to_the_byte(plan):
    device, worker = both([plan, plan])
    np.testing.assert_array_equal(device, worker)


@settings(max_examples=80)
@given(layered_plans())
def test_anything_is_the_workers_within_two_levels(plan):
    device, worker = both([plan, plan])
    assert abs(device - worker).max() <= 2


def sample(seed, texture, rendered, source=80):
    results = dict(
        img=noise((source, source), seed), rng=np.random.default_rng(seed)
    )
    steps = [
        DrawPseudoMotion(8, 32, motions=('shift', 'turn'), ease=0.3),
        DrawStaticMask((0.4, 0.7), shape='mixed', num_distractors=1),
        DrawMovingBackground(0.25, texture=texture),
        DrawColorJitter(),
        *([RenderPseudoMotion()] if rendered else []),
        PackMoSIInputs(),
    ]
    for step in steps:
        results = step(results)
    return results


@pytest.mark.parametrize('texture', ['same', 'other'])
def test_a_batch_is_the_same_from_workers_and_device(texture):
    batches = [
        MoSIDataPreprocessor(mean=(0, 0, 0), std=(1, 1, 1), render=not r)(
            mosi_collate([sample(s, texture, r) for s in range(3)])
        )
        for r in (True, False)
    ]
    difference = batches[0]['inputs'] - batches[1]['inputs']
    assert difference.abs().max() <= 2
    for a in batches[0]['data_samples']:
        assert a.gt_label.tolist() == list(range(13))


def test_the_other_texture_is_the_next_samples():
    plans = [sample(s, 'other', False)['data_samples'].motion for s in (0, 1)]
    plans = [replace(p, color=None) for p in plans]
    images = [noise((80, 80), s) for s in (0, 1)]
    black = np.zeros_like(images[0])
    with_black = render(images[0], plans[0], other=black)
    assert (with_black == 0).mean() > 0.05
    with pytest.raises(ValueError, match="texture='other'"):
        render(images[0], plans[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpu_does_not_wait():
    plans = [sample(s, 'other', False)['data_samples'].motion for s in (0, 1)]
    images = torch.from_numpy(
        np.stack([noise((80, 80), s) for s in (0, 1)])
    ).movedim(-1, 1)
    on_gpu = images.cuda()
    torch.cuda.set_sync_debug_mode('error')
    try:
        clips = render_batch(on_gpu, plans)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    difference = clips.cpu().int() - render_batch(images, plans).int()
    assert difference.abs().max() <= 2


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_transforms_draw_from_their_generator_alone(seed):
    one, two = (sample(seed, 'same', True) for _ in range(2))
    assert torch.equal(one['inputs'], two['inputs'])
