"""The batch is what a plain formula says it is."""

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from mosi_mmaction import MoSIDataPreprocessor


def clips(seed=0, shape=(9, 4, 12, 12, 3)):
    """Return a sample's clips as they are packed, (C, 3, N, L, L)."""
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 256, shape, dtype=np.uint8)
    return torch.from_numpy(array).permute(0, 4, 1, 2, 3)


def formula(batch, mean, std):
    x = np.stack([c.numpy() for c in batch]).astype(np.float64)
    mean, std = (np.reshape(v, (3, 1, 1, 1)) for v in (mean, std))
    return (x - mean) / std


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('size', [1, 3])
def test_batch_is_the_formula(channels_last, size):
    batch = [clips(i) for i in range(size)]
    before = [c.clone() for c in batch]
    for args in ({}, dict(mean=(10, 100, 200), std=(1, 20, 300))):
        preprocessor = MODELS.build(
            dict(
                type='MoSIDataPreprocessor',
                channels_last=channels_last,
                **args,
            )
        )
        samples = [ActionDataSample() for _ in batch]
        out = preprocessor(dict(inputs=batch, data_samples=samples))
        told = formula(
            batch,
            args.get('mean', [0.45 * 255] * 3),
            args.get('std', [0.225 * 255] * 3),
        )
        assert out['inputs'].dtype == torch.float32
        assert out['inputs'].shape == (size, 9, 3, 4, 12, 12)
        np.testing.assert_allclose(out['inputs'], told, rtol=1e-5, atol=1e-6)
        assert out['data_samples'] is samples
    for one, other in zip(batch, before):
        assert torch.equal(one, other)  # the loader's memory is not ours


def test_one_tensor_is_a_batch():
    batch = [clips(0), clips(1)]
    preprocessor = MoSIDataPreprocessor()
    assert torch.equal(
        preprocessor(dict(inputs=torch.stack(batch)))['inputs'],
        preprocessor(dict(inputs=batch))['inputs'],
    )


def test_clips_in_float_stay_the_callers():
    batch = torch.stack([clips(0)]).float()
    before = batch.clone()
    out = MoSIDataPreprocessor()(dict(inputs=batch))['inputs']
    np.testing.assert_allclose(
        out, formula(before, [0.45 * 255] * 3, [0.225 * 255] * 3), atol=1e-6
    )
    assert torch.equal(batch, before)


@pytest.mark.parametrize('channels_last', [False, True])
def test_memory_format(channels_last):
    preprocessor = MoSIDataPreprocessor(channels_last=channels_last)
    out = preprocessor(dict(inputs=[clips(0), clips(1)]))['inputs']
    flat = out.view(-1, *out.shape[2:])  # as Recognizer3D does, uncopied
    kind = torch.channels_last_3d if channels_last else torch.contiguous_format
    other = (
        torch.contiguous_format if channels_last else torch.channels_last_3d
    )
    assert flat.is_contiguous(memory_format=kind)
    assert not flat.is_contiguous(memory_format=other)


def test_statistics_are_not_weights():
    assert not MoSIDataPreprocessor().state_dict()


@pytest.mark.parametrize('args', [dict(mean=(1, 2)), dict(std=(1, 2, 3, 4))])
def test_three_channels(args):
    with pytest.raises(ValueError, match=next(iter(args))):
        MoSIDataPreprocessor(**args)


def test_source_images_need_rendering():
    image = torch.zeros(3, 20, 20, dtype=torch.uint8)
    with pytest.raises(ValueError, match='RenderPseudoMotion'):
        MoSIDataPreprocessor()(dict(inputs=[image], data_samples=None))
    with pytest.raises(ValueError, match='render=True'):
        MoSIDataPreprocessor(render=True)(
            dict(inputs=[clips()], data_samples=[ActionDataSample()])
        )
