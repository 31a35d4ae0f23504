"""Mixed precision, determinism and seeds, as the tools switch them on."""

import copy
import re
from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import autocast as loop_autocast
from torch import nn

from helpers import launch
from helpers.precision_runs import config, parse, trained
from mosi_mmaction import (
    AutocastHook,
    config_path,
    set_retrieval,
)
from mosi_mmaction.config.running import fast_recipe, use_amp
from mosi_mmaction.engine import autocast as amp
from mosi_mmaction.synthetic.write import write_action_videos

needs_bfloat16 = pytest.mark.skipif(
    not amp.has_bfloat16('cpu'), reason='this CPU has no bfloat16'
)


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp('videos')
    write_action_videos(
        root, 2, 'few', num_frames=20, actions=('circle', 'shake')
    )
    return root


@needs_bfloat16
@pytest.mark.slow
@pytest.mark.parametrize(
    'base, flag', [('finetune', '--fast'), ('linear', '--amp')]
)
def test_heads_of_mmaction_learn_and_are_tested(base, flag, videos, tmp_path):
    file = config(tmp_path / 'c.py', videos, base)
    log, saved = tmp_path / 'log', tmp_path / 'w' / 'epoch_1.pth'
    options = '--work-dir', tmp_path / 'w'
    code = launch.run('train.py', file, flag, *options, log=log)
    said = log.read_text()
    assert code == 0, said[-3000:]
    # Steps, with the accuracies that MMAction2 computes in NumPy.
    losses = [float(v) for v in re.findall(r' loss: ([\d.]+)', said)]
    assert len(losses) == 2 and all(0 < v < 10 for v in losses)
    assert 'top5_acc: ' in said.split('Epoch(val)')[0]
    assert re.search(r'Epoch\(val\).*acc/top1: [\d.]+.*acc/mean1', said)
    assert torch.load(saved)['meta']['autocast'] == 'bfloat16'
    tested = {}
    for given in (flag, None):
        log = tmp_path / f'test{given}'
        args = [file, saved, *options, '--dump', f'{log}.pkl']
        code = launch.run('test.py', *args, *filter(None, [given]), log=log)
        said = log.read_text()
        assert code == 0, said[-3000:]
        # Who forgets the flag is told so.
        assert (given is None) == ('trained in bfloat16, but' in said)
        tested[given] = torch.tensor(
            [list(p['pred_score']) for p in _unpickle(f'{log}.pkl')]
        )
    assert tested[flag].dtype == torch.float32
    torch.testing.assert_close(
        tested[flag], tested[None], rtol=0.05, atol=5e-3
    )
    assert not torch.equal(tested[flag], tested[None])


def _unpickle(path):
    import pickle

    with open(path, 'rb') as file:
        return pickle.load(file)


@pytest.mark.parametrize(
    'name, args', [('train', ['c.py']), ('test', ['c.py', 'w.pth'])]
)
def test_amp_and_fast_exclude_each_other_by_name(
    name, args, monkeypatch, capsys
):
    with pytest.raises(SystemExit):
        parse(name, *args, '--amp', '--fast', monkeypatch=monkeypatch)
    said = capsys.readouterr().err
    assert '--fast: not allowed with argument --amp' in said


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_amp_is_what_the_device_has(device, monkeypatch, tmp_path):
    monkeypatch.setattr(
        'mosi_mmaction.config.running.get_device', lambda: device
    )
    wrapper = trained(monkeypatch, tmp_path, '--amp').optim_wrapper
    expected = dict(
        cpu=('AutocastOptimWrapper', 'bfloat16', None),
        cuda=('AmpOptimWrapper', None, 'dynamic'),
    )[device]
    found = (wrapper.get(k) for k in ('type', 'dtype', 'loss_scale'))
    assert tuple(found) == expected


def test_amp_of_another_wrapper(monkeypatch, tmp_path):
    text = "optim_wrapper = dict(type='MyWrapper')"
    with pytest.raises(ValueError, match="--amp: .*'MyWrapper'"):
        trained(monkeypatch, tmp_path, '--amp', text=text)


# ----------------------------------------------------- what the device can do
class Device:
    """As torch.cuda was before and is since torch 2.5."""

    @staticmethod
    def old():
        return False

    @staticmethod
    def new(including_emulation=True):
        return including_emulation


@pytest.mark.parametrize('asked', [Device.old, Device.new])
def test_a_gpu_without_bfloat16_stays_in_float32(asked, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', asked)
    monkeypatch.setattr(amp, 'get_device', lambda: 'cuda')
    assert not amp.has_bfloat16('cuda')
    assert amp.autocast_dtype(dict(type='AutocastOptimWrapper')) is None
    said = []
    monkeypatch.setattr(amp, 'print_log', lambda text, *_: said.append(text))
    wrapper = amp.AutocastOptimWrapper(
        optimizer=torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1)
    )
    assert not wrapper.enabled
    assert 'device (cuda) has no instructions for bfloat16' in said[0]


def test_a_gpu_with_bfloat16_and_a_device_that_cannot_tell(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda **_: True)
    assert amp.has_bfloat16('cuda')
    assert not amp.has_bfloat16('mps')
    assert not amp.has_bfloat16('no such device')


@pytest.mark.parametrize(
    'flags, has',
    [
        ('flags : fpu avx512f avx512_bf16', True),
        ('flags : fpu amx_bf16', True),
        ('Features : fp asimd bf16', True),
        ('flags : fpu avx2 avx512f', False),
        (None, False),  # where the system does not tell
    ],
)
def test_flags_of_a_cpu(flags, has, monkeypatch, tmp_path):
    info = tmp_path / 'cpuinfo'
    if flags is not None:
        info.write_text(flags + '\n')
    monkeypatch.setattr(amp, 'Path', lambda _: info)
    assert amp.cpu_has_bfloat16() == has


# ------------------------------------------------------------------ the hook
def finetuned(wrapper=None, **model):
    """A runner of a narrow fine-tuning, and one batch."""
    init_default_scope('mmaction')
    cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_weizmann'))
    cfg.model.backbone.base_channels = 4
    cfg.model.cls_head.in_channels = 32
    cfg.merge_from_dict(dict(model=model))
    cfg.optim_wrapper.type = wrapper or 'OptimWrapper'
    torch.manual_seed(0)
    net = MODELS.build(cfg.model)
    net.init_weights()
    samples = [ActionDataSample() for _ in range(2)]
    for i, sample in enumerate(samples):
        sample.set_gt_label(i)
    clips = torch.randint(256, (2, 1, 3, 8, 32, 32), dtype=torch.uint8)
    batch = dict(inputs=list(clips), data_samples=samples)
    logger = MMLogger.get_current_instance()
    return SimpleNamespace(model=net, cfg=cfg, logger=logger), batch


@needs_bfloat16
@pytest.mark.parametrize('head', ['I3DHead', 'X3DHead'])
def test_every_head_of_mmaction_takes_its_scores_to_numpy(head):
    runner, batch = finetuned('AutocastOptimWrapper')
    model = runner.model
    model.cls_head = MODELS.build(dict(runner.cfg.model.cls_head, type=head))
    wrapper = build_optim_wrapper(model, runner.cfg.optim_wrapper)
    seen = []
    model.backbone.conv1.conv.conv_s.register_forward_hook(
        lambda *a: seen.append(a[-1].dtype)
    )
    before = copy.deepcopy(model.state_dict())
    model.train()
    logs = model.train_step(copy.deepcopy(batch), wrapper)
    assert 0 < logs['loss'].item() < 10 and 'top5_acc' in logs
    after = model.state_dict()
    moved = [k for k in before if not torch.equal(before[k], after[k])]
    assert len(moved) > 0.9 * len(before)
    assert seen == [torch.bfloat16]
    assert not any(m._forward_hooks for m in model.cls_head.modules())
    AutocastHook().before_run(runner)
    model.eval()
    for step in (model.val_step, model.test_step):
        # As MMEngine's loops do, which would switch it off.
        with torch.no_grad(), loop_autocast(enabled=False):
            predicted = step(copy.deepcopy(batch))
        assert all(p.pred_score.dtype == torch.float32 for p in predicted)
        torch.testing.assert_close(
            torch.stack([p.pred_score.sum() for p in predicted]),
            torch.ones(2),
        )
    assert seen == [torch.bfloat16] * 3


@needs_bfloat16
@pytest.mark.parametrize('frames', [1, 2, 3])
@pytest.mark.parametrize(
    'kernel, stride, side', [((3, 1, 1), 1, 4), ((1, 3, 3), (1, 2, 2), 1)]
)
def test_convolutions_of_few_frames_have_their_gradient(
    kernel, stride, side, frames
):
    torch.manual_seed(0)
    padding = tuple(k // 2 for k in kernel)
    conv = nn.Conv3d(16, 16, kernel, stride, padding, bias=False)
    clip = torch.randn(3, 16, frames, side, side)
    conv(clip).square().sum().backward()
    expected = conv.weight.grad.clone()
    wrapper = amp.AutocastOptimWrapper(
        optimizer=torch.optim.SGD(conv.parameters(), lr=0.1)
    )
    for _ in range(5):
        # What the allocator hands out next is no number.
        for size in range(4, 16):
            torch.full((1 << size,), float('nan'))
        conv.zero_grad()
        with wrapper.optim_context(conv):
            out = conv(clip)
        out.float().square().sum().backward()
        error = (conv.weight.grad - expected).norm() / expected.norm()
        assert error < 0.02
        # All others are in bfloat16 as ever.
        few = frames < kernel[0] or side < kernel[1]
        assert out.dtype == (torch.float32 if few else torch.bfloat16)
    assert len(conv._forward_hooks) == 1
    assert not torch.is_autocast_enabled('cpu')


@needs_bfloat16
@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'AutocastOptimWrapper'])
def test_a_validation_runs_as_the_training_does(wrapper):
    runner, batch = finetuned(wrapper)
    seen = []
    runner.model.backbone.conv1.conv.conv_s.register_forward_hook(
        lambda *a: seen.append(a[-1].dtype)
    )
    hook = AutocastHook()
    for _ in range(2):  # a run of training, and one of test
        hook.before_run(runner)
    optim_wrapper = build_optim_wrapper(runner.model, runner.cfg.optim_wrapper)
    runner.model.train()
    runner.model.train_step(copy.deepcopy(batch), optim_wrapper)
    runner.model.eval()
    runner.model.val_step(copy.deepcopy(batch))
    low = torch.bfloat16 if wrapper[0] == 'A' else torch.float32
    assert seen == [low, low]
    # Nothing of it stays open, after an error neither.
    broken = dict(batch, inputs=[torch.zeros(1, 3, 8, 32, 32)] * 2)
    runner.model.backbone.register_forward_pre_hook(lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        runner.model.val_step(broken)
    assert not torch.is_autocast_enabled('cpu')
    assert not hook._open


@needs_bfloat16
def test_a_config_that_only_tests_can_be_fast():
    runner, _ = finetuned()
    set_retrieval(runner.cfg)
    assert runner.cfg.optim_wrapper is None
    hook = AutocastHook()
    hook.before_run(runner)
    assert hook.dtype is None
    for change in (fast_recipe, use_amp):
        cfg = copy.deepcopy(runner.cfg)
        change(cfg)
        told = dict(cfg.default_hooks.autocast)
        assert told == dict(type='AutocastHook', dtype='bfloat16')
        hook = AutocastHook(dtype='bfloat16')
        hook.before_run(SimpleNamespace(model=nn.Linear(1, 1), cfg=cfg))
        assert hook.dtype == torch.bfloat16
        assert cfg.optim_wrapper is None


def test_types_of_the_hook():
    with pytest.raises(ValueError, match="dtype='int8'.*'bfloat16'"):
        AutocastHook(dtype='int8')
