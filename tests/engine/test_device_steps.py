"""Steps that wait less for a device: the same training and the same log."""

import copy
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmaction.registry import HOOKS, MODELS
from mmaction.structures import ActionDataSample
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.utils.data import DataLoader

from mosi_mmaction import FastModelHook, MoSIDataPreprocessor
from mosi_mmaction.engine.hooks.upload_ahead import UploadAhead
from mosi_mmaction.models.layers.compiled_training import compile_training


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmaction')


# --------------------------------------------------------- compiled training
class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv3d(3, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm3d(4)

    def forward(self, x):
        return self.norm(self.conv(x)).relu().mean((2, 3, 4))


def test_full_batches_alone_are_compiled():
    torch.manual_seed(0)
    stock = Small()
    other = copy.deepcopy(stock)
    seen = []

    def backend(graph, inputs):
        def run(*args):
            seen.append(
                next(
                    len(a)
                    for a in args
                    if a.ndim == 5 and a.shape[1] == 3 and a.shape[-1] == 6
                )
            )
            return graph(*args)

        return run

    compile_training(other, backend=backend)
    assert list(other.state_dict()) == list(stock.state_dict())
    assert isinstance(other, Small) and type(other).__name__ == 'Small'
    for training, count in (
        (True, 4), (True, 4), (True, 3), (False, 5), (True, 4), (True, 1)
    ):  # fmt: skip
        clips = torch.randn(count, 3, 2, 6, 6)
        outs = []
        for model in (stock, other):
            model.train(training)
            model.zero_grad()
            out = model(clips)
            (out * torch.arange(4)).sum().backward()
            outs.append((out.detach(), *(p.grad for p in model.parameters())))
        for one, two in zip(*outs):
            torch.testing.assert_close(one, two)
    assert seen == [4, 4, 4]
    for one, two in zip(stock.buffers(), other.buffers()):
        torch.testing.assert_close(one, two)


# ----------------------------------------------------------------- accuracy
def samples_of(labels):
    samples = [ActionDataSample() for _ in labels]
    for sample, label in zip(samples, labels):
        sample.set_gt_label(int(label))
    return samples


@pytest.mark.parametrize('classes', [3, 10])
@pytest.mark.parametrize('smooth', [0, 0.1])
@pytest.mark.parametrize('count', [1, 7])
def test_accuracy_on_the_device_is_mmactions(classes, smooth, count):
    head = MODELS.build(
        dict(
            type='I3DHead',
            num_classes=classes,
            in_channels=8,
            average_clips='prob',
            label_smooth_eps=smooth,
        )
    )
    rng = np.random.default_rng(classes + count)
    samples = samples_of(rng.integers(classes, size=count))
    for _ in range(5):
        scores = torch.from_numpy(rng.normal(size=(count, classes))).float()
        expected = head.loss_by_feat(scores, samples)
        model = SimpleNamespace(
            cls_head=head, parameters=lambda: iter([torch.zeros(1)])
        )
        FastModelHook(channels_last=False, accuracy_on_device=True).before_run(
            SimpleNamespace(model=model)
        )
        found = head.loss_by_feat(scores, samples)
        del head.loss_by_feat
        assert list(found) == list(expected)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=0, atol=0)


# ---------------------------------------------------------------------- log
class Run(SimpleNamespace):
    """What of a runner the hook looks at."""


@pytest.mark.parametrize('interval', [1, 4, 100])
def test_the_log_gets_the_same_values(interval):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 10, 2)).astype(np.float32)
    histories = []
    for kind in ('RuntimeInfoHook', 'DeferredRuntimeInfoHook'):
        hook = HOOKS.build(
            dict(type=kind, interval=interval)
            if kind.startswith('Deferred')
            else dict(type=kind)
        )
        hub = MessageHub(f'{kind}{interval}')
        runner = Run(message_hub=hub, iter=0, train_dataloader=range(10))
        logged = []
        for epoch in values:
            for i, (loss, score) in enumerate(epoch):
                step = dict(loss=torch.tensor(loss), lr=float(score))
                hook.after_train_iter(runner, i, None, step)
                step['loss'].fill_(np.nan)  # reused by whoever made it
                # As LoggerHook(interval=4) reads it.
                if interval < 100 and ((i + 1) % 4 == 0 or i == 9):
                    history = hub.get_scalar('train/loss')
                    logged.append((len(history.data[0]), history.mean(4)))
                runner.iter += 1
        histories.append(logged)
        history = hub.get_scalar('train/loss').data
        np.testing.assert_array_equal(history[0], values[..., 0].ravel())
        np.testing.assert_array_equal(
            hub.get_scalar('train/lr').data[0], values[..., 1].ravel()
        )
    assert histories[0] == histories[1]


def test_wrong_interval():
    for interval in (0, 1.5, True):
        with pytest.raises(ValueError, match=f'interval={interval}'):
            HOOKS.build(
                dict(type='DeferredRuntimeInfoHook', interval=interval)
            )


# ------------------------------------------------------------------- upload
def test_uploaded_batches_are_the_loaders(monkeypatch):
    data = [dict(inputs=torch.full((2,), i), names=str(i)) for i in range(5)]
    loader = DataLoader(data, batch_size=None)
    ahead = UploadAhead(loader, torch.device('cpu'))
    assert len(ahead) == 5 and ahead.dataset is data
    for _ in range(2):
        for one, two in zip(loader, ahead, strict=True):
            assert torch.equal(one['inputs'], two['inputs'])
            assert one['names'] == two['names'] and list(one) == list(two)
    assert list(UploadAhead([], torch.device('cpu'))) == []
    hook = HOOKS.build(dict(type='UploadAheadHook'))
    loop = SimpleNamespace(dataloader=loader)
    runner = SimpleNamespace(train_loop=loop, model=torch.nn.Linear(1, 1))
    for _ in range(2):
        hook.before_train(runner)
        assert loop.dataloader.loader is loader
    hook.after_train(runner)
    assert loop.dataloader is loader


def test_a_step_waits_for_its_own_batch_alone(monkeypatch):
    class Stream:
        def __init__(self, device=None):
            self.work, self.awaited = [], []
            streams.append(self)

        def record_event(self):
            return [*self.work]

        def wait_event(self, event):
            self.awaited = event

        def wait_stream(self, other):
            self.awaited = other.record_event()

    class Pixels:
        def __init__(self, number):
            self.number = number

        def to(self, device, non_blocking):
            assert device.type == 'cuda' and non_blocking
            streams[-1].work.append(self.number)
            return self

        def record_stream(self, stream):
            self.used_on = stream

    streams = []
    current = Stream()
    monkeypatch.setattr(torch.cuda, 'Stream', Stream)
    monkeypatch.setattr(torch.cuda, 'stream', lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda _: current)
    batches = [dict(inputs=[Pixels(n)]) for n in range(4)]
    for n, batch in enumerate(UploadAhead(batches, torch.device('cuda'))):
        # The next one is under way, but the step does not depend on it.
        assert streams[-1].work == list(range(min(n + 2, 4)))
        assert current.awaited == list(range(n + 1))
        assert batch['inputs'][0].number == n
        assert batch['inputs'][0].used_on is current


def test_a_loop_that_counts_iterations_uploads_too():
    data = [dict(inputs=torch.full((2,), i)) for i in range(5)]
    loader = DataLoader(data, batch_size=None)
    loop = SimpleNamespace(
        dataloader=loader,
        dataloader_iterator=_InfiniteDataloaderIterator(loader),
    )
    hook = HOOKS.build(dict(type='UploadAheadHook'))
    runner = SimpleNamespace(train_loop=loop, model=torch.nn.Linear(1, 1))
    hook.before_train(runner)
    assert loop.dataloader_iterator._dataloader is loop.dataloader
    for i in range(5):
        assert next(loop.dataloader_iterator)['inputs'].tolist() == [i, i]


# ----------------------------------------------------------------- bfloat16
def test_bfloat16_clips_are_the_rounded_ones(rng):
    pixels = torch.arange(256, dtype=torch.uint8).repeat(3)
    clips = pixels.view(1, 1, 3, 4, 8, 8)
    rest = dict(mean=(110, 114.75, 120), std=(57.375, 60, 33))
    found = [
        MoSIDataPreprocessor(dtype=dtype, **rest)(
            dict(inputs=clips, data_samples=[None])
        )['inputs']
        for dtype in ('float32', 'bfloat16')
    ]
    assert torch.equal(found[0].to(torch.bfloat16), found[1])
    assert found[1].stride() == found[0].stride()
    with pytest.raises(ValueError, match="dtype='half'"):
        MoSIDataPreprocessor(dtype='half')


def test_bfloat16_clips_train_the_same_network():
    rng = torch.Generator().manual_seed(0)
    clips = torch.randint(
        0, 256, (3, 4, 1, 3, 2, 4, 4), dtype=torch.uint8, generator=rng
    )
    runs = []
    for dtype in ('float32', 'bfloat16'):
        preprocess = MoSIDataPreprocessor(dtype=dtype)
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(96, 5))
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        run = []
        for batch in clips:
            data = dict(inputs=batch, data_samples=[None])
            inputs = preprocess(data)['inputs']
            assert inputs.dtype == getattr(torch, dtype)
            with torch.autocast('cpu', torch.bfloat16):
                out = model(inputs)
            optimizer.zero_grad()
            (out.float() * torch.arange(5)).mean().backward()
            optimizer.step()
            run += [out, *(p.grad.clone() for p in model.parameters())]
        runs.append([*run, *model.parameters()])
    for one, two in zip(*runs, strict=True):
        assert torch.equal(one, two)
