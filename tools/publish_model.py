#!/usr/bin/env python
"""Prepare a checkpoint for publication.

    python tools/publish_model.py work_dirs/mosi_r2p1d_hmdb/epoch_100.pth \
        --out zoo

writes two files whose names end in the date and eight digits of their
SHA-256:

    zoo/mosi_r2p1d_hmdb_20261122-1a2b3c4d.pth           weights and meta
    zoo/mosi_r2p1d_hmdb_backbone_20261122-5e6f7a8b.pth  the backbone alone

The state of optimizer and training is removed. ``meta`` keeps config, seed,
versions, and the record of data, decoder and label pool. In the second file,
names have no ``backbone.`` prefix, as ``init_cfg`` of type Pretrained and
plain torch require. ``--half`` stores kernels in half precision, which halves
the files; normalisation stays in float32.

Both files are then loaded in another process that never imports mosi_mmaction,
and the entry for a ``metafile.yml`` is printed.
"""

import argparse
import datetime
import os.path as osp
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from mosi_mmaction.cli.start import start


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'checkpoint', help='checkpoint of a run of this package'
    )
    parser.add_argument('--out', default='zoo', help='directory to write to')
    parser.add_argument(
        '--name',
        help="name of the files (default: the name of the run's config)",
    )
    parser.add_argument(
        '--date',
        default=datetime.date.today().strftime('%Y%m%d'),
        help='date in the file names (default: today)',
    )
    parser.add_argument(
        '--half',
        action='store_true',
        help='store kernels in half precision, which halves the size',
    )
    args = parser.parse_args()
    if not re.fullmatch(r'\d{8}', args.date):
        parser.error(f'--date {args.date}: write it as 20261122')
    return args


if __name__ == '__main__':
    start(parse_args)

import yaml
from mmengine.runner import CheckpointLoader

from mosi_mmaction.checkpoints.files import check_digest, save_published
from mosi_mmaction.checkpoints.weights import backbone_weights

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'

# The keys of meta that say how a network was made.
_META = (
    'cfg',
    'dataset_meta',
    'epoch',
    'experiment_name',
    'iter',
    'mmengine_version',
    'mosi_mmaction',
    'seed',
    'time',
)

# What batch norms remember, which is not trained.
_BUFFER = re.compile(r'\.(running_mean|running_var|num_batches_tracked)$')

# Run by a process without the plugin. A module missing from the package of
# mmaction2 1.2 gets a stand-in.
_CHECK = """
import importlib.util
import sys
import types

import torch

full, alone = (torch.load(path, map_location='cpu', weights_only=True)
               for path in sys.argv[1:3])
prefix = 'backbone.'
weights = {k[len(prefix):]: v for k, v in full['state_dict'].items()
           if k.startswith(prefix)}
assert weights and weights.keys() == alone['state_dict'].keys()
assert all(torch.equal(v, alone['state_dict'][k])
           for k, v in weights.items())
assert set(full) == set(alone) == {'meta', 'state_dict'}
assert all(v.isfinite().all() for v in full['state_dict'].values())

name = 'mmaction.models.localizers.drn'
if importlib.util.find_spec('mmaction') is not None:
    drn = types.ModuleType(name + '.drn')
    drn.DRN = object
    sys.modules[name + '.drn'] = drn
    from mmaction.models import backbones
    config = dict(full['meta'].get('mosi_mmaction', {}).get('backbone', {}))
    network = getattr(backbones, config.pop('type', ''), None)
    if network is None:
        print('tensors only: the backbone is none of MMAction2')
    else:
        from mmengine.registry import init_default_scope
        init_default_scope('mmaction')
        config.pop('pretrained', None)
        network(pretrained=None, **config).load_state_dict(weights)
        print(f'{network.__name__} of MMAction2, '
              f'{len(weights)} of {len(weights)} tensors')
assert not any(m.partition('.')[0] == 'mosi_mmaction' for m in sys.modules)
"""


def published(checkpoint: dict, path: str, half: bool = False) -> dict:
    """Return the part of a checkpoint to publish.

    Args:
        checkpoint: Checkpoint of a run.
        path: Its path, for messages.
        half: Whether tensors of more than one axis, which are kernels,
            become float16. Weights and averages of normalisation layers
            have one axis and may exceed the range of float16.

    Raises:
        ValueError: If it has no weights, or does not say how it was made.
    """
    if not {'meta', 'state_dict'} <= set(checkpoint):
        raise ValueError(
            f'{path}: has no meta and state_dict, so it is not '
            'the checkpoint of a run'
        )
    meta = {k: checkpoint['meta'][k] for k in _META if k in checkpoint['meta']}
    if not backbone_weights(checkpoint) or 'mosi_mmaction' not in meta:
        raise ValueError(
            f"{path}: meta['mosi_mmaction'] is missing, so it is unknown "
            'how it was made; RecordHook, which all shipped configs have, '
            'writes it'
        )
    # Do not publish local paths.
    meta['cfg'] = re.sub(
        r'^(work_dir|load_from|resume|launcher) = .*\n?',
        '',
        meta.get('cfg', ''),
        flags=re.M,
    )
    weights = checkpoint['state_dict']
    if half:
        weights = {
            k: v.half() if v.is_floating_point() and v.ndim > 1 else v
            for k, v in weights.items()
        }
    return dict(meta=meta, state_dict=weights)


def entry(name: str, path: str, backbone_path: str, content: dict) -> dict:
    """Return the entry of a metafile."""
    meta, made = content['meta'], content['meta']['mosi_mmaction']
    found = sorted(CONFIGS.rglob(f'{name}.py'))
    weights = content['state_dict'].items()
    return dict(
        Name=name,
        Config=str(Path('configs', found[0].relative_to(CONFIGS)))
        if found
        else '',
        Metadata={
            'Parameters': sum(
                t.numel() for k, t in weights if not _BUFFER.search(k)
            ),
            'Training Data': made['data'].get('type', ''),
            'Samples': made['data'].get('samples'),
            'Epochs': meta.get('epoch'),
            'Seed': meta.get('seed'),
            'Version': made['version'],
            'SHA256': check_digest(path, ''),
            'Backbone SHA256': check_digest(backbone_path, ''),
        },
        Weights=path,
    )


def main() -> None:
    """Write both files, check them, print the entry."""
    args = parse_args()
    content = published(
        CheckpointLoader.load_checkpoint(args.checkpoint, map_location='cpu'),
        args.checkpoint,
        args.half,
    )
    name = args.name or re.sub(
        r'_\d{8}_\d{6}$', '', content['meta'].get('experiment_name', '')
    )
    if not name:
        raise ValueError(
            f'{args.checkpoint}: meta has no experiment_name; give --name'
        )
    alone = dict(content, state_dict=backbone_weights(content))
    paths = [
        save_published(content, osp.join(args.out, f'{name}_{args.date}')),
        save_published(
            alone, osp.join(args.out, f'{name}_backbone_{args.date}')
        ),
    ]
    paths = [osp.abspath(p) for p in paths]
    with tempfile.TemporaryDirectory() as elsewhere:
        checked = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', _CHECK, *paths],
            capture_output=True,
            text=True,
            cwd=elsewhere,
        )
    if checked.returncode:
        raise RuntimeError(
            f'{paths[0]}: does not load without this package:\n'
            f'{checked.stderr[-2000:]}'
        )
    print(f'loads without mosi_mmaction: {checked.stdout.strip()}\n')
    for path in paths:
        print(f'{check_digest(path, "")}  {osp.relpath(path)}')
    print(
        '\n'
        + yaml.safe_dump(
            [entry(name, *(osp.relpath(p) for p in paths), content)],
            sort_keys=False,
        )
    )


if __name__ == '__main__':
    main()
