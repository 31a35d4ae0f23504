"""One line changes the motion of a whole config, and survives its dump."""

import copy
import inspect
from pathlib import Path

import numpy as np
import pytest
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config

import mosi_mmaction
from helpers.config_leaf import LOADERS, config, leaf, steps
from mosi_mmaction import (
    LabelPool,
    config_path,
    set_motion,
)
from mosi_mmaction.config.lookup import find_config


def motion_leaf(tmp_path, base='mosi_r2p1d_hmdb', **args):
    given = ', '.join(f'{k}={v!r}' for k, v in args.items())
    return leaf(
        tmp_path,
        base,
        f'from mosi_mmaction import set_motion\nset_motion(_base_, {given})',
    )


# ------------------------------------------------------------- config_path
def test_config_path():
    path = config_path('tiny/mosi_r2p1d_images')
    assert Path(path).is_file()
    assert config_path('tiny/mosi_r2p1d_images.py') == path
    with pytest.raises(FileNotFoundError) as error:
        config_path('mosi_r2p1d_hmbd')
    text = str(error.value)
    assert "'mosi_r2p1d_hmbd'" in text and 'mosi_r2p1d_hmdb' in text
    assert 'did you mean mosi_r2p1d_hmdb or ' in text
    assert 'tiny/mosi_r2p1d_images' not in text  # one line, not sixty names
    with pytest.raises(
        FileNotFoundError, match='mosi_mmaction; there are'
    ) as error:
        config_path('zzzz')
    assert 'tiny/mosi_r2p1d_images' in str(error.value)
    assert '_base_' not in str(error.value)
    with pytest.raises(FileNotFoundError, match='below configs/$'):
        config_path('work_dirs/my/config.py')


def test_a_mistyped_checkpoint_names_its_neighbours(tmp_path):
    path = tmp_path / 'epoch_41.pth'
    with pytest.raises(FileNotFoundError, match=r'no checkpoint.*41\.pth.$'):
        find_config(str(path))
    (tmp_path / 'epoch_40.pth').touch()
    with pytest.raises(FileNotFoundError, match=r'mean .*epoch_40\.pth\?$'):
        find_config(str(path))


def test_a_leaf_inherits_by_name(tmp_path):
    assert (
        leaf(tmp_path, 'mosi_r2p1d_hmdb').to_dict()
        == config('mosi_r2p1d_hmdb').to_dict()
    )


# -------------------------------------------------------------- set_motion
@pytest.mark.parametrize(
    'args',
    [
        dict(axes='x'),
        dict(axes='y', num_speeds=7),
        dict(num_speeds=3),
        dict(decoupled=False),
        dict(static=False),
        dict(decoupled=False, static=False, num_speeds=3),
    ],
)
@pytest.mark.parametrize(
    'base', ['mosi_r2p1d_hmdb', 'tiny/mosi_r2p1d_deadleaves']
)
def test_pool_reaches_pipelines_and_head(tmp_path, base, args):
    cfg = motion_leaf(tmp_path, base, **args)
    pool = LabelPool(**args)
    head = MODELS.build(cfg.model.cls_head)
    assert head.pool == pool and head.num_classes == len(pool)
    size = steps(cfg, 'CropSource')[0].size
    for step in steps(cfg, 'DrawPseudoMotion'):
        draw = TRANSFORMS.build(step)
        assert draw.pool == pool
        plan = draw(dict(img=np.zeros((size, size, 3), np.uint8)))['motion']
        assert len(plan.labels) == head.num_classes
    told = config(base)
    assert steps(told, 'DrawPseudoMotion')[0].get('axes', 'xy') == 'xy'
    for kind in ('DrawStaticMask', 'CropSource', 'SeedSample'):
        assert steps(cfg, kind) == steps(told, kind)


def test_it_survives_dump_and_reload(tmp_path):
    cfg = motion_leaf(
        tmp_path, axes='x', clip_len=8, static_mask=None, separate=True
    )
    cfg.dump(tmp_path / 'dumped.py')
    back = Config.fromfile(tmp_path / 'dumped.py')
    assert back.to_dict() == cfg.to_dict()
    assert [s.axes for s in steps(back, 'DrawPseudoMotion')] == ['x'] * 3
    assert steps(back, 'DrawStaticMask') == [None] * 3
    assert back.model.cls_head.axes == 'x'
    assert back.model.cls_head.separate is True


def test_separate_is_of_the_head_alone(tmp_path):
    cfg = motion_leaf(tmp_path, separate=True)
    head = MODELS.build(cfg.model.cls_head)
    assert head.separate and head.pool == LabelPool()
    assert steps(cfg, 'DrawPseudoMotion') == steps(
        config('mosi_r2p1d_hmdb'), 'DrawPseudoMotion'
    )


@pytest.mark.parametrize(
    'base, clip_len, size',
    [
        ('mosi_r2p1d_hmdb', 8, 209),  # 112 + 208 * 7 / 15
        ('mosi_r2p1d_hmdb', 31, 528),
        ('tiny/mosi_r2p1d_images', 16, 101),  # 32 + 32 * 15 / 7
        ('tiny/mosi_r2p1d_deadleaves', 16, 101),
    ],
)
def test_clip_len_keeps_the_pixels_a_frame(tmp_path, base, clip_len, size):
    cfg, told = motion_leaf(tmp_path, base, clip_len=clip_len), config(base)
    motion = steps(cfg, 'DrawPseudoMotion')
    assert [s.clip_len for s in motion] == [clip_len] * 3
    assert [s.size for s in steps(cfg, 'CropSource')] == [size] * 3
    for loader in LOADERS:
        dataset = cfg[loader].dataset
        drawn = dataset.get('size')
        assert (drawn or dataset.pipeline[1].short_side) == size
    pace = [
        (steps(c, 'CropSource')[0].size - m.crop_size) / (m.clip_len - 1)
        for c in (cfg, told)
        for m in steps(c, 'DrawPseudoMotion')[:1]
    ]
    assert pace[0] == pytest.approx(pace[1], rel=0.02)


@pytest.mark.parametrize(
    'base', ['mosi_r2p1d_hmdb', 'tiny/mosi_r2p1d_deadleaves']
)
def test_sizes_of_pretraining(tmp_path, base):
    told, cfg = config(base), motion_leaf(tmp_path, base, crop_size=80)
    room = [
        steps(c, 'CropSource')[0].size
        - steps(c, 'DrawPseudoMotion')[0].crop_size
        for c in (told, cfg)
    ]
    assert room[0] == room[1]
    cfg = motion_leaf(tmp_path, base, crop_size=56, source_size=160)
    for loader in LOADERS:
        dataset = dict(cfg[loader].dataset)
        sides = [dataset['size']] if 'size' in dataset else []
        sides += [
            s[key]
            for s in dataset['pipeline']
            for key in ('size', 'short_side')
            if key in s
        ]
        assert len(sides) == 2 and set(sides) == {160}
    assert {s.crop_size for s in steps(cfg, 'DrawPseudoMotion')} == {56}
    assert [s.clip_len for s in steps(cfg, 'DrawPseudoMotion')] == [
        s.clip_len for s in steps(told, 'DrawPseudoMotion')
    ]


@pytest.mark.parametrize('value', [0.4, (0.2, 0.6)])
def test_static_mask_changes_or_comes_back(tmp_path, value):
    cfg = motion_leaf(tmp_path, static_mask=value)
    assert [
        TRANSFORMS.build(s).side_ratio for s in steps(cfg, 'DrawStaticMask')
    ] == [(0.4, 0.4) if value == 0.4 else value] * 3
    bare = motion_leaf(tmp_path, static_mask=None)
    assert steps(bare, 'DrawStaticMask') == [None] * 3
    set_motion(bare, static_mask=value)
    for loader in LOADERS:
        assert [dict(s) for s in bare[loader].dataset.pipeline] == [
            dict(s) for s in cfg[loader].dataset.pipeline
        ]


def test_color_jitter_is_for_training(tmp_path):
    cfg = motion_leaf(tmp_path, color_jitter=dict(hue=0.1))
    train, val, test = steps(cfg, 'DrawColorJitter')
    assert TRANSFORMS.build(train).jitter.hue == 0.1
    assert val is None and test is None
    cfg = motion_leaf(tmp_path, color_jitter=None)
    assert steps(cfg, 'DrawColorJitter') == [None] * 3
    # Where a config has none, training gets one.
    set_motion(cfg, color_jitter=dict(hue=0.1))
    train, val, test = steps(Config(cfg.to_dict()), 'DrawColorJitter')
    assert TRANSFORMS.build(train).jitter.hue == 0.1
    assert val is None and test is None


def test_other_configs_stay_as_they_are(tmp_path):
    before = copy.deepcopy(config('mosi_r2p1d_hmdb').to_dict())
    motion_leaf(tmp_path, axes='y', static_mask=None, clip_len=4)
    assert Config.fromfile(config_path('mosi_r2p1d_hmdb')).to_dict() == before


@pytest.mark.parametrize('name', ['axis', 'masked'])
def test_unknown_arguments(name):
    with pytest.raises(TypeError, match=rf"set_motion.*'{name}'"):
        set_motion(config('mosi_r2p1d_hmdb').copy(), **{name: None})


def test_a_default_that_is_not_none_reads_well():
    assert 'static_mask: Any = KEEP' in str(inspect.signature(set_motion))


def test_a_config_without_pseudo_motion():
    with pytest.raises(ValueError, match='fine-tuning'):
        set_motion(config('finetune_r2p1d_hmdb').copy(), axes='x')


def test_clip_len_needs_a_source_that_follows():
    cfg = Config.fromfile(config_path('mosi_r2p1d_hmdb'))._cfg_dict
    for loader in LOADERS:
        pipeline = cfg[loader].dataset.pipeline
        pipeline[:] = [s for s in pipeline if s['type'] != 'CropSource']
    with pytest.raises(ValueError, match='clip_len.*CropSource'):
        set_motion(cfg, clip_len=8)


def test_public_names():
    for name in mosi_mmaction.__all__:
        assert hasattr(mosi_mmaction, name), name


# Beyond the paper


def test_layers_reach_pipelines_and_head(tmp_path):
    args = dict(motions=('shift', 'zoom'), signed=False)
    cfg = motion_leaf(
        tmp_path,
        **args,
        ease=0.5,
        shake=0.01,
        shape='blob',
        soft=0.2,
        num_distractors=1,
        background=dict(max_shift=0.3, label='relative'),
    )
    assert MODELS.build(cfg.model.cls_head).pool == LabelPool(**args)
    for loader in LOADERS:
        pipeline = cfg[loader].dataset.pipeline
        kinds = [s['type'] for s in pipeline if s['type'].startswith('Draw')]
        jitter = ['DrawColorJitter'] if loader.startswith('train') else []
        assert kinds == [
            'DrawPseudoMotion',
            'DrawStaticMask',
            'DrawMovingBackground',
            *jitter,
        ]
        results = dict(
            img=np.zeros((320, 320, 3), np.uint8),
            rng=np.random.default_rng(0),
        )
        for step in pipeline:
            if step['type'].startswith('Draw'):
                results = TRANSFORMS.build(step)(results)
        plan = results['motion']
        assert plan.pool == LabelPool(**args) and plan.warp is not None
        assert plan.matte.soft == 0.2
        assert plan.camera.label == 'relative'
        assert plan.distractors.corners.shape[1] == 1
    for value in (None, 0.1):
        set_motion(cfg, background=value)
        for loader in LOADERS:
            found = [
                s['max_shift']
                for s in cfg[loader].dataset.pipeline
                if s['type'] == 'DrawMovingBackground'
            ]
            assert found == ([] if value is None else [value])


def test_shapes_are_of_a_mask(tmp_path):
    with pytest.raises(ValueError, match="'soft'.* static_mask="):
        motion_leaf(tmp_path, static_mask=None, soft=0.2)
