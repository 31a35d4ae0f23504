"""The full-size configs against the published recipe, number by number.

Figures are those of the authors' release, written out here; what they are
compared with comes out of the configs' own transforms, samplers, schedules
and networks at work, not out of their text.
"""

import math
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmaction.registry import (
    DATA_SAMPLERS,
    LOOPS,
    MODELS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
)
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn
from torch.utils.data import DataLoader

from mosi_mmaction import config_path, set_epochs, set_three_crops
from mosi_mmaction.datasets import EpochIndex

GPUS = 8
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
RECIPES = {**PRETRAINING, **FINETUNING}
# Training videos of split 1, as published.
SIZES = dict(hmdb=3570, ucf=9537, k400=240_436, imagenet=1_281_167)

every_recipe = pytest.mark.parametrize('name', RECIPES)
every_pretraining = pytest.mark.parametrize('name', PRETRAINING)
every_finetuning = pytest.mark.parametrize('name', FINETUNING)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmaction')


@cache
def load(name):  # for reading only
    return Config.fromfile(config_path(name))


def pipeline(name, part='train'):
    return load(name)[f'{part}_dataloader'].dataset.pipeline


def step_of(name, kind, part='train'):
    return next(
        (s for s in pipeline(name, part) if s['type'].startswith(kind)), None
    )


def test_no_full_size_config_is_left_out():
    folder = Path(config_path('mosi_r2p1d_hmdb')).parent
    names = {p.stem for p in folder.glob('*.py')}
    others = {
        n
        for n in names
        # The paper has no recipe for these; layers and transformers go
        # beyond it.
        if n.startswith(('linear_', 'retrieval_'))
        or n.split('_')[1] in ('vit', 'swin', 'mvit')
        or '_layers_' in n
    }
    assert names - others == set(RECIPES)


# ------------------------------------------------------------------ length
def batches(name, size):
    """The config's batch sampler of each rank over a data set of a size."""
    loader = load(name).train_dataloader
    found = []
    for rank in range(GPUS):
        sampler = DATA_SAMPLERS.build(
            loader.sampler, default_args=dict(dataset=range(size), seed=0)
        )
        sampler.rank, sampler.world_size = rank, GPUS
        found.append(
            DATA_SAMPLERS.build(
                loader.batch_sampler,
                default_args=dict(
                    sampler=sampler, batch_size=loader.batch_size
                ),
            )
        )
    return found


def steps_told(name, size):
    """Steps of a run as the release counts them, in rounds."""
    total, epochs = RECIPES[name][:2]
    length = 30 if name in FINETUNING else 20
    assert epochs % length == 0
    return epochs // length * (length * size // total)


@every_recipe
def test_batch_and_steps_of_a_run(name):
    total, epochs, *_ = RECIPES[name]
    cfg = load(name)
    assert cfg.train_dataloader.batch_size * GPUS == total
    assert cfg.auto_scale_lr.base_batch_size == total
    assert cfg.train_cfg.max_epochs == epochs
    size = SIZES[name.replace('_3crop', '').rsplit('_', 1)[1]]
    first = batches(name, size)[0]
    counts = []
    for epoch in range(epochs):
        first.sampler.set_epoch(epoch)
        counts.append(len(first))
    assert sum(counts) == first.steps(epochs) == steps_told(name, size)
    assert max(counts) - min(counts) <= 1


def test_steps_of_an_epoch_with_large_batches():
    first = batches('finetune_r2d3d_hmdb', 3570)[0]
    assert first.steps(300) == 1040  # 3.47 an epoch; 900 with drop_last


# ---------------------------------------------------------------- schedule
def rates(cfg, size, gpus=GPUS):
    """The learning rate of every step, as MMEngine builds and drives it."""
    loader = DataLoader(
        range(size),
        batch_sampler=batches_of(cfg, size, gpus),
    )
    runner = SimpleNamespace(
        build_dataloader=None,
        visualizer=SimpleNamespace(),
        cfg=cfg,
    )
    loop = LOOPS.build(
        dict(cfg.train_cfg),
        default_args=dict(runner=runner, dataloader=loader),
    )
    wrapper = build_optim_wrapper(
        nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1)), cfg.optim_wrapper
    )
    (schedule,) = cfg.param_scheduler
    scheduler = PARAM_SCHEDULERS.build(
        dict(schedule, end=loop.max_iters),
        default_args=dict(
            optimizer=wrapper, epoch_length=len(loop.dataloader)
        ),
    )
    seen = []
    for _ in range(loop.max_iters):
        (rate,) = {g['lr'] for g in wrapper.param_groups}
        seen.append(rate)
        wrapper.optimizer.step()
        scheduler.step()
    return np.array(seen)


def batches_of(cfg, size, gpus):
    sampler = DATA_SAMPLERS.build(
        cfg.train_dataloader.sampler,
        default_args=dict(dataset=range(size), seed=0),
    )
    sampler.world_size = gpus
    return DATA_SAMPLERS.build(
        cfg.train_dataloader.batch_sampler,
        default_args=dict(
            sampler=sampler, batch_size=cfg.train_dataloader.batch_size
        ),
    )


def told_rates(steps, epochs, warmup, base, first):
    def cosine(e):
        return base * (1 + math.cos(math.pi * e / epochs)) / 2

    told = []
    for step in range(steps):
        e = step / steps * epochs
        if e < warmup:
            told.append(first + (cosine(warmup) - first) * e / warmup)
        else:
            told.append(cosine(e))
    return np.array(told)


@every_recipe
def test_learning_rate_of_every_step(name):
    _, epochs, warmup, base, first, _ = RECIPES[name]
    # Kinetics and ImageNet have very many steps: a part will do.
    size = SIZES[name.replace('_3crop', '').rsplit('_', 1)[1]]
    size = min(size, 10_000)
    seen = rates(load(name), size)
    assert len(seen) == steps_told(name, size)
    told = told_rates(len(seen), epochs, warmup, base, first)
    assert abs(seen - told).max() < 1e-6 * base
    assert seen[0] == pytest.approx(first, rel=1e-9)


@pytest.mark.parametrize('epochs', [12, 50, 301])
def test_the_schedule_follows_another_length(epochs):
    cfg = Config.fromfile(config_path('finetune_r2d3d_hmdb'))
    set_epochs(cfg, epochs)
    seen = rates(cfg, 3570)
    rounds, rest = divmod(epochs, 30)
    assert len(seen) == rounds * 104 + rest * 3570 // 1024
    told = told_rates(len(seen), epochs, 10, 2e-3, 2e-4)
    assert abs(seen - told).max() < 1e-6 * 2e-3


# ----------------------------------------------------- network, optimizer
@every_recipe
def test_optimizer_and_network(name):
    *_, base, _, decay = RECIPES[name]
    cfg = load(name)
    with torch.device('meta'):
        model = MODELS.build(
            {k: v for k, v in cfg.model.items() if k != 'data_preprocessor'}
        )
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    assert type(optimizer) is torch.optim.Adam
    decays = {
        id(p): group['weight_decay']
        for group in optimizer.param_groups
        for p in group['params']
    }
    assert {g['lr'] for g in optimizer.param_groups} == {base}
    norms = 0
    for module in model.modules():
        is_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        if is_norm:
            norms += 1
            assert (module.eps, module.momentum) == (1e-3, 0.1)
            assert type(module) is nn.BatchNorm3d  # not synchronised
        for parameter in module.parameters(recurse=False):
            assert decays[id(parameter)] == (0 if is_norm else decay)
    assert norms > 10
    assert 'sync_bn' not in cfg
    assert [
        m.p for m in model.modules() if isinstance(m, nn.Dropout) and m.p
    ] == [0.5]
    classes = (
        9 if name in PRETRAINING else 101 if name.endswith('_ucf') else 51
    )
    assert model.cls_head.num_classes == classes
    if name in FINETUNING:
        assert model.cls_head.average_clips == 'prob'
    normalise = MODELS.build(cfg.model.data_preprocessor)
    mean, std = (t.flatten().tolist() for t in (normalise.mean, normalise.std))
    assert mean == pytest.approx([0.45 * 255] * 3)
    assert std == pytest.approx([0.225 * 255] * 3)


# ------------------------------------------------------------- pretraining
def drawn_plans(name, count, part='train'):
    """Plans of a config's own steps, from the source image on."""
    steps = [
        s
        for s in pipeline(name, part)
        if s['type'].startswith(('Crop', 'Draw'))
    ]
    run = Compose([TRANSFORMS.build(dict(s)) for s in steps])
    image = np.zeros((320, 400, 3), np.uint8)
    image[:, :, 0] = np.arange(400) // 2
    return [
        run(dict(img=image, sample_idx=EpochIndex(i, 0, 0)))
        for i in range(count)
    ]


@every_pretraining
def test_clips_of_pretraining(name):
    for part in ('train', 'val'):
        results = drawn_plans(name, 40, part)
        for result in results:
            plan = result['motion']
            assert plan.shape == (9, 16, 112, 112, 3)
            assert plan.source_size == (320, 320)
            assert plan.pool.speeds.tolist() == [
                *([v, 0] for v in (-2, -1, 1, 2)),
                *([0, v] for v in (-2, -1, 1, 2)),
                [0, 0],
            ]
            moved = plan.offsets[:, -1] - plan.offsets[:, 0]
            assert moved.tolist() == (104 * plan.pool.speeds).tolist()
            side = plan.boxes[:, 2] - plan.boxes[:, 0]
            assert side.min() >= 33 and side.max() <= 56  # 0.3, 0.5 of 112
            assert (plan.color is not None) == (part == 'train')
        if part == 'val':
            assert len({r['img'].tobytes() for r in results}) == 1
    assert step_of(name, 'LoadSourceFrame')['short_side'] == 320
    assert step_of(name, 'LoadSourceFrame').get('frame') in (None, 'random')
    assert step_of(name, 'LoadSourceFrame', 'val')['frame'] == 'middle'


@every_pretraining
def test_colours_of_pretraining(name):
    # 225 images of nine clips: 2025 draws.
    colors = [r['motion'].color for r in drawn_plans(name, 225)]
    gray = np.concatenate([c.grayscale for c in colors])  # (2025, 16)
    assert (gray == gray[:, :1]).all()
    assert abs(gray[:, 0].mean() - 0.3) < 0.03
    for key, low, high in (
        ('brightness', 0.5, 1.5),
        ('contrast', 0.5, 1.5),
        ('saturation', 0.5, 1.5),
        ('hue', -0.25, 0.25),
    ):
        values = np.concatenate([getattr(c, key) for c in colors])
        assert values.min() == pytest.approx(low, abs=0.01)
        assert values.max() == pytest.approx(high, abs=0.01)
        assert len(np.unique(values)) == values.size  # each frame its own


def test_grey_clips_as_rendered():
    # All frames of a clip are grey, or none is.
    steps = [
        s
        for s in pipeline('mosi_r2p1d_hmdb')
        if s['type'].startswith(('Crop', 'Draw', 'Render'))
        and s['type'] != 'DrawStaticMask'
    ]
    run = Compose([TRANSFORMS.build(dict(s)) for s in steps])
    image = np.random.default_rng(0).integers(
        0, 256, (320, 320, 3), dtype=np.uint8
    )
    count = 0
    for i in range(12):
        clips = run(dict(img=image, sample_idx=EpochIndex(i, 0, 0)))['imgs']
        spread = np.ptp(clips.astype(int), axis=-1).max(axis=(2, 3))
        gray = spread <= 2  # (9, 16); a grey pixel is rounded three times
        assert (gray == gray[:, :1]).all()
        count += gray[:, 0].sum()
    assert 12 <= count <= 55  # of 108


@every_pretraining
def test_held_out_frames_are_of_the_test_videos(name):
    data = name.rsplit('_', 1)[1]
    dataset = load(name).val_dataloader.dataset
    told = dict(
        hmdb='hmdb51_val_split_1_videos.txt',
        ucf='ucf101_val_split_1_videos.txt',
        k400='kinetics400_val_list_videos.txt',
    )
    assert dataset.get('ann_file') == told.get(data)
    assert dataset.test_mode


# ------------------------------------------------------------- fine-tuning
def cropped(name, part, height, width):
    """Return the part of a frame that is seen, (x1, y1, x2, y2), and clips.

    The frame's colours tell where its pixels were.
    """
    steps = [
        s
        for s in pipeline(name, part)
        if s['type']
        in ('SeedSample', 'RandomResizedCrop', 'Resize', 'CenterCrop', 'Flip')
    ]
    run = Compose([TRANSFORMS.build(dict(s)) for s in steps])
    y, x = np.mgrid[:height, :width]
    frame = np.stack([x / width, y / height, 0 * x], -1)

    def seen(index):
        out = run(
            dict(
                imgs=[(frame * 255).astype(np.float32)] * 2,
                img_shape=(height, width),
                modality='RGB',
                sample_idx=EpochIndex(index, 0, 0),
            )
        )['imgs']
        assert [img.shape for img in out] == [(112, 112, 3)] * 2
        inside = out[0] / 255
        columns, rows = inside[56, :, 0], inside[:, 56, 1]
        # From pixel centres to the edges of what was seen.
        w = (columns[-2] - columns[1]) * 112 / 109
        h = (rows[-2] - rows[1]) * 112 / 109
        return abs(w), h, w < 0, columns[55:57].mean(), rows[55:57].mean()

    return seen


@every_finetuning
def test_share_of_a_frame_in_training(name):
    seen = cropped(name, 'train', 240, 320)
    crops = np.array([seen(i) for i in range(400)])
    share = crops[:, 0] * crops[:, 1]
    aspect = crops[:, 0] * 320 / (crops[:, 1] * 240)
    assert 168**2 / (256 * 340) == pytest.approx(0.324, abs=5e-4)
    assert 224**2 / (256 * 340) == pytest.approx(0.576, abs=5e-4)
    assert 0.318 < share.min() < 0.335 and 0.565 < share.max() < 0.582
    assert share.mean() == pytest.approx(0.45, abs=0.015)
    assert 0.845 < aspect.min() < 0.88 and 1.14 < aspect.max() < 1.18
    assert crops[:, 2].mean() == pytest.approx(0.5, abs=0.1)  # flipped


@pytest.mark.parametrize('part', ['val', 'test'])
@pytest.mark.parametrize(
    'height, width', [(240, 320), (320, 240), (240, 427), (256, 340)]
)
@every_finetuning
def test_share_of_a_frame_at_test(name, height, width, part):
    w, h, flipped, x, y = cropped(name, part, height, width)(0)
    short = min(height, width)
    assert w * width == pytest.approx(224 / 256 * short, abs=1.5)
    assert h * height == pytest.approx(224 / 256 * short, abs=1.5)
    assert not flipped
    assert abs(x - 0.5) * width < 1.5 and abs(y - 0.5) * height < 1.5
    if (height, width) == (240, 320):
        assert w * h == pytest.approx(0.574, abs=0.006)  # 210² of 240 x 320


def test_three_crops_follow():
    cfg = load('finetune_r2p1d_hmdb_3crop')
    steps = [
        s
        for s in cfg.test_dataloader.dataset.pipeline
        if s['type'] in ('Resize', 'ThreeCrop', 'CenterCrop')
    ]
    assert [s['type'] for s in steps] == ['Resize', 'ThreeCrop', 'CenterCrop']
    run = Compose([TRANSFORMS.build(dict(s)) for s in steps])
    x = np.tile(np.arange(320, dtype=np.float32)[:, None], (240, 1, 3))
    out = run(dict(imgs=[x], img_shape=(240, 320), modality='RGB'))['imgs']
    assert [img.shape for img in out] == [(112, 112, 3)] * 3
    # A seventh-eighth of each square: at the left, at the right, between.
    edges = [(img[50, 0, 0], img[50, -1, 0]) for img in out]
    told = [(16, 224), (96, 304), (56, 264)]
    np.testing.assert_allclose(edges, told, atol=2.5)
    fresh = Config.fromfile(config_path('finetune_r2p1d_hmdb'))
    set_three_crops(fresh)
    assert (
        fresh.test_dataloader.dataset.pipeline
        == cfg.test_dataloader.dataset.pipeline
    )


# 16 frames, every 4th at 30 a second.
SHORT = [0, 4, 8, 12, 16, 21, 25, 29, 33, 37, *[39] * 6]  # of 40 at 30


def frames_of(name, part, total, fps, index=0):
    step = TRANSFORMS.build(dict(step_of(name, 'SampleFramesAtRate', part)))
    sample = dict(total_frames=total, avg_fps=fps, start_index=0)
    sample['sample_idx'] = EpochIndex(index, 0, 0)
    out = step(sample)
    return out['frame_inds'].reshape(out['num_clips'], out['clip_len'])


def told_frames(start, total, fps):
    """The rule, in whole numbers: positions are in 15ths of 1/30 frames."""
    length = 64 * fps  # times 30
    places = [
        (30 * 15 * start + k * (length - 30)) // (30 * 15) for k in range(16)
    ]
    return [int(min(p, total - 1)) for p in places]


def test_the_rule_written_out():
    assert told_frames(0, 40, 30) == SHORT
    assert told_frames(0, 300, 30)[:6] == [0, 4, 8, 12, 16, 21]
    assert told_frames(0, 300, 30)[-1] == 63
    # 64 * 25 / 30 frames: 53.33, so 52.33 / 15 = 3.49 apart.
    assert told_frames(0, 75, 25) == [
        math.floor(k * (64 * 25 / 30 - 1) / 15) for k in range(16)
    ]


@pytest.mark.parametrize('total, fps', [(40, 30), (75, 25), (300, 30)])
@every_finetuning
def test_frames_of_a_clip(name, total, fps):
    room = max(total - 64 * fps / 30, 0)
    starts = set()
    for index in range(60):
        (frames,) = frames_of(name, 'train', total, fps, index)
        first = frames[0]
        assert first <= room
        starts.add(int(first))
        # Some start within the first frame leads to all the others.
        assert frames.tolist() in [
            told_frames(first + k / 1000, total, fps) for k in range(1000)
        ]
    if room:
        assert min(starts) < 0.1 * room and max(starts) > 0.9 * room - 1
    else:
        assert starts == {0}
    (middle,) = frames_of(name, 'val', total, fps)
    assert middle.tolist() == told_frames(room / 2, total, fps)
    clips = frames_of(name, 'test', total, fps)
    assert len(clips) == 10
    for i, clip in enumerate(clips):
        # In whole numbers as far as it goes: room is a third at 25 fps.
        start = round(room * 3) * i / 30
        assert clip.tolist() == told_frames(start + 1e-9, total, fps), i
    if total == 40:
        assert clips.tolist() == [SHORT] * 10
    if total == 300:
        assert clips[:, 0].tolist() == [
            0, 23, 47, 70, 94, 118, 141, 165, 188, 212,
        ]  # fmt: skip
        assert clips[-1, -1] == 275  # 236 * 9 / 10 + 63


@every_finetuning
def test_colours_of_fine_tuning(name):
    jitter = TRANSFORMS.build(dict(step_of(name, 'ClipColorJitter'))).jitter
    drawn = jitter.draw((2000, 16), np.random.default_rng(0))
    for key in ('brightness', 'contrast', 'saturation', 'hue', 'grayscale'):
        values = getattr(drawn, key)
        assert (values == values[:, :1]).all()
    assert abs(drawn.grayscale[:, 0].mean() - 0.3) < 0.03
    for key, half in (('brightness', 0.5), ('contrast', 0.5), ('hue', 0.25)):
        assert np.ptp(getattr(drawn, key)) == pytest.approx(2 * half, abs=0.01)
    assert not step_of(name, 'ClipColorJitter', 'test')
