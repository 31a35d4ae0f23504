"""Edits of fine-tuning configs, ours and those of other projects."""

import copy

import pytest
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config

from helpers.config_leaf import LOADERS, config, leaf, steps
from mosi_mmaction import (
    config_path,
    set_clips,
    set_decoder,
    set_epochs,
    set_retrieval,
    set_three_crops,
)


def test_clips_of_finetuning(tmp_path):
    line = (
        'from mosi_mmaction import set_clips\n'
        'set_clips(_base_, clip_len=8, frame_interval=2, size=56)'
    )
    cfg = leaf(tmp_path, 'finetune_r2p1d_hmdb', line)
    for sampling in steps(cfg, 'SampleFramesAtRate'):
        assert (sampling.clip_len, sampling.frame_interval) == (8, 2)
        assert sampling.target_fps == 30
    training, *tests = steps(cfg, 'Resize')
    assert training.scale == (56, 56)
    # 7/8 of the frame's short side, as before.
    assert [s.scale for s in tests] == [(-1, 64)] * 2
    assert [s.crop_size for s in steps(cfg, 'CenterCrop')[1:]] == [56] * 2
    cfg = config('finetune_r2p1d_hmdb').copy()
    set_three_crops(cfg)
    set_clips(cfg, size=56)
    assert steps(cfg, 'ThreeCrop')[-1].crop_size == 64
    with pytest.raises(ValueError, match='set_clips.*pretraining'):
        set_clips(config('mosi_r2p1d_hmdb').copy(), clip_len=8)


def test_clips_of_a_config_of_mmaction2():
    # Its training pipelines resize before they crop, and again afterwards.
    cfg = get_config(
        'mmaction::recognition/slowonly/'
        'slowonly_r50_8xb16-4x16x1-256e_kinetics400-rgb.py'
    )
    before = copy.deepcopy(cfg.train_dataloader.dataset.pipeline)
    assert [s.scale for s in before if s.type == 'Resize'] == [
        (-1, 256),
        (224, 224),
    ]
    set_clips(cfg, size=112)
    found = [
        [
            s.get('scale', s.get('crop_size'))
            for s in cfg[loader].dataset.pipeline
        ]
        for loader in LOADERS
    ]
    training, validation, test = (
        [size for size in sizes if size is not None] for sizes in found
    )
    assert training == [(-1, 128), (112, 112)]
    assert validation == [(-1, 128), 112]
    assert test == [(-1, 112), 112]  # three crops of the whole frame


@pytest.mark.parametrize(
    'call, said',
    [
        (lambda cfg: set_epochs(cfg, 9), 'set_epochs.*list param_scheduler'),
        (lambda cfg: set_retrieval(cfg), 'set_retrieval.*no train_dataloader'),
        (lambda cfg: set_clips(cfg, clip_len=9), 'set_clips.*DenseSample'),
        (
            lambda cfg: set_three_crops(cfg),
            'set_three_crops.*no test_dataloader',
        ),
    ],
)
def test_what_a_config_lacks_is_told(call, said):
    cfg = ConfigDict(test_dataloader=dict(dataset=dict(type='VideoDataset')))
    if 'no test_dataloader' in said:
        cfg.clear()
    with pytest.raises(ValueError, match=said):
        call(cfg)


def test_the_dataset_inside_wrappers_is_meant():
    cfg = config('tiny/finetune_r2p1d_weizmann').copy()
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=inner
    )
    set_retrieval(cfg)
    gallery, _ = cfg.test_dataloader.dataset.datasets
    assert gallery.ann_file == inner.ann_file


def test_set_decoder():
    cfg = Config.fromfile(config_path('finetune_r2p1d_hmdb'))._cfg_dict
    before = {
        loader: [s.type for s in cfg[loader].dataset.pipeline]
        for loader in LOADERS
    }
    for name, kind in (
        ('pyav', 'PyAV'),
        ('decord', 'Decord'),
        ('video', 'Video'),
    ):
        set_decoder(cfg, name)
        for loader in LOADERS:
            names = [s['type'] for s in cfg[loader].dataset.pipeline]
            assert names == [s.replace('Video', kind) for s in before[loader]]
            assert kind + 'Init' in names and kind + 'Decode' in names
    assert cfg.test_dataloader.collate_fn.type == 'mosi_collate'
    # MMAction2's own preprocessor cannot take a batch that is stacked.
    cfg.model.data_preprocessor.type = 'ActionDataPreprocessor'
    cfg.test_dataloader.pop('collate_fn')
    set_decoder(cfg, 'video')
    assert 'collate_fn' not in cfg.test_dataloader
    cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_weizmann'))
    before = steps(cfg, 'VideoInit')
    set_decoder(cfg._cfg_dict, 'video')
    assert steps(cfg, 'VideoInit') == before and before[0].cache_mb > 0
    for wrong, where in (
        ('av', 'finetune_r2p1d_hmdb'),
        ('pyav', 'mosi_r2p1d_hmdb'),
    ):
        with pytest.raises(ValueError, match='set_decoder'):
            set_decoder(Config.fromfile(config_path(where))._cfg_dict, wrong)
