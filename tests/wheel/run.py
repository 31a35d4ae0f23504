"""Build sdist and wheel, install the wheel, and use it as a stranger would.

    python tests/wheel/run.py [--keep DIR]

Needs `build`; everything else is installed into an environment of its own,
away from the source tree. Stops at the first thing that is wrong.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from wheel_contents import (
    ROOT,
    build,
    call,
    check,
    check_contents,
    copy_source,
    say,
)

TINY = 'tiny/mosi_r2p1d_deadleaves'
OPTIONS = [
    f'{split}_dataloader.{key}'
    for split in ('train', 'val', 'test')
    for key in (
        'num_workers=0',
        'persistent_workers=False',
        'batch_size=4',
        'dataset.num_images=8',
    )
]

LIST_ALL = """
import contextlib, io, sys
from mosi_mmaction.__main__ import find_tools, main
for tool in find_tools():
    sys.argv = ['mosi_mmaction', tool, '--help']
    out, end = io.StringIO(), None
    path = list(sys.path)
    with contextlib.redirect_stdout(out):
        try:
            main()
        except SystemExit as error:
            end = error.code
    sys.path[:] = path
    text = out.getvalue() if end in (0, None) else str(end)
    ok = 'usage:' in text or 'mosi_mmaction[vis]' in text
    print(tool, 'ok' if ok else 'BAD', text.splitlines()[0])
"""

COMPARE = """
import sys, torch, mosi_mmaction
early, one, other = (torch.load(p)['state_dict'] for p in sys.argv[1:])
assert list(early) == list(one) == list(other)
assert not any(torch.equal(early[k], one[k]) for k in one if 'weight' in k)
print(sum(torch.equal(one[k], other[k]) for k in one), 'of', len(one))
"""

ZOO = """
import mosi_mmaction
for name, entry in mosi_mmaction.zoo_entries().items():
    file = entry.get('Weights')
    if file and '://' not in file:
        backbone = mosi_mmaction.load_backbone(name)
        print(name, type(backbone).__name__)
"""

VIDEOS = """
from pathlib import Path
import mosi_mmaction
from mosi_mmaction.synthetic.sprite_actions import ACTIONS
from mosi_mmaction.synthetic.write import write_action_videos
root = Path('data/hmdb51')
for split, half in ('train', 'train'), ('test', 'val'):
    write_action_videos(root / 'videos', 2, split, actions=ACTIONS[:1],
                        num_frames=16)
    (root / f'hmdb51_{half}_split_1_videos.txt').write_text(
        (root / 'videos' / f'{split}.txt').read_text())
"""


# -------------------------------------------------------------------- using
class Stranger:
    """Somebody who installed the wheel and has an empty folder.

    Args:
        home: Folder to make, with ``venv`` and ``project``.
        wheel: File to install.
    """

    def __init__(self, home: Path, wheel: Path) -> None:
        self.project = home / 'project'
        self.project.mkdir(parents=True)
        # Nothing of whoever runs this; one thread and no GPU, so that two
        # runs agree to the last bit.
        self.env = {
            k: v
            for k, v in os.environ.items()
            if not re.match(
                'PYTHON|VIRTUAL_ENV|MOSI_|RANK|LOCAL_RANK|WORLD_SIZE', k
            )
        }
        self.env.update(
            OMP_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='',
            PYTHONNOUSERSITE='1',
            PYTHONWARNINGS='ignore',
        )
        call(sys.executable, '-m', 'venv', home / 'venv', env=self.env)
        self.bin = home / 'venv' / 'bin'
        self(
            '-m',
            'pip',
            'install',
            '--disable-pip-version-check',
            '-q',
            '-c',
            ROOT / 'requirements' / 'constraints.txt',
            f'{wheel}[lite]',
        )

    def __call__(self, *args: object, status: int = 0) -> str:
        """Run the environment's python in the folder; return its output."""
        return call(
            self.bin / 'python',
            *args,
            status=status,
            cwd=self.project,
            env=self.env,
        )

    def tool(self, *args: object, status: int = 0) -> str:
        """Run a tool the documented way."""
        return self('-m', 'mosi_mmaction', *args, status=status)

    def scalars(self, run: str, key: str) -> list[dict]:
        """Return the lines of a run's last log that have the key."""
        log = max((self.project / run).glob('*/vis_data/scalars.json'))
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if key in line]


def check_import(user: Stranger) -> None:
    """The package that is imported is the installed one."""
    path, version = user(
        '-c',
        'import mosi_mmaction as m; print(m.__file__); print(m.__version__)',
    ).split()
    check(
        user.bin.parent in Path(path).parents
        and ROOT not in Path(path).parents,
        f'imported from the new environment: {path}',
    )
    there = (ROOT / 'mosi_mmaction' / 'version.py').read_text()
    check(f"'{version}'" in there, f'its version is {version}')


def check_tools(user: Stranger) -> None:
    """Every tool starts, or says what to install; typos are named."""
    listed = user.tool()
    for tool in ('train', 'test', 'check_data', 'data/prepare'):
        assert re.search(f'^ +{tool} +[A-Z]', listed, re.M), listed
    lines = user('-c', LIST_ALL).splitlines()
    bad = [line for line in lines if ' BAD ' in line]
    check(not bad and len(lines) > 10, f'{len(lines)} tools start {bad or ""}')
    check(
        'did you mean train' in user.tool('trian', status=1),
        'a wrong name of a tool is answered with the near ones',
    )
    check(
        "'tiny/nonesuch'" in user.tool('train', 'tiny/nonesuch', status=1),
        'so is that of a config',
    )


def check_training(user: Stranger) -> None:
    """Train by name, resume, test; results agree."""
    options = ['--cfg-options', *OPTIONS]
    user.tool(
        'train',
        TINY,
        '--work-dir',
        'straight',
        *options,
        'train_cfg.max_epochs=2',
    )
    losses = [line['loss'] for line in user.scalars('straight', 'loss')]
    check(
        bool(losses) and all(0 < loss < 10 for loss in losses),
        f'two epochs; losses {losses}',
    )
    user.tool(
        'train',
        TINY,
        '--work-dir',
        'resumed',
        '--resume',
        'straight/epoch_1.pth',
        *options,
        'train_cfg.max_epochs=2',
    )
    same = user(
        '-c',
        COMPARE,
        'straight/epoch_1.pth',
        'straight/epoch_2.pth',
        'resumed/epoch_2.pth',
    )
    same, of = re.search(r'(\d+) of (\d+)', same).groups()
    check(
        same == of and not (user.project / 'resumed/epoch_1.pth').exists(),
        f'the resumed run ends with the same weights: {same} of {of}',
    )
    user.tool(
        'test', TINY, 'straight/epoch_2.pth', '--work-dir', 'tested', *options
    )
    (log,) = (user.project / 'tested').glob('*/*.json')
    tested = json.loads(log.read_text())['pretext/top1']
    logged = user.scalars('straight', 'pretext/top1')[-1]['pretext/top1']
    check(tested == logged, f'test and last validation agree: top1 {tested}')


def check_zoo(user: Stranger) -> None:
    """The checkpoints that ship with the wheel load by name."""
    say(user('-c', ZOO).strip() or 'there is none')


def check_ranks(user: Stranger) -> None:
    """Two processes under torchrun."""
    user(
        '-m',
        'torch.distributed.run',
        '--standalone',
        '--local-addr=127.0.0.1',
        '--nproc-per-node=2',
        '-m',
        'mosi_mmaction',
        'train',
        TINY,
        '--launcher',
        'pytorch',
        '--work-dir',
        'ranks',
        '--no-validate',
        '--cfg-options',
        *OPTIONS,
        'train_cfg.max_epochs=1',
    )
    steps = user.scalars('ranks', 'loss')[-1]['step']
    check(steps == 1, 'two processes share an epoch of two batches')


def check_foreign_project(user: Stranger) -> None:
    """MMAction2's own tool trains a config that inherits one of ours."""
    project = user.project / 'foreign project'
    shutil.copytree(ROOT / 'tests' / 'wheel' / 'foreign_project', project)
    user.project = project
    user('-c', VIDEOS)
    (tool,) = (user.bin.parent).glob(
        'lib/python*/site-packages/mmaction/.mim/tools/train.py'
    )
    user(tool, 'mosi_slowonly.py')
    run = 'work_dirs/mosi_slowonly'
    (loss,) = user.scalars(run, 'loss')
    check(
        0 < loss['loss'] < 10 and loss['step'] == 1,
        f"one step of MMAction2's own tool: loss {loss['loss']:.3f}",
    )
    tested = user.scalars(run, 'pretext/top1')
    check(len(tested) == 1, f'top1 {tested[0]["pretext/top1"]:.3f}')
    # torch refuses the checkpoint unless our package was imported before.
    user(
        tool,
        'mosi_slowonly.py',
        '--resume',
        '--cfg-options',
        'train_cfg.max_epochs=2',
    )
    steps = [line['step'] for line in user.scalars(run, 'loss')]
    check(
        steps == [2] and (project / run / 'epoch_2.pth').exists(),
        'it resumes with the second step',
    )


def main() -> None:
    """Do it all."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--keep',
        type=Path,
        metavar='DIR',
        help='work there, and leave it all for inspection',
    )
    args = parser.parse_args()
    home = args.keep or Path(tempfile.mkdtemp(prefix='mosi-wheel-'))
    try:
        source = home / 'source'
        copy_source(source)
        sdist, wheel = build(source, home / 'dist')
        check_contents(source, sdist, wheel)
        user = Stranger(home / 'stranger', wheel)
        for step in (
            check_import,
            check_tools,
            check_training,
            check_zoo,
            check_ranks,
            check_foreign_project,
        ):
            say(f'--- {step.__doc__}')
            step(user)
    finally:
        if args.keep is None:
            shutil.rmtree(home)
    say('wheel-test passed')


if __name__ == '__main__':
    main()
