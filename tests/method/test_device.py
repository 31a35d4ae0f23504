"""Rendering on the device against the worker's renderer and the slow loop."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from helpers.plans import (
    draw_plan,
    every_kind,
    noise,
    plans,
    seeds,
    slow_render,
)
from mosi_mmaction import (
    DeadLeavesDataset,
    LabelPool,
    MoSIDataPreprocessor,
    PackMoSIInputs,
    RenderPseudoMotion,
    config_path,
    render,
)
from mosi_mmaction.config.pretraining import render_on_device
from mosi_mmaction.method import render_torch as device_module
from mosi_mmaction.method.render_torch import render_batch


def on_device(images, batch_plans):
    """Clips (B, C, N, L, L, 3) int64 of images (B, H, W, 3)."""
    images = torch.from_numpy(np.stack(images)).movedim(-1, 1)
    return render_batch(images, batch_plans).movedim(2, -1).numpy().astype(int)


@st.composite
def batches(draw, **kind):
    """One to three images with plans of one kind but of different draws."""
    plan = draw(plans(**kind))
    batch = [plan]
    for seed in draw(st.lists(seeds, max_size=2)):
        batch.append(
            draw_plan(
                plan.pool,
                plan.source_size,
                plan.crop_size,
                plan.clip_len,
                seed,
                plan.boxes is not None,
                plan.color is not None,
            )
        )
    return [noise(p, i) for i, p in enumerate(batch)], batch


@settings(max_examples=300)
@given(batches(jittered=False))
def test_without_jitter_the_device_equals_the_worker(batch):
    images, batch_plans = batch
    np.testing.assert_array_equal(
        on_device(images, batch_plans),
        [render(i, p) for i, p in zip(images, batch_plans)],
    )


@settings(max_examples=300)
@given(batches(jittered=True))
def test_with_jitter_the_device_equals_the_worker_to_one_level(batch):
    images, batch_plans = batch
    worker = [render(i, p) for i, p in zip(images, batch_plans)]
    assert abs(on_device(images, batch_plans) - worker).max() <= 1


@settings(max_examples=100)
@given(plans(max_crop=12, max_frames=6), seeds)
def test_device_is_the_slow_reference(plan, seed):
    image = noise(plan, seed)
    slow = slow_render(image, plan, np.random.default_rng(seed))
    # To one level: the reference chains the operations in another order, so
    # that a value can fall on the other side of a half.
    difference = abs(on_device([image], [plan])[0] - slow)
    assert difference.max() <= (plan.color is not None)
    assert (difference > 0).mean() < 1e-3 or difference.size < 3000


@every_kind
def test_device_at_the_size_of_the_paper(masked, jittered, textured):
    plan = draw_plan(LabelPool(), (323, 401), 112, 16, 0, masked, jittered)
    image = textured((323, 401))
    difference = abs(on_device([image], [plan])[0] - render(image, plan))
    assert difference.max() <= jittered


@given(batches(jittered=True, masked=True), st.integers(1, 5000))
def test_chunks_do_not_show(batch, size):
    images, batch_plans = batch
    whole = on_device(images, batch_plans)
    saved, device_module._CHUNK = device_module._CHUNK, size
    try:
        np.testing.assert_array_equal(on_device(images, batch_plans), whole)
    finally:
        device_module._CHUNK = saved


@every_kind
def test_autocast_does_not_touch_pixels(masked, jittered):
    plan = draw_plan(LabelPool(), 60, 30, 4, 0, masked, jittered)
    expected = on_device([noise(plan)], [plan])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        np.testing.assert_array_equal(
            on_device([noise(plan)], [plan]), expected
        )


def test_images_are_not_changed_and_memory_is_channels_last():
    plan = draw_plan(LabelPool(), 60, 30, 4, 0, True, True)
    image = torch.from_numpy(noise(plan))[None].movedim(-1, 1)
    before = image.clone()
    clips = render_batch(image, [plan])
    assert torch.equal(image, before)
    assert clips.shape == (1, 9, 3, 4, 30, 30)
    assert clips.dtype == torch.uint8
    assert clips.movedim(2, -1).is_contiguous()
    planar = render_batch(image.contiguous(), [plan])
    assert torch.equal(planar, clips)  # whatever the memory format


@pytest.mark.parametrize(
    'change',
    [
        dict(pool=LabelPool(3)),
        dict(masked=False),
        dict(jittered=False),
        dict(crop=29),
        dict(frames=5),
        dict(source=61),
    ],
    ids=lambda change: next(iter(change)),
)
def test_plans_of_different_kinds(change):
    kind = dict(
        pool=LabelPool(),
        source=60,
        crop=30,
        frames=4,
        seed=0,
        masked=True,
        jittered=True,
    )
    batch_plans = [draw_plan(**kind), draw_plan(**{**kind, **change})]
    images = torch.zeros(2, 3, 60, 60, dtype=torch.uint8)
    with pytest.raises(ValueError, match='2 kinds of plans in one batch'):
        render_batch(images, batch_plans)


@pytest.mark.parametrize(
    'shape, dtype',
    [
        ((2, 3, 60, 61), torch.uint8),
        ((1, 3, 60, 60), torch.uint8),
        ((2, 60, 60, 3), torch.uint8),
        ((2, 3, 60, 60), torch.float32),
    ],
)
def test_images_that_are_not_the_plans(shape, dtype):
    batch_plans = [draw_plan(LabelPool(), 60, 30, 4, s) for s in (0, 1)]
    with pytest.raises(ValueError) as error:
        render_batch(torch.zeros(shape, dtype=dtype), batch_plans)
    assert str(shape) in str(error.value)
    assert str(dtype) in str(error.value)
    assert '(2, 3, 60, 60)' in str(error.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@every_kind
def test_a_gpu_equals_the_cpu(masked, jittered):
    batch_plans = [
        draw_plan(LabelPool(), (90, 70), 30, 6, s, masked, jittered)
        for s in range(4)
    ]
    images = torch.from_numpy(np.stack([noise(p) for p in batch_plans]))
    images = images.movedim(-1, 1)
    uploaded = images.cuda()  # which waits, as they are not pinned
    torch.cuda.set_sync_debug_mode('error')  # any wait is an error
    try:
        clips = render_batch(uploaded, batch_plans)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    difference = clips.cpu().int() - render_batch(images, batch_plans).int()
    assert difference.abs().max() <= jittered


# Through the data preprocessor


def packed(plan, seed, rendered):
    results = dict(img=noise(plan, seed), motion=plan, sample_idx=seed)
    if rendered:
        results = RenderPseudoMotion()(results)
    return PackMoSIInputs()(results)


def batch_of(batch_plans, rendered):
    return pseudo_collate(
        [packed(p, i, rendered) for i, p in enumerate(batch_plans)]
    )


@pytest.mark.parametrize('channels_last', [False, True])
@every_kind
def test_preprocessor_makes_one_batch_of_both(masked, jittered, channels_last):
    batch_plans = [
        draw_plan(LabelPool(), 60, 30, 4, s, masked, jittered)
        for s in range(3)
    ]
    options = dict(mean=(1, 2, 3), std=(4, 5, 6), channels_last=channels_last)
    worker = MoSIDataPreprocessor(**options)(batch_of(batch_plans, True))
    device = MoSIDataPreprocessor(**options, render=True)(
        batch_of(batch_plans, False)
    )
    assert device['inputs'].stride() == worker['inputs'].stride()
    assert device['inputs'].dtype == torch.float32
    std = torch.tensor([4.0, 5, 6]).view(3, 1, 1, 1)
    levels = (device['inputs'] - worker['inputs']).abs() * std
    assert levels.max() <= jittered + 1e-4
    for i, (a, b) in enumerate(
        zip(device['data_samples'], worker['data_samples'])
    ):
        assert torch.equal(a.gt_label, b.gt_label)
        assert a.motion is batch_plans[i]  # neither copied nor lost
    for clip in device['inputs'].flatten(0, 1):
        assert (
            clip.is_contiguous(memory_format=torch.contiguous_format)
            != channels_last
        )


def test_normalised_values_are_the_formula():
    plan = draw_plan(LabelPool(), 60, 30, 4, 0, True)
    for rendered in (True, False):
        batch = MoSIDataPreprocessor(
            mean=(1, 2, 3), std=(4, 5, 6), render=not rendered
        )(batch_of([plan], rendered))['inputs']
        expected = (render(noise(plan, 0), plan) - [1, 2, 3]) / [4, 5, 6]
        np.testing.assert_allclose(
            batch[0].movedim(1, -1), expected, rtol=1e-5, atol=1e-5
        )


def test_rendered_twice():
    plan = draw_plan(LabelPool(), 60, 30, 4, 0)
    with pytest.raises(
        ValueError,
        match='render=True but got clips that are '
        'rendered already: remove RenderPseudoMotion',
    ):
        MoSIDataPreprocessor(render=True)(batch_of([plan], True))


def test_rendered_never():
    plan = draw_plan(LabelPool(), 60, 30, 4, 0)
    with pytest.raises(
        ValueError,
        match='put RenderPseudoMotion before '
        'PackMoSIInputs.*or set render=True',
    ):
        MoSIDataPreprocessor()(batch_of([plan], False))


def test_images_without_a_plan():
    plan = draw_plan(LabelPool(), 60, 30, 4, 0)
    batch = batch_of([plan, plan], False)
    del batch['data_samples'][1].motion
    with pytest.raises(ValueError, match="its plan, 'motion'"):
        MoSIDataPreprocessor(render=True)(batch)
    with pytest.raises(ValueError, match="its plan, 'motion'"):
        MoSIDataPreprocessor(render=True)(dict(inputs=batch['inputs']))


def test_images_of_different_sizes():
    batch = batch_of(
        [draw_plan(LabelPool(), side, 30, 4, 0) for side in (60, 61)], False
    )
    with pytest.raises(ValueError, match=r'\(60, 60\), \(61, 61\).*CropSou'):
        MoSIDataPreprocessor(render=True)(batch)


# One line of a config


@pytest.mark.parametrize(
    'name', ['mosi_r2p1d_hmdb', 'tiny/mosi_r2p1d_deadleaves']
)
def test_one_line_moves_the_rendering(name, tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        f'_base_ = [{config_path(name)!r}]\n'
        'from mosi_mmaction import render_on_device\n'
        'render_on_device(_base_)\n'
    )
    stock, cfg = Config.fromfile(config_path(name)), Config.fromfile(leaf)
    cfg.dump(tmp_path / 'dumped.py')
    for moved in (cfg, Config.fromfile(tmp_path / 'dumped.py')):
        assert moved.model.data_preprocessor == dict(
            stock.model.data_preprocessor, render=True
        )
        for loader in ('train', 'val', 'test'):
            before, after = (
                c[f'{loader}_dataloader'].dataset.pipeline
                for c in (stock, moved)
            )
            assert dict(type='RenderPseudoMotion') in before
            assert after == [
                s for s in before if s['type'] != 'RenderPseudoMotion'
            ]
    with pytest.raises(ValueError, match='no pipeline with RenderPseudo'):
        render_on_device(cfg)
    cfg = copy.deepcopy(stock)
    render_on_device(cfg)  # a whole config, too
    assert cfg.model.data_preprocessor.render


def test_fine_tuning_renders_nothing():
    with pytest.raises(ValueError, match='is it a fine-tuning config'):
        render_on_device(Config.fromfile(config_path('finetune_r2p1d_hmdb')))


def test_a_data_set_sends_the_same_clips_either_way():
    cfg = Config.fromfile(config_path('tiny/mosi_r2p1d_deadleaves'))
    moved = copy.deepcopy(cfg)
    render_on_device(moved)
    batches = []
    for c in (cfg, moved):
        data = DeadLeavesDataset(
            **dict(
                {
                    k: v
                    for k, v in c.val_dataloader.dataset.items()
                    if k != 'type'
                },
                num_images=2,
            )
        )
        options = dict(c.model.data_preprocessor)
        assert options.pop('type') == 'MoSIDataPreprocessor'
        batches.append(
            MoSIDataPreprocessor(**options)(pseudo_collate([data[0], data[1]]))
        )
    assert torch.equal(batches[0]['inputs'], batches[1]['inputs'])


def test_a_wrong_renderer_would_be_noticed():
    # The comparison itself: another frame for q, and one colour for all
    # frames of a clip, are both seen.
    plan = draw_plan(LabelPool(), 60, 30, 4, 0, True, True)
    image = noise(plan)
    right = render(image, plan)
    other = replace(plan, background=(plan.background + 1) % 4)
    first = replace(
        plan,
        color=replace(
            plan.color,
            **{
                k: np.repeat(v[:, :1], 4, axis=1)
                for k, v in vars(plan.color).items()
            },
        ),
    )
    for wrong in (other, first):
        assert abs(on_device([image], [wrong])[0] - right).max() > 1
