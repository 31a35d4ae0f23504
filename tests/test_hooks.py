"""A checkpoint that does not fit stops the run, with the list."""
import logging
from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import HOOKS, OPTIM_WRAPPERS
from torch import nn

from mosi_mmaction import AutocastOptimWrapper, CheckLoadedHook


class Net(nn.Module):
    def __init__(self, width=3, classes=2):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, width, 1),
                                      nn.BatchNorm2d(width))
        self.cls_head = nn.Linear(width, classes)


def check(model, loaded, prefix='backbone.', resume=False):
    """Run the hook; return what it logged."""
    lines = []
    runner = SimpleNamespace(
        model=model, _resume=resume, _load_from='file.pth',
        logger=SimpleNamespace(info=lines.append))
    hook = HOOKS.build(dict(type='CheckLoadedHook', prefix=prefix))
    assert isinstance(hook, CheckLoadedHook)
    hook.after_load_checkpoint(runner, loaded)
    return lines[0]


def weights(**args):
    return dict(Net(**args).state_dict())


def test_every_backbone_tensor_is_counted():
    # A head of other classes is what fine-tuning is for.
    for loaded in (dict(state_dict=weights(classes=9)), weights(classes=9)):
        assert '7 of 7' in check(Net(), loaded)
    assert '9 of 9' in check(Net(), weights(), prefix='')


def test_missing_tensors_are_listed():
    loaded = weights()
    del loaded['backbone.0.bias'], loaded['backbone.1.running_var']
    with pytest.raises(ValueError) as error:
        check(Net(), dict(state_dict=loaded))
    text = str(error.value)
    assert 'file.pth' in text and '2 of 7' in text
    assert 'missing: backbone.0.bias' in text
    assert 'missing: backbone.1.running_var' in text
    assert 'backbone.0.weight' not in text and 'cls_head' not in text


def test_tensors_of_another_shape_are_listed():
    with pytest.raises(ValueError) as error:
        check(Net(), weights(width=4))
    assert ('another shape: backbone.0.weight (4, 3, 1, 1) instead of '
            '(3, 3, 1, 1)') in str(error.value)
    assert '6 of 7' in str(error.value)  # one is a number without a shape


def test_a_file_without_the_prefix():
    # STACK: published backbones come with and without "backbone.".
    bare = {k.replace('backbone.', ''): v for k, v in weights().items()}
    with pytest.raises(ValueError, match='7 of 7 tensors'):
        check(Net(), bare)


def test_a_deeper_network_is_another_network():
    # All that this one asks for is there, and half of the file is left.
    loaded = weights()
    loaded['backbone.2.weight'] = torch.zeros(3)
    with pytest.raises(ValueError, match=r'backbone\.2\.weight'):
        check(Net(), loaded)
    assert '9 of 9' in check(Net(), loaded, prefix='')


def test_a_resumed_run_needs_its_head_too():
    with pytest.raises(ValueError, match=r'cls_head\.weight'):
        check(Net(), weights(classes=9), resume=True)
    assert '9 of 9' in check(Net(), weights(), resume=True)


def test_files_and_models_of_several_processes():
    loaded = {f'module.{k}': v for k, v in weights().items()}
    assert '7 of 7' in check(Net(), loaded)
    wrapped = nn.DataParallel(Net())
    assert '7 of 7' in check(wrapped, weights())
    with pytest.raises(ValueError, match='another shape'):
        check(wrapped, weights(width=4))


# --------------------------------------------------------- mixed precision
def test_autocast_computes_in_bfloat16_and_steps_in_float32(caplog):
    caplog.set_level(logging.ERROR)
    net = nn.Linear(4, 4)
    start = net.weight.detach().clone()
    wrapper = OPTIM_WRAPPERS.build(dict(
        type='AutocastOptimWrapper',
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1)))
    with wrapper.optim_context(net):
        out = net(torch.ones(2, 4))
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().sum())
    assert net.weight.dtype == torch.float32
    torch.testing.assert_close(net.weight, start - 0.2)
    assert net(torch.ones(2, 4)).dtype == torch.float32


def test_autocast_knows_one_type():
    net = nn.Linear(2, 2)
    with pytest.raises(ValueError, match='float16.*AmpOptimWrapper'):
        AutocastOptimWrapper(
            dtype='float16',
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1))
