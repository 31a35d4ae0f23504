"""What README and docs say can be done can be done.

Every fenced block of commands or Python is run, page by page, in a folder
that is laid out as a clone with a few images and videos in it; or a comment
right before it says what it needs that a test has not:

    <!-- needs data -->  <!-- needs GPUs -->  <!-- needs installation -->

`<!-- long -->` moves the blocks of its page to the tests marked `long`.
Checkpoints that another page would have made are there, untrained.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from helpers.paths import ROOT

PAGES = [
    ROOT / 'README.md',
    ROOT / 'CONTRIBUTING.md',
    *sorted((ROOT / 'docs').glob('*.md')),
]
BLOCK = re.compile(
    r'^(?:<!--((?:(?!-->).)*)-->\n)?```(\w*)\n(.*?)^```$', re.M | re.S
)
SHOWN = {'text', 'bibtex', 'yaml'}  # not run
NEEDS = re.compile(
    r' needs .*(data|GPU|installation|Slurm|minutes|run by tests/[\w/]+\.py)'
)

page_by_page = pytest.mark.parametrize('page', PAGES, ids=lambda p: p.stem)


class Block(NamedTuple):
    mark: str
    language: str
    code: str
    line: int


def blocks(page):
    text = page.read_text(encoding='utf-8')
    return [
        Block(
            found[1] or '',
            found[2],
            found[3],
            text[: found.start(3)].count('\n') + 1,
        )
        for found in BLOCK.finditer(text)
    ]


def to_run(page):
    return [
        b
        for b in blocks(page)
        if b.language in ('shell', 'python')
        and not b.mark.startswith(' needs ')
    ]


# ------------------------------------------------------------- blocks, run
def draw_video(path, dx, dy, seed):
    """Write a bright box that goes (dx, dy) pixels a frame."""
    rng = np.random.default_rng(seed)
    wall = rng.integers(0, 80, (48, 64, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, (64, 48)
    )
    for n in range(24):
        frame = wall.copy()
        x, y = (20 + n * dx) % 48, (16 + n * dy) % 32
        frame[y : y + 16, x : x + 16] = 200 + seed
        writer.write(frame)
    writer.release()


def furnish(clone):
    """Lay out what a reader of the pages has in a clone of the project."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    from mosi_mmaction import config_path
    from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves

    for name in (
        'README.md',
        'Makefile',
        'configs',
        'docs',
        'tests',
        'tools',
        'zoo',
    ):
        (clone / name).symlink_to(ROOT / name)
    rng = np.random.default_rng(0)
    for number in range(30):
        path = clone / 'photos' / f'Été {number % 3}' / f'Bild {number}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw_dead_leaves(80, rng))
    lists = clone / 'lists'
    lists.mkdir()
    lines = dict(train='', test='')
    actions = {'bend': (0, 1), 'jump': (2, 0), 'à gauche': (-2, 0)}
    for label, action in enumerate(sorted(actions)):
        for number, actor in enumerate(('daria', 'denis', 'eli', 'ido')):
            name = f'{action}/{actor} {action}.avi'
            draw_video(clone / 'videos' / name, *actions[action], number)
            lines['train' if number else 'test'] += f'{name} {label}\n'
    for name, content in lines.items():
        (lists / f'{name}.txt').write_text(content, encoding='utf-8')
    (lists / 'classes.txt').write_text(
        '\n'.join(sorted(actions)) + '\n', encoding='utf-8'
    )
    (lists / 'finetune.py').write_text(
        "_base_ = [__import__('mosi_mmaction').config_path("
        "'tiny/finetune_r2p1d_weizmann')]\n"
        'from mosi_mmaction import set_videos\n'
        "set_videos(_base_, videos='videos', lists='lists')\n"
    )

    init_default_scope('mmaction')
    from mmaction.registry import MODELS

    for config, run, epoch in (
        (config_path('tiny/mosi_r2p1d_images'), 'mosi_r2p1d_images', 14),
        (lists / 'finetune.py', 'my_actions', 40),
    ):
        cfg = Config.fromfile(config)
        work_dir = clone / 'work_dirs' / run
        (work_dir / '20260101_000000' / 'vis_data').mkdir(parents=True)
        cfg.dump(work_dir / Path(config).name)
        torch.save(
            dict(
                meta=dict(cfg=cfg.pretty_text),
                state_dict=MODELS.build(cfg.model).state_dict(),
            ),
            work_dir / f'epoch_{epoch}.pth',
        )
        (work_dir / '20260101_000000/vis_data/scalars.json').write_text(
            '{"loss": 2.2, "epoch": 1, "iter": 1, "step": 1}\n'
            '{"pretext/top1": 0.11, "step": 1}\n'
        )


def run_shell(code, folder):
    env = {k: v for k, v in os.environ.items() if not k.startswith('MOSI_')}
    env['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{env["PATH"]}'
    done = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', code],
        cwd=folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
    )
    assert done.returncode == 0, f'{code}\n{done.stdout[-4000:]}'


def run_python(block, folder, names, title):
    if re.search(r'^_base_ =', block.code, re.M):  # a config of the reader's
        from mmengine.config import Config

        named = re.match(r'# (\w+\.py)\n', block.code)
        leaf = folder / (named[1] if named else f'leaf{block.line}.py')
        leaf.write_text(block.code, encoding='utf-8')
        assert Config.fromfile(leaf)
    else:
        exec(compile(block.code, title, 'exec'), names)


@pytest.mark.parametrize(
    'page',
    [
        pytest.param(
            page,
            id=page.stem,
            marks=[pytest.mark.long]
            if any(b.mark.startswith(' long') for b in to_run(page))
            else [],
        )
        for page in PAGES
        if to_run(page)
    ],
)
def test_blocks_run(page, tmp_path, monkeypatch):
    for name in ('DATA', 'SPLITS', 'PRETRAINED'):
        monkeypatch.delenv(f'MOSI_{name}', raising=False)
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path)
    names = {'__name__': page.stem}
    for block in to_run(page):
        if block.language == 'shell':
            run_shell(block.code, tmp_path)
        else:
            run_python(block, tmp_path, names, f'{page.name}:{block.line}')


# --------------------------------------------------------- blocks, read only
@page_by_page
def test_blocks_say_what_they_are(page):
    text = page.read_text(encoding='utf-8')
    for block in blocks(page):
        where = f'{page.name}:{block.line}'
        assert block.language in SHOWN | {'shell', 'python'}, where
        if block.mark:
            assert block.mark.startswith(' long') or NEEDS.match(block.mark), (
                f'{where}: <!--{block.mark}-->'
            )
        for test in re.findall(r'tests/\w+\.py', block.mark):
            assert (ROOT / test).is_file(), f'{where}: {test}'
    # A command that no fence shows would be run by nothing.
    hidden = re.findall(
        r'^    (?:python|pip|make|tools/|apt-get|export|MOSI_\w+=).*',
        BLOCK.sub('', text),
        re.M,
    )
    assert not hidden, f'{page.name}: put into a fence: {hidden}'
    assert text.count('```') == 2 * len(blocks(page)), f'{page.name}: fences'


@page_by_page
def test_commands_name_what_there_is(page):
    targets = set(
        re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.M)
    )
    for block in blocks(page):
        if block.language != 'shell':
            continue
        for line in block.code.replace('\\\n', '').splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ['make']:
                assert set(words[1:]) <= targets, line
            options = ''
            for word in words:
                if re.fullmatch(r'(tools|configs)/\S*\.(py|sh)', word):
                    assert (ROOT / word).is_file(), line
                if re.fullmatch(r'tiny/\w+', word):
                    assert (ROOT / f'configs/{word}.py').is_file(), line
                if word.startswith('tools/'):
                    options = options_of(word)
                elif options and word.startswith('--'):
                    assert f"'{word}'" in options, line


def options_of(tool):
    """Return the source of everything that reads a tool's options."""
    files = [ROOT / tool, ROOT / 'mosi_mmaction/cli/arguments.py']
    if tool.endswith('.sh'):
        files[0] = ROOT / 'tools' / f'{tool[:-3].rpartition("_")[2]}.py'
    if tool == 'tools/benchmark.py':
        files += sorted((ROOT / 'mosi_mmaction/benchmarks').glob('*.py'))
    return '\n'.join(file.read_text(encoding='utf-8') for file in files)


# --------------------------------------------------------------------- links
def slugs(page):
    """Return the anchors that both GitHub and the site give a page."""
    text = BLOCK.sub('', page.read_text(encoding='utf-8'))
    found = set()
    for title in re.findall(r'^#+ (.*)', text, re.M):
        title = re.sub(r'\[(.*?)\]\(.*?\)|[`*]', r'\1', title).strip().lower()
        github = re.sub(r'[^\w\- ]', '', title).replace(' ', '-')
        plain = unicodedata.normalize('NFKD', title).encode('ascii', 'ignore')
        site = re.sub(
            r'[-\s]+', '-', re.sub(r'[^\w\s-]', '', plain.decode()).strip()
        )
        if github == site:
            found.add(site)
    return found


@page_by_page
def test_links_lead_somewhere(page):
    text = BLOCK.sub('', page.read_text(encoding='utf-8'))
    for link in re.findall(r'\]\(<?([^)>\s]+)', text):
        if re.match(r'\w+:', link):
            continue  # the rest of the world is not looked at
        path, _, anchor = link.partition('#')
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f'{page.name}: {link}'
        if page.parent.name == 'docs':  # the site has nothing else
            assert page.parent in target.parents, f'{page.name}: {link}'
        if anchor:
            assert anchor in slugs(target), f'{page.name}: {link}'


# ----------------------------------------------------------- troubleshooting
#: Pieces of messages in docs/troubleshooting.md that other packages say.
UPSTREAM = {
    'libGL.so.1: cannot open shared object file',
    'libgthread-2.0.so.0:',
    "No module named 'importlib_metadata'",
    "No module named 'mmaction.models.localizers.drn'",
    "cannot import name 'apply_chunking_to_forward' from 'transformers",
    "No module named 'timm'",
    "No module named 'pkg_resources'",
    "No module named 'torchvision'",
    "module 'numpy' has no attribute",
    'imgaug',
    'MoSIHead is not in the mmaction::model registry',
    'ConfigParsingError',
    "_base_ = 'mosi_mmaction::",
    'read_base()',
    'prefetch_factor option could only be specified in multiprocessing',
    'persistent_workers option needs num_workers > 0',
    '--cfg-options',
    'Target 10 is out of bounds',
    'The model and loaded state dict do not match exactly',
    'size mismatch for cls_head',
    'device-side assert triggered',
    'DataLoader worker (pid',
    'is killed by signal: Bus error',
    'unable to allocate shared memory (shm)',
    'No space left on device',
    '/dev/shm',
    'Python integer -25 out of bounds for uint8',
    'Weights only load failed',
    'Unsupported global: GLOBAL mmengine.logging.history_buffer.HistoryBuffer',
    'Torch not compiled with CUDA enabled',
    'Found no NVIDIA driver',
    'DistributedDataParallel device_ids and output_device arguments only '
    'work with',
    'SyncBatchNorm expected input tensor to be on GPU',
    'is only available training on gpu, npu, mlu or musa',
    "'Video' object has no attribute 'get_batch'",
    "'UserDefinedDictVariable' object has no attribute 'items'",
    'Expected 3D (unbatched) or 4D (batched) input to conv2d',
    'AssertionError',
    'assert hook is not None',
    'The key argument of',
    'must be a str, got',
    'ConfigDict',
    'Expected to have finished reduction in the prior iteration',
    'CUDA out of memory',
    'AccMetric',
    'terminate called without an active exception',
    "Expected input type to be list, but got <class 'torch.Tensor'>",
}


def said(node):
    """Return a string as it is said, `...` for what is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return ''.join(said(v) or '\0' for v in node.values)
    return None


def test_messages_are_those_that_are_said():
    ours = []
    for file in [
        *(ROOT / 'mosi_mmaction').rglob('*.py'),
        *(ROOT / 'tools').rglob('*.py'),
    ]:
        tree = ast.parse(file.read_text(encoding='utf-8'))
        ours += filter(None, map(said, ast.walk(tree)))
    table = (ROOT / 'docs/troubleshooting.md').read_text(encoding='utf-8')
    upstream = {text.strip(' \'"()') for text in UPSTREAM}
    quoted = 0
    for cell in re.findall(r'^\| (.*?) \|', table, re.M):
        for span in re.findall(r'`(.+?)`', cell):
            for piece in span.split('...'):
                # Quotes may come from repr().
                piece = piece.strip(' \'"()')
                quoted += bool(piece)
                assert piece in upstream or any(
                    piece in text for text in ours
                ), piece
    assert quoted > 40
