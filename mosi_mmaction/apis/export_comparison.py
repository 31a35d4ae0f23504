"""Run exported files without this package, and compare the answers."""

import json
import subprocess
import sys
from pathlib import Path

#: Largest difference to the network, as a share of its largest output.
TOLERANCE = 1e-5

#: How each format is run, in a process of its own.
_RUN = dict(
    safetensors="""
from safetensors.numpy import load_file
weights = load_file(path)
assert set(weights) == set(saved.files), 'other names'
pairs = [(weights[k], saved[k]) for k in saved.files]
""",
    onnx="""
import onnxruntime
session = onnxruntime.InferenceSession(
    path, providers=['CPUExecutionProvider']
)
run = lambda clips: session.run(None, {'clips': clips})[0]
""",
    torchscript="""
import torch
network = torch.jit.load(path)
run = lambda clips: network(torch.from_numpy(clips)).detach().numpy()
""",
    program="""
import torch
network = torch.export.load(path).module()
run = lambda clips: network(torch.from_numpy(clips)).detach().numpy()
""",
)
_BEFORE = """
import json, sys
import numpy as np
path, expected = sys.argv[1:]
saved = np.load(expected)
pairs = None
"""
_AFTER = """
if pairs is None:
    pairs = [
        (run(saved[f'clips{n}']), saved[f'expected{n}']) for n in (1, 3)
    ]
assert not {'mmaction', 'mmengine', 'mosi_mmaction'} & set(sys.modules)
assert all(a.shape == b.shape for a, b in pairs), 'other shapes'
# np.max, as Python's max loses a NaN.
highest = lambda values: float(np.max([abs(v).max() for v in values]))
print(json.dumps(dict(
    difference=highest(a.astype(float) - b for a, b in pairs),
    largest=highest(b.astype(float) for _, b in pairs),
)))
"""


def compare(file_format: str, path: Path) -> dict:
    """Run a file without this package; return how far it is off.

    Raises:
        ValueError: If it does not run, or differs.
    """
    done = subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore',
            '-c',
            _BEFORE + _RUN[file_format] + _AFTER,
            str(path),
            str(path.with_name('expected.npz')),
        ],
        capture_output=True,
        text=True,
        cwd=path.parent,
    )
    if done.returncode:
        raise ValueError(
            f'the {file_format} file does not run without this package:\n'
            f'{done.stderr[-2000:]}'
        )
    report = json.loads(done.stdout.splitlines()[-1])
    allowed = TOLERANCE * max(1, report['largest'])
    if file_format == 'safetensors':
        allowed = 0
    if not report['difference'] <= allowed:
        raise ValueError(
            f'the {file_format} file differs from the network by '
            f'{report["difference"]:.2e}, its largest output being '
            f'{report["largest"]:.2e}: it was not kept'
        )
    return report
