"""Our classes in MMEngine's pure-Python configs, where types are classes."""

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from helpers.paths import load_tool
from mosi_mmaction import load_backbone
from mosi_mmaction.apis import features
from mosi_mmaction.apis.networks import (
    clip_settings,
    load_network,
    read_config,
)
from mosi_mmaction.synthetic.write import write_action_videos
from mosi_mmaction.visualization.logs import chance_of, setting_of

CONFIG = """
from mmaction.models import Recognizer3D, ResNet3dSlowOnly

from mosi_mmaction import (
    CropSource, DeadLeavesDataset, DrawPseudoMotion, DrawStaticMask,
    EpochSampler, MoSIHead,
    MoSIDataPreprocessor, MoSIMetric, PackMoSIInputs, RecordHook,
    RenderPseudoMotion, SafeCheckpointHook, StreamHook, mosi_collate)

pipeline = [
    dict(type=CropSource, size=48),
    dict(type=DrawPseudoMotion, clip_len=4, crop_size=24),
    dict(type=DrawStaticMask),
    dict(type=RenderPseudoMotion),
    dict(type=PackMoSIInputs),
]
data = dict(
    batch_size=2,
    num_workers=0,
    collate_fn=dict(type=mosi_collate),
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(type=DeadLeavesDataset, num_images=2, size=48,
                 pipeline=pipeline))
train_dataloader = val_dataloader = test_dataloader = data
val_evaluator = test_evaluator = dict(type=MoSIMetric)
model = dict(
    type=Recognizer3D,
    backbone=dict(type=ResNet3dSlowOnly, depth=18, base_channels=4,
                  stage_blocks=(1, 1, 1, 1), pretrained=None, lateral=False),
    cls_head=dict(type=MoSIHead, in_channels=32),
    data_preprocessor=dict(type=MoSIDataPreprocessor))
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3))
default_hooks = dict(
    checkpoint=dict(type=SafeCheckpointHook, interval=1),
    streams=dict(type=StreamHook),
    record=dict(type=RecordHook))
default_scope = 'mmaction'
"""


def test_a_run_and_its_checkpoint(tmp_path):
    (tmp_path / 'new.py').write_text(CONFIG)
    cfg = Config.fromfile(tmp_path / 'new.py')
    cfg.work_dir = str(tmp_path / 'run')
    Runner.from_cfg(cfg).train()
    path = str(tmp_path / 'run' / 'epoch_1.pth')
    weights = torch.load(path)['state_dict']
    # By the record, and by the config in the checkpoint.
    network, found = load_network(path)
    assert clip_settings(found) == (4, 2, 24)
    for backbone in (load_backbone(path), network.backbone):
        for name, value in backbone.state_dict().items():
            assert value.equal(weights[f'backbone.{name}']), name
    # The config itself is read as that of the checkpoint is.
    given = read_config(str(tmp_path / 'new.py'))
    assert given.model.cls_head.type == 'MoSIHead'
    assert clip_settings(given) == (4, 2, 24)
    videos = write_action_videos(tmp_path, 1, 'test', actions=('zoom',))
    answers = [
        features(path, videos, config=config, progress=False)
        for config in (None, tmp_path / 'new.py')
    ]
    np.testing.assert_array_equal(*answers)
    # So is the one that the run left for its curves.
    assert chance_of([cfg.work_dir]) == 1 / 9
    assert setting_of(cfg.work_dir, 'mask_size') == (0.4, '0.3 to 0.5')
    # tools/test.py gives the config another name.
    renamed = load_tool('test').rename(cfg)
    assert renamed.filename == 'test_new.py'
    (tmp_path / 'test_new.py').write_text(renamed.pretty_text)
    again = Config.fromfile(tmp_path / 'test_new.py')
    assert again.model.cls_head.in_channels == 32
    assert cfg.filename == str(tmp_path / 'new.py')
