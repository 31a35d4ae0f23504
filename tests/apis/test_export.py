"""Exported files: what they compute, elsewhere, is what the network does."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from helpers import launch
from mosi_mmaction import load_backbone
from mosi_mmaction.apis import export as exporting
from mosi_mmaction.apis.export import ExportedNetwork, export
from mosi_mmaction.apis.export_comparison import compare
from mosi_mmaction.apis.networks import (
    build_network,
    load_network,
    read_config,
)
from mosi_mmaction.checkpoints.zoo import checkpoint_path
from mosi_mmaction.models.heads.pooled_feature_head import pool_features
from mosi_mmaction.probe.networks import open_network

ZOO = 'mosi_r2p1d_deadleaves'


@pytest.fixture
def clips(rng):
    return rng.integers(0, 256, (5, 3, 8, 32, 32), np.uint8)


@pytest.fixture(scope='module')
def model():
    return load_network(ZOO)[0]


def test_normalization_inside_is_that_of_the_preprocessor(model, clips):
    """Judged by MMAction2's own way through the recognizer."""
    batch = [torch.from_numpy(c)[None] for c in clips]
    inputs = model.data_preprocessor(dict(inputs=batch))['inputs']
    with torch.no_grad():
        maps, _ = model.extract_feat(inputs, stage='backbone')
        features = torch.cat(list(pool_features(maps)), 1)
        scores = model.cls_head(maps).softmax(1)
        inside = ExportedNetwork(model, normalize=True)
        named = ExportedNetwork(model, 'classifier', normalize=True)
        clips = torch.from_numpy(clips)
        torch.testing.assert_close(inside(clips), features)
        torch.testing.assert_close(named(clips), scores)
        outside = ExportedNetwork(model)
        torch.testing.assert_close(outside(inputs.flatten(0, 1)), features)


@pytest.mark.parametrize(
    'settings, mean, std',
    [
        (dict(type='ActionDataPreprocessor'), [0, 0, 0], [1, 1, 1]),
        (
            dict(type='MoSIDataPreprocessor', mean=[1, 2, 3], std=[4, 5, 6]),
            [1, 2, 3],
            [4, 5, 6],
        ),
        (dict(type='MoSIDataPreprocessor'), [114.75] * 3, [57.375] * 3),
    ],
)
def test_normalization_is_that_of_the_training(tmp_path, settings, mean, std):
    """Of a recognizer and of its backbone alone, also in the probe."""
    from safetensors import safe_open

    cfg = read_config('tiny/mosi_r2p1d_deadleaves')
    cfg.model.data_preprocessor = settings
    model = build_network(cfg)
    network = ExportedNetwork(model)
    assert network.mean.flatten().tolist() == mean
    assert network.std.flatten().tolist() == std
    made = dict(backbone=cfg.model.backbone.to_dict())
    weights = model.backbone.state_dict()
    path = str(tmp_path / 'alone.pth')
    meta = dict(cfg=cfg.pretty_text, mosi_mmaction=made)
    torch.save(dict(meta=meta, state_dict=weights), path)
    export(path, 'safetensors', str(tmp_path / 'a.safetensors'))
    with safe_open(tmp_path / 'a.safetensors', 'np') as file:
        about = json.loads(file.metadata()['mosi_mmaction'])
    assert (about['mean'], about['std']) == (mean, std)
    opened = open_network(path)
    assert (list(opened.mean), list(opened.std)) == (mean, std)


def test_a_difference_that_is_no_number_is_one(tmp_path):
    """In the second tensor, where Python's max() would lose it."""
    from safetensors.numpy import save_file

    a, b = np.zeros(2, np.float32), np.array([0, np.nan], np.float32)
    save_file(dict(a=a, b=b), tmp_path / 'x.safetensors')
    np.savez(tmp_path / 'expected.npz', a=a, b=a)
    with pytest.raises(ValueError, match='differs from the network by nan'):
        compare('safetensors', tmp_path / 'x.safetensors')


def test_safetensors_are_read_by_load_backbone(tmp_path):
    out = tmp_path / 'a b.safetensors'
    report = export(ZOO, 'safetensors', str(out))
    assert report['difference'] == 0 and report['bytes'] > 500_000
    expected, found = load_backbone(ZOO), load_backbone(str(out))
    assert type(found) is type(expected) and not found.training
    for name, value in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
    raw = out.read_bytes()
    out.write_bytes(raw[:-100])
    with pytest.raises(ValueError, match='a b.safetensors.*damaged'):
        load_backbone(str(out))


def test_safetensors_of_a_classifier_have_its_head(tmp_path):
    from safetensors.torch import load_file

    out = tmp_path / 'whole.safetensors'
    export(ZOO, 'safetensors', str(out), 'classifier')
    weights = load_file(out)
    assert 'cls_head.fc_cls.weight' in weights
    load_backbone(str(out))  # takes its part


def run_elsewhere(code, *arguments):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code, *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


TORCH = """
import json, sys
import numpy as np, torch
path, clips = sys.argv[1:]
extra = {'mosi_mmaction': ''}
if path.endswith('.pt2'):
    network = torch.export.load(path, extra_files=extra).module()
else:
    network = torch.jit.load(path, _extra_files=extra)
assert 'mmaction' not in sys.modules
answer = network(torch.from_numpy(np.load(clips)))
about = json.loads(extra['mosi_mmaction'])
print(json.dumps([answer.tolist(), about]))
"""
ONNX = """
import json, sys
import numpy as np, onnxruntime
path, clips = sys.argv[1:]
session = onnxruntime.InferenceSession(path)
about = session.get_modelmeta().custom_metadata_map['mosi_mmaction']
answer = session.run(None, {'clips': np.load(clips)})[0]
assert not {'mmaction', 'torch'} & set(sys.modules)
print(json.dumps([answer.tolist(), json.loads(about)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize('file_format', ['onnx', 'torchscript', 'program'])
def test_files_run_elsewhere(
    tmp_path, model, clips, file_format, recwarn, caplog, capfd
):
    """With a batch of another size than any that was exported."""
    out = tmp_path / f'a{exporting.FORMATS[file_format]}'
    report = export(ZOO, file_format, str(out), 'classifier', True)
    # What torch has to say about itself is not said.
    said = [str(w.message) for w in recwarn] + caplog.messages
    said += [*capfd.readouterr()]
    assert not any('LeafSpec' in t or 'torchvision' in t for t in said), said
    assert report['difference'] <= 1e-5
    np.save(tmp_path / 'clips.npy', clips)
    code = ONNX if file_format == 'onnx' else TORCH
    answer, about = run_elsewhere(code, out, tmp_path / 'clips.npy')
    with torch.no_grad():
        network = ExportedNetwork(model, 'classifier', True)
        expected = network(torch.from_numpy(clips))
    np.testing.assert_allclose(answer, expected.numpy(), atol=1e-5)
    assert about['classes'] == list(model.cls_head.pool.names)
    assert (about['clip_len'], about['side']) == (8, 32)
    assert 'uint8' in about['clips']


def test_a_file_that_differs_is_not_kept(tmp_path, monkeypatch):
    class Other(ExportedNetwork):
        def forward(self, clips):
            shift = 0.01 * (int(clips.shape[0]) == 3)
            return super().forward(clips) + shift

    monkeypatch.setattr(exporting, 'ExportedNetwork', Other)
    out = tmp_path / 'a.pt'
    # What is traced with two clips has no shift with three.
    with pytest.raises(ValueError, match='differs from the network by 1.0'):
        export(ZOO, 'torchscript', str(out))
    assert not list(tmp_path.iterdir())


def test_arguments_of_exports_are_checked(tmp_path):
    out = str(tmp_path / 'a')
    with pytest.raises(ValueError, match='safetensors hold weights'):
        export(ZOO, 'safetensors', out, normalize=True)
    with pytest.raises(ValueError, match="'features' and 'classifier'"):
        export(ZOO, 'onnx', out, 'maps')
    with pytest.raises(ValueError, match='allowed are'):
        export(ZOO, 'tflite', out)
    with pytest.raises(ValueError, match='2 names.* of 9'):
        export(ZOO, 'onnx', out, 'classifier', classes=['a', 'b'])
    with pytest.raises(ValueError, match="go with what='classifier'"):
        export(ZOO, 'safetensors', out, classes=['a', 'b'])
    with pytest.raises(ValueError, match='neither a file nor in the zoo'):
        export('nothing.pth', 'onnx', out)
    backbone = str(tmp_path / 'b.safetensors')
    export(ZOO, 'safetensors', backbone)
    with pytest.raises(ValueError, match='has no classifier'):
        export(backbone, 'onnx', out, 'classifier')


def test_tool_exports_a_file(tmp_path):
    path = checkpoint_path(ZOO)
    log, out = tmp_path / 'log', tmp_path / 'out'
    out.mkdir()
    options = ['--format', 'safetensors']
    code = launch.run('export.py', path, *options, log=log, cwd=out)
    said = log.read_text()
    assert code == 0, said
    (written,) = out.iterdir()
    assert written.name.endswith('_features.safetensors')
    assert written.name in said and 'MiB' in said
