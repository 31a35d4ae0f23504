"""Several processes without a GPU, and how they end."""

import json

import pytest
import torch
from mmengine.config import Config

from helpers.compat_process import LOAD_COMPAT, load, run
from mosi_mmaction.compat import distributed
from mosi_mmaction.compat import imports as compat

compat.apply()

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

    cfg = Config({'sync_bn': 'torch'})
    distributed.cpu_distributed(cfg, 'none')
    assert cfg.to_dict() == {'sync_bn': 'torch'}


def test_launcher_without_its_environment_says_so(monkeypatch):

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
