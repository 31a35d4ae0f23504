"""Every workaround of compat, in processes of their own where it matters."""

import builtins
import json
import os
import re
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from helpers.paths import ROOT
from mosi_mmaction.compat import distributed
from mosi_mmaction.compat import imports as compat

compat.apply()


def run(*args, path='', **env):
    """Run python; -> (exit status, stdout, stderr)."""
    env = {
        **os.environ,
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': str(path),
        **env,
    }
    done = subprocess.run(
        [sys.executable, *map(str, args)],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


def run_code(code, path='', **env):
    status, out, err = run('-c', code, path=path, **env)
    assert status == 0, err
    return out.strip().splitlines()


# compat is loaded from its file, so that these tests tell apart what it does
# from what the rest of the package imports.
LOAD_COMPAT = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    'compat', {str(ROOT / 'mosi_mmaction' / 'compat' / 'imports.py')!r})
compat = importlib.util.module_from_spec(spec)
sys.modules['compat'] = compat
spec.loader.exec_module(compat)
"""


# ------------------------------------------------------------ import orders
def test_mmaction_models_import_after_apply():
    out = run_code(
        LOAD_COMPAT
        + """
tops = {name.partition('.')[0] for name in sys.modules}
assert not tops & {'mmaction', 'mmcv'}
compat.apply()
drn = sys.modules['mmaction.models.localizers.drn.drn']
compat.apply()
import mmaction.models
from mmaction.registry import MODELS
assert sys.modules['mmaction.models.localizers.drn.drn'] is drn
print(MODELS.get('ResNet2Plus1d').__module__)
try:
    mmaction.models.localizers.DRN()
except NotImplementedError as error:
    print(error)
"""
    )
    assert out[0] == 'mmaction.models.backbones.resnet2plus1d'
    assert 'mmaction2#2714' in out[1]


def test_apply_after_mmaction_failed_to_import():
    out = run_code(
        LOAD_COMPAT
        + """
import mmaction
try:
    import mmaction.models
except ModuleNotFoundError as error:
    print(error.name)
compat.apply()
import mmaction.models
print(mmaction.models.ResNet2Plus1d.__name__)
"""
    )
    assert out == ['mmaction.models.localizers.drn', 'ResNet2Plus1d']


def test_package_imports_after_mmaction():
    assert run_code("""
import mmaction
import mosi_mmaction
from mmaction.registry import MODELS
print(MODELS.get('Recognizer3D').__name__)
""") == ['Recognizer3D']


# ------------------------------------------------------------- requirements
def test_missing_mmcv_is_one_sentence_with_the_command():
    out = run_code(
        LOAD_COMPAT
        + """
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == 'mmcv':
            raise ModuleNotFoundError(f'no {name}', name=name)
sys.meta_path.insert(0, Block())
try:
    compat.apply()
except ImportError as error:
    print(error)
"""
    )
    assert out == [
        'mosi_mmaction needs mmcv>=2.0.1,<2.2, which is missing: '
        'run `pip install "mosi_mmaction[lite]"`'
    ]


@pytest.mark.parametrize(
    'version, fits',
    [
        ('1.7.2', False),
        ('2.0.0', False),
        ('2.0.1', True),
        ('2.1.0', True),
        ('2.2.0', False),
    ],
)
def test_range_of_mmcv(version, fits, monkeypatch):
    import mmcv

    monkeypatch.setattr(mmcv, '__version__', version)
    if fits:
        compat.check_mmcv()
        return
    with pytest.raises(ImportError) as info:
        compat.check_mmcv()
    assert str(info.value) == (
        f'mosi_mmaction needs mmcv>=2.0.1,<2.2, but found {version}: run '
        '`pip uninstall -y mmcv mmcv-lite mmcv-full && pip install '
        '"mosi_mmaction[lite]"`'
    )


def test_broken_requirement_of_mmcv_is_not_called_a_missing_mmcv(
    tmp_path, monkeypatch
):
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').write_text('import not_there_at_all')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'mmcv')
    with pytest.raises(ModuleNotFoundError, match="'not_there_at_all'"):
        compat.check_mmcv()


def test_missing_importlib_metadata_names_the_command(monkeypatch):
    setup = (ROOT / 'setup.cfg').read_text()
    requires = setup.partition('install_requires =')[2].partition('\n\n')[0]
    assert 'importlib_metadata' in requires.split()
    monkeypatch.setitem(sys.modules, 'importlib_metadata', None)
    with pytest.raises(ImportError, match='`pip install importlib_metadata`'):
        compat.check_importlib_metadata()


# -------------------------------------------------------------- checkpoints
def load(path):
    """Load as the Runner does."""
    return CheckpointLoader.load_checkpoint(str(path), map_location='cpu')


def history():
    buffer = HistoryBuffer()
    for value in (4.0, 1.0, 3.0):
        buffer.update(value)
    return buffer


@pytest.mark.parametrize('core', ['core', '_core'])
def test_history_buffers_of_any_numpy_load(tmp_path, core):
    # The old format keeps the pickle uncompressed, so that its names can be
    # changed to those which the other major version of NumPy writes.
    path = tmp_path / 'epoch_1.pth'
    torch.save(
        {
            'message_hub': {'loss': history()},
            'scalars': [np.dtype(code).type(1) for code in '?bBhHiIlLqQefd'],
            'array': np.arange(6, dtype=np.float32).reshape(2, 3),
            'weight': torch.ones(2),
        },
        path,
        _use_new_zipfile_serialization=False,
    )
    content, replaced = re.subn(
        rb'numpy\._?core\.', f'numpy.{core}.'.encode(), path.read_bytes()
    )
    assert replaced
    path.write_bytes(content)
    loaded = load(path)
    buffer = loaded['message_hub']['loss']
    assert [
        buffer.statistics(name) for name in ('min', 'max', 'mean', 'current')
    ] == [1, 4, 8 / 3, 3]
    assert [s.dtype for s in loaded['scalars']] == list('?bBhHiIlLqQefd')
    assert all(s == 1 for s in loaded['scalars'])
    assert loaded['array'].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert torch.load(path, weights_only=True)['weight'].tolist() == [1, 1]


class Reduced:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call

    def __call__(self):
        """Exists as pickle wants the function of a call to be callable."""
        raise NotImplementedError


def test_hostile_call_is_refused_and_not_made(tmp_path):
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    torch.save({'state_dict': Reduced(os.system, f'touch {marker}')}, path)
    with pytest.raises(ValueError, match='refused'):
        load(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # so the file was hostile indeed


@pytest.mark.parametrize(
    'owner, name',
    [
        (HistoryBuffer, 'update'),
        (HistoryBuffer, '__init__'),
        (HistoryBuffer, '__subclasses__'),
        (Reduced(getattr, HistoryBuffer, 'min'), '__globals__'),
        (OrderedDict, 'fromkeys'),
        (history(), 'mean'),
        (np.ndarray, 'tofile'),
    ],
)
def test_getattr_serves_nothing_but_history_buffers_methods(
    tmp_path, owner, name
):
    path = tmp_path / 'hostile.pth'
    torch.save(Reduced(getattr, owner, name), path)
    assert torch.load(path, weights_only=False) is not None
    with pytest.raises(ValueError, match='refused'):
        load(path)


def test_getattr_chain_that_would_run_code(tmp_path):
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    names = Reduced(
        getattr, Reduced(getattr, HistoryBuffer, 'min'), '__globals__'
    )
    module = Reduced(dict.__getitem__, names, '__builtins__')
    torch.save(
        Reduced(
            Reduced(dict.__getitem__, module, 'exec'),
            f'open({str(marker)!r}, "w")',
        ),
        path,
    )
    with pytest.raises(ValueError, match='refused'):
        load(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize(
    'function, args',
    [
        (builtins.eval, ('1',)),
        (HistoryBuffer.min, (history(),)),
    ],
)
def test_other_calls_stay_forbidden(tmp_path, function, args):
    path = tmp_path / 'hostile.pth'
    torch.save(Reduced(function, *args), path)
    with pytest.raises(ValueError, match='refused'):
        load(path)


# ----------------------------------------------------------- mmaction's gaps
def test_real_drn_is_used_where_it_lies_on_disk(tmp_path, monkeypatch):
    name = 'mmaction.models.localizers.drn.drn'
    drn = tmp_path / 'mmaction' / 'models' / 'localizers' / 'drn'
    drn.mkdir(parents=True)
    for folder in (drn.parents[2], drn.parents[1], drn.parent):
        (folder / '__init__.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    for module in ('mmaction', name):
        monkeypatch.delitem(sys.modules, module)
    compat.stand_in_for_drn()
    assert sys.modules.pop(name).DRN
    (drn / 'drn.py').touch()
    compat.stand_in_for_drn()
    assert name not in sys.modules
    assert 'mmaction' not in sys.modules  # looking does not import it


def fake_distribution(root, name, version, modules):
    """Write an importable, installed-looking distribution."""
    info = root / f'{name}-{version}.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(
        f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
    )
    for module in modules:
        folder = root.joinpath(*module.split('.'))
        folder.mkdir(parents=True, exist_ok=True)
        for package in (folder, *folder.parents):
            if package == root:
                break
            (package / '__init__.py').write_text(
                'def __getattr__(name):\n'
                '    if name[:2] == "__":\n'
                '        raise AttributeError(name)\n'
                '    return object\n'
            )


TRANSFORMERS = [m for m in compat._MULTIMODAL_IMPORTS if 'transf' in m]


def test_multimodal_models_that_cannot_import_are_switched_off(tmp_path):
    fake_distribution(tmp_path, 'transformers', '4.40.0', TRANSFORMERS)
    out = run_code(
        LOAD_COMPAT
        + """
compat.apply()
import mmaction.models
from mmaction.registry import MODELS
try:
    MODELS.build(dict(type='VindLUVQA'))
except ImportError as error:
    print('multi-modal dependencies' in str(error))
""",
        path=tmp_path,
    )
    assert out == ['True']


def test_multimodal_models_that_can_import_are_left_on(tmp_path):
    fake_distribution(tmp_path, 'transformers', '4.40.0', TRANSFORMERS)
    fake_distribution(tmp_path, 'timm', '0.9.0', ['timm.models.layers'])
    out = run_code(
        LOAD_COMPAT
        + """
compat.disable_broken_multimodal()
from mmaction.utils.dependency import WITH_MULTIMODAL
print(WITH_MULTIMODAL)
""",
        path=tmp_path,
    )
    assert out == ['True']


# ------------------------------------------------- mmengine's package helpers
def test_package_helpers_without_pkg_resources(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text("_base_ = 'mmaction::_base_/default_runtime.py'")
    out = run_code(
        LOAD_COMPAT
        + f"""
sys.modules['pkg_resources'] = None  # what `import` takes for missing
import json, mmengine.hub
from mmengine.config import Config
from mmengine.utils import get_installed_path, is_installed
compat.replace_pkg_resources()
for helpers in (mmengine.utils, mmengine.config.config,
                mmengine.utils.package_utils):
    assert helpers.is_installed is compat._is_installed
assert mmengine.hub.hub.get_installed_path is compat._get_installed_path
from mmengine.utils import get_installed_path, is_installed
print(*[is_installed(name) for name in
        ('mmaction2', 'mmaction', 'mmcv-lite', 'not_there_at_all')])
import mmcv
from pathlib import Path
here = Path(mmcv.__file__).parents[1]
for name in ('mmaction2', 'mmaction', 'mmengine'):
    print(Path(get_installed_path(name)).relative_to(here))
try:
    get_installed_path('not_there_at_all')
except ModuleNotFoundError as error:
    print(error)
print(Config.fromfile({str(config)!r}).default_scope)
"""
    )
    assert out[0] == 'True True True False'
    assert out[1:4] == ['mmaction', 'mmaction', 'mmengine']
    assert 'not_there_at_all' in out[4]
    assert out[5] == 'mmaction'


def test_package_helpers_stay_where_pkg_resources_exists(
    tmp_path, monkeypatch
):
    (tmp_path / 'pkg_resources.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(compat.package_utils, 'is_installed', len)
    compat.replace_pkg_resources()
    assert compat.package_utils.is_installed is len


# ------------------------------------------------------- processes on one CPU
TOY = (
    LOAD_COMPAT
    + """
import json
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner


@DATASETS.register_module()
class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 7

    def __getitem__(self, index):
        return dict(x=torch.tensor([1., -.5]) * index ** 1.5, index=index)


@MODELS.register_module()
class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.SyncBatchNorm(2)
        self.head = torch.nn.Linear(2, 1)
        torch.nn.init.constant_(self.head.weight, .25)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, x, index, mode):
        if mode == 'predict':
            return index.tolist()
        return dict(loss=(self.head(self.norm(x)) - 1).square().mean())

    def train_step(self, data, optim_wrapper):
        raise NotImplementedError('DDP has a train_step of its own')


@METRICS.register_module()
class Seen(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        seen.append(sorted(results))
        return dict(count=len(results))


seen = []
work_dir, epochs, resume = sys.argv[1:]
loader = dict(batch_size=2, num_workers=0, dataset=dict(type='Numbers'),
              sampler=dict(type='DefaultSampler', shuffle=False),
              collate_fn=dict(type='default_collate'))
cfg = Config(dict(
    model=dict(type='Toy'),
    work_dir=work_dir,
    train_dataloader=loader,
    val_dataloader=loader,
    val_evaluator=dict(type='Seen'),
    train_cfg=dict(by_epoch=True, max_epochs=int(epochs)),
    val_cfg=dict(),
    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
    sync_bn='torch',
    env_cfg=dict(dist_cfg=dict(backend='nccl', timeout=60)),
    launcher='pytorch',
    resume=bool(int(resume))))
from mosi_mmaction.compat import distributed
compat.allow_history_buffers()
distributed.cpu_distributed(cfg, 'pytorch')
runner = Runner.from_cfg(cfg)
runner.load_or_resume()
start = runner.epoch
runner.train()
with open(f'{work_dir}/rank{dist.get_rank()}.json', 'w') as file:
    json.dump(dict(
        start=start, seen=seen, backend=dist.get_backend(),
        world_size=dist.get_world_size(),
        norm=type(runner.model.module.norm).__name__,
        head=runner.model.module.head.weight.flatten().tolist()), file)
distributed.end_rank()
"""
)


def reference(epochs):
    """Two replicas with averaged gradients, without any framework."""
    x = torch.arange(7.0)[:, None] ** 1.5 * torch.tensor([1.0, -0.5])
    head, norm = torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(2)
    torch.nn.init.constant_(head.weight, 0.25)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.SGD(
        [*head.parameters(), *norm.parameters()], lr=0.1
    )
    for _ in range(epochs):
        # Sample 0 is repeated to give both processes four samples.
        for batches in (((0, 2), (1, 3)), ((4, 6), (5, 0))):
            losses = [
                (head(norm(x[list(batch)])) - 1).square().mean()
                for batch in batches
            ]
            optimizer.zero_grad()
            (sum(losses) / 2).backward()
            optimizer.step()
    return head.weight.detach().flatten().tolist()


@pytest.mark.slow
def test_two_processes_train_validate_save_and_resume(tmp_path):
    script, work_dir = tmp_path / 'toy.py', tmp_path / 'work dir'
    script.write_text(TOY)

    def train(epochs, resume):
        status, _, err = run(
            '-m',
            'torch.distributed.run',
            '--standalone',
            '--local-addr=127.0.0.1',
            '--nproc-per-node=2',
            script,
            work_dir,
            epochs,
            resume,
            CUDA_VISIBLE_DEVICES='-1',
        )
        assert status == 0, err
        return [
            json.loads((work_dir / f'rank{i}.json').read_text())
            for i in range(2)
        ]

    ranks = train(epochs=2, resume=0)
    for rank in ranks:
        assert (rank['backend'], rank['world_size'], rank['norm']) == (
            'gloo',
            2,
            '_BatchNormXd',
        )
        assert rank['head'] == pytest.approx(reference(2), rel=1e-5)
    assert reference(2) != pytest.approx(reference(1), rel=1e-2)
    assert ranks[0]['seen'] == [list(range(7))] * 2  # each sample once
    weights = load(work_dir / 'epoch_2.pth')['state_dict']
    assert weights['head.weight'].flatten().tolist() == ranks[0]['head']

    for rank in train(epochs=3, resume=1):
        assert rank['start'] == 2
        assert rank['head'] == pytest.approx(reference(3), rel=1e-5)


def test_cpu_distributed_changes_nothing_for_one_process():
    from mmengine.config import Config

    cfg = Config({'sync_bn': 'torch'})
    distributed.cpu_distributed(cfg, 'none')
    assert cfg.to_dict() == {'sync_bn': 'torch'}


def test_launcher_without_its_environment_says_so(monkeypatch):
    from mmengine.config import Config

    monkeypatch.setattr(distributed, 'get_device', lambda: 'cpu')
    # It sets variables and thread counts of this process.
    monkeypatch.setattr(distributed, 'set_multi_processing', lambda **_: None)
    set_device = torch.cuda.set_device
    for name in ('RANK', 'LOCAL_RANK'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="--launcher pytorch.*'RANK'.*dist_"):
        distributed.cpu_distributed(Config(), 'pytorch')
    assert torch.cuda.set_device is set_device


def test_cpu_distributed_keeps_the_configs_own_wrapper(monkeypatch):
    from mmengine.config import Config

    monkeypatch.setattr(distributed, 'get_device', lambda: 'cpu')
    monkeypatch.setattr(distributed, 'is_distributed', lambda: True)
    cfg = Config({'model_wrapper_cfg': {'find_unused_parameters': True}})
    distributed.cpu_distributed(cfg, 'slurm')
    assert cfg.model_wrapper_cfg == {
        'type': 'CPUDistributedDataParallel',
        'broadcast_buffers': False,
        'find_unused_parameters': True,
    }
    cfg = Config({'model_wrapper_cfg': {'type': 'Other'}})
    distributed.cpu_distributed(cfg, 'slurm')
    assert cfg.model_wrapper_cfg.type == 'Other'


@pytest.mark.parametrize('joined', [True, False])
def test_a_rank_ends_without_a_teardown(tmp_path, joined):
    """A thread that aborts in the teardown must not make a run a failure."""
    script = tmp_path / 'rank.py'
    script.write_text(f"""
import atexit, os, sys, threading, time
import torch.distributed as dist
from mosi_mmaction.compat.distributed import end_rank
def late():
    time.sleep(1)
    sys.stdout.write('a thread, ')
if {joined}:
    dist.init_process_group(
        'gloo', store=dist.FileStore({str(tmp_path / 'store')!r}, 1), rank=0,
        world_size=1)
atexit.register(lambda: sys.stdout.write(f'group: {{dist.is_initialized()}}'))
threading.Thread(target=late).start()
class Torn:
    def __del__(self, abort=os.abort):
        abort()
torn = Torn()
sys.stdout.write('printed, ')
end_rank()
del Torn.__del__
sys.stdout.write('went on, ')
""")
    status, out, err = run(script)
    assert status == 0, err
    between = '' if joined else 'went on, '
    assert out == f'printed, {between}a thread, group: {joined}'


def test_a_group_that_cannot_end_does_not_undo_the_work(tmp_path):
    script = tmp_path / 'rank.py'
    script.write_text(f"""
import torch.distributed as dist
from mosi_mmaction.compat.distributed import end_rank
dist.init_process_group(
    'gloo', store=dist.FileStore({str(tmp_path / 'store')!r}, 1), rank=0,
    world_size=1)
def fail():
    raise RuntimeError('a peer is gone')
dist.destroy_process_group = fail
end_rank()
""")
    status, _, err = run(script)
    assert status == 0
    assert 'a peer is gone' in err


@pytest.mark.parametrize(
    'name',
    [
        'O\'Brien\'s "photos"',
        r'C:\new\1\u',
        'ends in \\',
        'a {b} é',
        '\udce9 is a byte',
        'plain/path',
    ],
)
def test_paths_of_the_environment_are_taken_as_they_are(
    name, tmp_path, monkeypatch
):
    for variable in ('MOSI_DATA', 'MOSI_SPLITS', 'MOSI_PRETRAINED'):
        monkeypatch.setenv(variable, name)
    configs = ROOT / 'configs'
    cfg = Config.fromfile(configs / 'tiny/mosi_r2p1d_images.py')
    assert cfg.train_dataloader.dataset.data_root == name
    cfg = Config.fromfile(configs / 'tiny/finetune_r2p1d_weizmann.py')
    assert cfg.load_from == name
    dataset = cfg.test_dataloader.dataset
    assert dataset.data_prefix.video == name
    assert dataset.ann_file == f'{name}/test.txt'
    cfg.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').load_from == name


def test_expressions_of_the_environment_stay_expressions(
    tmp_path, monkeypatch
):
    config = tmp_path / 'a.py'
    config.write_text("n = {{'$A_NUMBER:80'}}\nd = '{{$A_NONE:data}}/x'\n")
    assert Config.fromfile(config).to_dict() == dict(n=80, d='data/x')
    monkeypatch.setenv('A_NUMBER', "['a', 3]")
    assert Config.fromfile(config).n == ['a', 3]
