"""A batch crosses between processes as one tensor, and stays the same."""

import copy
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS, init_default_scope
from mmengine.runner import Runner

from helpers.plans import draw_plan, noise
from mosi_mmaction import (
    LabelPool,
    MoSIDataPreprocessor,
    MoSIDataSample,
    PackMoSIInputs,
    RenderPseudoMotion,
    config_path,
    mosi_collate,
)


def packed(rendered, sizes=((90, 70),) * 3):
    batch = []
    for i, size in enumerate(sizes):
        plan = draw_plan(LabelPool(), size, 30, 6, i, True, True)
        results = dict(img=noise(plan, i), motion=plan, sample_idx=i)
        if rendered:
            results = RenderPseudoMotion()(results)
        batch.append(PackMoSIInputs()(results))
    return batch


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('rendered', [False, True])
def test_stacked_or_not_the_network_gets_the_same(rendered, channels_last):
    batch = packed(rendered)
    preprocessor = MoSIDataPreprocessor(
        render=not rendered, channels_last=channels_last
    )
    one, many = (
        preprocessor(c(batch)) for c in (mosi_collate, pseudo_collate)
    )
    assert torch.equal(one['inputs'], many['inputs'])
    assert one['inputs'].stride() == many['inputs'].stride()
    for sample, a, b in zip(batch, one['data_samples'], many['data_samples']):
        assert a is b is sample['data_samples']


@pytest.mark.parametrize('rendered', [False, True])
def test_stacking_transposes_nothing(rendered):
    batch = packed(rendered)
    inputs = mosi_collate(batch)['inputs']
    assert inputs.stride()[1:] == batch[0]['inputs'].stride()
    for clip, sample in zip(inputs, batch):
        assert torch.equal(clip, sample['inputs'])


def test_sizes_that_differ_stay_a_list_for_the_preprocessor_to_tell():
    batch = mosi_collate(packed(False, [(90, 70), (80, 70)]))
    assert [x.numel() for x in batch['inputs']] == [90 * 70 * 3, 80 * 70 * 3]
    with pytest.raises(ValueError, match='different sizes.*CropSource'):
        MoSIDataPreprocessor(render=True)(batch)


@pytest.mark.parametrize('rendered', [False, True])
def test_one_tensor_crosses(rendered, monkeypatch):
    crossed = []
    table = ForkingPickler._extra_reducers
    reduce_tensor = table[torch.Tensor]
    monkeypatch.setitem(
        table, torch.Tensor, lambda t: (crossed.append(t), reduce_tensor(t))[1]
    )
    batch = mosi_collate(packed(rendered))
    ForkingPickler.dumps(batch)
    assert len(crossed) == 1 and crossed[0] is batch['inputs']


@pytest.mark.parametrize(
    'copied',
    [copy.deepcopy, copy.copy, lambda s: pickle.loads(pickle.dumps(s))],
)
def test_a_data_sample_arrives_whole(copied):
    sample = packed(True)[0]['data_samples']
    sample.pred_score = torch.tensor([0.25, 0.75], requires_grad=True)
    sample.half = torch.zeros(2, dtype=torch.bfloat16)
    sample.boxes = np.arange(3)
    other = copied(sample)
    assert type(other) is MoSIDataSample
    assert other.gt_label.dtype == torch.int64
    assert torch.equal(other.gt_label, sample.gt_label)
    assert torch.equal(other.pred_score, sample.pred_score)
    assert other.pred_score.requires_grad
    assert other.half.dtype == torch.bfloat16
    assert isinstance(other.boxes, np.ndarray)
    assert other.metainfo == sample.metainfo
    assert set(other.keys()) == set(sample.keys())


@pytest.mark.parametrize(
    'inputs',
    [
        torch.zeros(3, 4, 4),
        torch.zeros(2, 2, dtype=torch.uint8),
        [torch.zeros(3, 4, 4, dtype=torch.uint8)],
        np.zeros(3),
    ],
)
def test_what_is_not_ours_stays_as_mmengine_collates_it(inputs):
    batch = [dict(inputs=inputs, data_samples=i) for i in range(2)]
    ours, stock = mosi_collate(batch), pseudo_collate(batch)
    assert str(ours) == str(stock)


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
def test_a_plain_tensor_is_taken_and_left_as_it_was(dtype, channels_last):
    clips = torch.randint(0, 256, (2, 9, 3, 4, 8, 8)).to(dtype)
    before = clips.clone()
    preprocessor = MoSIDataPreprocessor(channels_last=channels_last)
    one = preprocessor(dict(inputs=clips))['inputs']
    many = preprocessor(dict(inputs=list(clips)))['inputs']
    assert torch.equal(clips, before)
    assert torch.equal(one, many) and one.stride() == many.stride()


def test_a_label_that_is_not_on_the_cpu_is_left_to_torch():
    sample = MoSIDataSample().set_gt_label(torch.zeros(2, device='meta'))
    assert copy.deepcopy(sample).gt_label.device.type == 'meta'


def test_workers_send_what_the_trainer_would_make():
    cfg = Config.fromfile(config_path('tiny/mosi_r2p1d_deadleaves'))
    init_default_scope('mmaction')
    loader = cfg.val_dataloader
    assert FUNCTIONS.get(loader.collate_fn.type) is mosi_collate
    loader.dataset.num_images = loader.batch_size = 6
    batches = []
    for workers in (0, 2):
        loader.num_workers = workers
        loader.persistent_workers = workers > 0
        batches.append(
            list(Runner.build_dataloader(copy.deepcopy(loader), seed=0))
        )
    (here,), (there,) = batches
    assert torch.equal(here['inputs'], there['inputs'])
    assert here['inputs'].stride() == there['inputs'].stride()
    for a, b in zip(here['data_samples'], there['data_samples']):
        assert torch.equal(a.gt_label, b.gt_label)
        assert a.metainfo == b.metainfo
