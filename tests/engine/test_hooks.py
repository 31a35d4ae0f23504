"""Checkpoints and labels that do not fit stop the run, and say why."""

from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import HOOKS, MODELS, OPTIM_WRAPPERS
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.runner import BaseLoop
from mmengine.runner.checkpoint import load_state_dict
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch import nn
from torch.utils.data import DataLoader

from mosi_mmaction import (
    AutocastOptimWrapper,
    CheckLoadedHook,
    EpochSampler,
    LabelPool,
    MoSIHead,
    RecordHook,
    config_path,
    load_backbone,
)
from mosi_mmaction.engine import autocast as amp


class Net(nn.Module):
    def __init__(self, width=3, classes=2):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, width, 1), nn.BatchNorm2d(width)
        )
        self.cls_head = nn.Linear(width, classes)


class Loop(BaseLoop):
    def __init__(self):
        pass

    run = None


def check(
    model, loaded, prefix='backbone.', resume=False, trains=True, **args
):
    """Run the hook; return what it logged."""
    lines = []
    runner = SimpleNamespace(
        model=model,
        _resume=resume,
        _train_loop=Loop() if trains else dict(type='EpochBasedTrainLoop'),
        _load_from='file.pth',
        logger=SimpleNamespace(info=lines.append),
    )
    hook = HOOKS.build(dict(type='CheckLoadedHook', prefix=prefix, **args))
    assert isinstance(hook, CheckLoadedHook)
    hook.after_load_checkpoint(runner, loaded)
    return lines[0]


def weights(**args):
    return dict(Net(**args).state_dict())


def test_every_backbone_tensor_is_counted():
    # A head of other classes is what fine-tuning is for.
    for loaded in (dict(state_dict=weights(classes=9)), weights(classes=9)):
        assert 'all 7 tensors of the backbone' in check(Net(), loaded)
    assert 'all 9 tensors of the network' in check(Net(), weights(), prefix='')


@pytest.mark.parametrize(
    'old, said',
    [
        ('', "lack the prefix 'backbone.'"),
        ('model.backbone.', "have the extra prefix 'model.'"),
        ('enc.', "begin with 'enc.' instead of 'backbone.'"),
    ],
)
def test_a_prefix_too_many_or_too_few_is_named(old, said, tmp_path):
    file = {
        old + k.removeprefix('backbone.'): v
        for k, v in weights().items()
        if k.startswith('backbone.')
    }
    file['model.cls_head.weight'] = torch.zeros(2, 3)
    with pytest.raises(ValueError) as error:
        check(Net(), dict(state_dict=file))
    text = str(error.value)
    assert said in text
    assert 'another backbone' not in text
    # The remedy that is printed is one.
    source = tmp_path / 'file.pth'
    torch.save(dict(state_dict=file), source)
    code = text.partition('In Python: ')[2].partition('\n')[0]
    code = code.replace('FILE', repr(str(source)))
    code = code.replace("'renamed.pth'", repr(str(tmp_path / 'new.pth')))
    exec(code, dict(torch=torch))
    assert 'all 7 tensors of the backbone' in check(
        Net(), torch.load(tmp_path / 'new.pth')
    )


def test_another_backbone_is_no_matter_of_names():
    file = {
        k.removeprefix('backbone.'): v for k, v in weights(width=4).items()
    }
    with pytest.raises(ValueError, match='Does it belong to another backbone'):
        check(Net(), file)


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
    assert (
        'another shape: backbone.0.weight (4, 3, 1, 1) instead of (3, 3, 1, 1)'
    ) in str(error.value)
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
    assert 'all 9 tensors of the network' in check(Net(), loaded, prefix='')


@pytest.mark.parametrize(
    'prefix, file, said',
    [
        (
            'backbone.',
            dict(classes=9),
            '; new, as the file has none that fits: cls_head',
        ),
        ('backbone.', {}, '; also loaded: cls_head'),
        ('', {}, ''),
    ],
)
def test_one_line_says_what_is_loaded_and_what_is_new(
    prefix, file, said, caplog, capsys
):
    """MMEngine then finds nothing to warn of, and loads the same."""
    model, loaded = Net(), dict(state_dict=Net(**file).state_dict())
    loaded['state_dict']['neck.weight'] = torch.zeros(1)
    fresh = {k: v.clone() for k, v in model.state_dict().items()}
    given = dict(loaded['state_dict'])
    line = check(model, loaded, prefix)
    assert line.endswith(f'{said}; in the file and not used: neck')
    load_state_dict(model, loaded['state_dict'])
    assert 'match exactly' not in caplog.text + ''.join(capsys.readouterr())
    for name, value in model.state_dict().items():
        new = 'classes' in file and name.startswith('cls_head')
        assert torch.equal(value, (fresh if new else given)[name])


def test_a_head_that_does_not_fit_a_test_is_not_another_backbone():
    with pytest.raises(ValueError) as error:
        check(Net(), weights(classes=9), '', source='CHECKPOINT')
    text = str(error.value)
    assert "(CHECKPOINT='file.pth')" in text and 'load_from' not in text
    assert 'Only the head differs' in text and 'MOSI_PRETRAINED' in text
    assert 'another backbone' not in text


def test_a_resumed_run_needs_its_head_too():
    with pytest.raises(ValueError, match=r'cls_head\.weight'):
        check(Net(), weights(classes=9), resume=True)
    assert 'all 9 tensors of the network' in check(
        Net(), weights(), resume=True
    )


def test_resuming_from_load_from_says_how_to_continue():
    # resume=True in a config whose load_from is a pretrained file.
    with pytest.raises(ValueError, match='set load_from=None, too'):
        check(Net(), weights(classes=9), resume=True)


def test_a_test_needs_the_head_too():
    # MMAction2's tools/test.py with the file that training starts from.
    with pytest.raises(ValueError, match='Only the head differs'):
        check(Net(), weights(classes=9), trains=False)
    assert 'all 9 tensors' in check(Net(), weights(), trains=False)


def test_files_and_models_of_several_processes():
    loaded = {f'module.{k}': v for k, v in weights().items()}
    assert 'all 7 tensors of the backbone' in check(Net(), loaded)
    wrapped = nn.DataParallel(Net())
    assert 'all 7 tensors of the backbone' in check(wrapped, weights())
    with pytest.raises(ValueError, match='another shape'):
        check(wrapped, weights(width=4))


# ------------------------------------------------------------------ labels
def own_file(load_from=None, done=0, **options):
    """Build a stock network with a file of its own; run the hook."""
    config = Config.fromfile(config_path('tiny/mosi_r2p1d_deadleaves'))
    config.merge_from_dict(dict(model=dict(backbone=options)))
    backbone = MODELS.build(config.model.backbone)
    backbone.init_weights()
    model = nn.Module()
    model.backbone = backbone
    runner = SimpleNamespace(model=model, _load_from=load_from, iter=done)
    CheckLoadedHook().before_train(runner)
    return backbone.state_dict()


def test_a_file_that_the_backbone_has_not_loaded_stops_training(tmp_path):
    name = 'mosi://mosi_r2p1d_deadleaves'
    wanted = load_backbone('mosi_r2p1d_deadleaves').state_dict()
    path = str(tmp_path / 'backbone.pth')
    torch.save(wanted, path)
    # MMAction2's networks load nothing from these, and do not stop.
    for wrong in (
        dict(pretrained=name),
        dict(
            init_cfg=dict(
                type='Pretrained', checkpoint=name, prefix='backbone.'
            )
        ),
    ):
        with pytest.raises(ValueError, match='has loaded none of them'):
            own_file(**wrong)
        own_file(**wrong, load_from='file.pth')  # which has filled it
        own_file(**wrong, done=3)  # a resumed run
    found = own_file(pretrained=path)
    assert all(torch.equal(found[k], v) for k, v in wanted.items())
    own_file()
    # By default, a file is taken for that of a 2D network.
    narrow = dict(
        _delete_=True,
        type='ResNet3dSlowOnly',
        depth=18,
        base_channels=4,
        stage_blocks=(1, 1, 1, 1),
        lateral=False,
    )
    torch.save(own_file(**narrow, pretrained=None), path)
    with pytest.raises(ValueError, match='pretrained2d=False'):
        own_file(**narrow, pretrained=path)
    own_file(**narrow, pretrained=path, pretrained2d=False)


@pytest.mark.parametrize('workers', [0, 1])
def test_a_loop_that_counts_iterations_gets_the_seed_of_its_run(workers):
    def runner(seed):
        sampler = EpochSampler(range(40), seed=seed)
        loader = DataLoader(
            sampler.dataset,
            2,
            sampler=sampler,
            num_workers=workers,
            collate_fn=lambda batch: batch,
        )
        return SimpleNamespace(
            seed=seed,
            train_dataloader=loader,
            train_loop=SimpleNamespace(
                dataloader=loader,
                dataloader_iterator=_InfiniteDataloaderIterator(loader),
            ),
            message_hub=MessageHub(f'streams {workers} {seed}'),
        )

    first, other = runner(3), runner(4)
    HOOKS.build(dict(type='StreamHook')).before_train(first)
    # As when it is resumed.
    other.message_hub.load_state_dict(first.message_hub.state_dict())
    HOOKS.build(dict(type='StreamHook')).before_train(other)
    for _ in range(20):
        batch = next(first.train_loop.dataloader_iterator)
        assert next(other.train_loop.dataloader_iterator) == batch


# ----------------------------------------------------------------- records
def test_the_record_has_all_decoders_and_the_whole_label_pool():
    def videos(decoder):
        step = dict(type='VideoInit', decoder=decoder)
        return dict(type='ActionVideoDataset', pipeline=[step])

    both = dict(
        type='ConcatDataset', datasets=[videos('pyav'), videos('decord')]
    )
    pool = dict(axes='x', motions=('shift', 'zoom'), signed=False)
    model = nn.Module()
    model.cls_head = MoSIHead(4, **pool)
    runner = SimpleNamespace(
        cfg=Config(dict(train_dataloader=dict(dataset=both), model={})),
        train_dataloader=SimpleNamespace(dataset=range(3)),
        model=model,
    )
    checkpoint = dict(meta={})
    RecordHook().before_save_checkpoint(runner, checkpoint)
    record = checkpoint['meta']['mosi_mmaction']
    pairs = record['decoders']['video'].split(', ')
    assert [pair.partition(' ')[0] for pair in pairs] == ['decord', 'pyav']
    names = record['label_pool'].pop('names')
    assert names == list(LabelPool(**pool).names)
    assert LabelPool(**record['label_pool']) == LabelPool(**pool)


# --------------------------------------------------------- mixed precision
def test_weights_that_were_trained_further_are_those_of_the_run():
    said = []
    runner = SimpleNamespace(logger=SimpleNamespace(warning=said.append))
    hook = HOOKS.build(dict(type='AutocastHook'))
    hook.after_load_checkpoint(runner, dict(meta=dict(autocast='bfloat16')))
    hook.before_test(runner)
    assert 'trained in bfloat16, but this test runs in float32' in said[0]
    hook.before_train(runner)
    hook.before_test(runner)
    assert len(said) == 1


@pytest.mark.parametrize('native', [True, False])
def test_autocast_computes_in_bfloat16_where_the_cpu_does(native, monkeypatch):
    said = []
    monkeypatch.setattr(amp, 'cpu_has_bfloat16', lambda: native)
    monkeypatch.setattr(amp, 'print_log', lambda text, *_: said.append(text))
    net = nn.Linear(4, 4)
    start = net.weight.detach().clone()
    wrapper = OPTIM_WRAPPERS.build(
        dict(
            type='AutocastOptimWrapper',
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        )
    )
    assert len(said) == (not native)
    assert native or 'stays in float32' in said[0]
    with wrapper.optim_context(net):
        out = net(torch.ones(2, 4))
    assert out.dtype == (torch.bfloat16 if native else torch.float32)
    wrapper.update_params(out.float().sum())
    assert net.weight.dtype == torch.float32
    torch.testing.assert_close(net.weight, start - 0.2)
    assert net(torch.ones(2, 4)).dtype == torch.float32


def test_autocast_knows_one_type():
    net = nn.Linear(2, 2)
    with pytest.raises(ValueError, match='float16.*AmpOptimWrapper'):
        AutocastOptimWrapper(
            dtype='float16',
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        )
