"""Evaluation protocols: what is measured, what is trained, what is kept."""

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from helpers.motion_truth import measured_motion
from mosi_mmaction import config_path, set_motion
from mosi_mmaction.config.finetuning import (
    set_decoder,
    set_three_crops,
)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmaction')


# ------------------------------------------------------- retrieval and k-NN
def sample(role, label, feature):
    return dict(
        role=role,
        gt_label=torch.tensor([label]),
        feature=torch.tensor(feature),
    )


# ---------------------------------------------------------- frames and crops
@pytest.mark.parametrize('frames', [8, 12, 16, 24, 32])
def test_frames_change_and_pixels_a_frame_stay(frames, textured):
    cfg = Config.fromfile(config_path('mosi_r2p1d_hmdb'))
    set_motion(cfg, clip_len=frames, static_mask=None, color_jitter=None)
    steps = [
        s
        for s in cfg.train_dataloader.dataset.pipeline
        if s.type not in ('SeedSample', 'LoadSourceFrame', 'PackMoSIInputs')
    ]
    pipeline = Compose([TRANSFORMS.build(s) for s in steps])
    sample = pipeline(
        dict(img=textured((560, 760)), rng=np.random.default_rng(0))
    )
    clips, plan = sample['imgs'], sample['motion']
    assert clips.shape == (9, frames, 112, 112, 3)
    # Speed 2 takes 208 pixels in 15 steps, speed 1 half of that. The source
    # is a whole number of pixels, and so is each offset.
    for motion in ((2, 0), (0, -1)):
        label = plan.pool.speeds.tolist().index([*motion])
        (clip,) = clips[plan.labels == label]
        told = np.multiply(motion, 208 / 15 / 2)
        moved = np.array(measured_motion(clip, max_step=16))
        assert moved / (frames - 1) == pytest.approx(
            told, abs=1.5 / (frames - 1)
        )


def test_three_crops_contain_the_centre_crop(rng):
    frames = [
        rng.integers(256, size=(240, 320, 3), dtype=np.uint8)
        for _ in range(160)
    ]
    tall = [np.ascontiguousarray(f.swapaxes(0, 1)) for f in frames]

    def clips(name, video):
        cfg = Config.fromfile(config_path(name))
        steps = cfg.test_dataloader.dataset.pipeline
        first = next(i for i, s in enumerate(steps) if s.type == 'Resize')
        return Compose([TRANSFORMS.build(s) for s in steps[first:-1]])(
            dict(
                imgs=video,
                img_shape=video[0].shape[:2],
                clip_len=16,
                num_clips=10,
                modality='RGB',
            )
        )['imgs']

    for video in (frames, tall):
        centre = clips('finetune_r2p1d_hmdb', video)
        crops = clips('finetune_r2p1d_hmdb_3crop', video)
        assert centre.shape == (10, 3, 16, 112, 112)
        assert crops.shape == (30, 3, 16, 112, 112)
        same = [[np.array_equal(a, b) for a in crops] for b in centre]
        assert np.sum(same, axis=1).tolist() == [1] * 10
    with pytest.raises(ValueError, match='set_three_crops'):
        set_three_crops(Config.fromfile(config_path('mosi_r2p1d_hmdb')))


# ------------------------------------------------------------------ decoders
def test_pyav_decodes_what_decord_does(shared_data):
    pytest.importorskip('av', reason='needs PyAV: pip install av')
    frames = []
    for name in ('decord', 'pyav'):
        cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_weizmann'))
        set_decoder(cfg, name)
        dataset = cfg.test_dataloader.dataset
        dataset.ann_file = str(shared_data / 'splits/weizmann/test.txt')
        dataset.data_prefix.video = str(shared_data / 'videos/weizmann')
        frames.append(DATASETS.build(dataset)[0]['inputs'].float())
    assert frames[0].std() > 10
    assert (frames[0] - frames[1]).abs().mean() < 1


def test_every_pipeline_changes_its_decoder():
    name = config_path('finetune_r2p1d_hmdb')
    cfg = Config.fromfile(name)
    before = cfg.to_dict()
    kinds = {s.type for s in cfg.train_pipeline}
    mine = next(
        n
        for n, k in (('decord', 'DecordInit'), ('video', 'VideoInit'))
        if k in kinds
    )
    set_decoder(cfg, 'pyav')
    for loader in ('train', 'val', 'test'):
        kinds = [s.type for s in cfg[f'{loader}_dataloader'].dataset.pipeline]
        assert kinds[1] == 'PyAVInit' and kinds[3] == 'PyAVDecode'
    set_decoder(cfg, mine)
    assert cfg.to_dict() == before
    with pytest.raises(ValueError, match="'av' is unknown"):
        set_decoder(cfg, 'av')
    with pytest.raises(ValueError, match='pretraining'):
        set_decoder(Config.fromfile(config_path('mosi_r2p1d_hmdb')), 'pyav')
