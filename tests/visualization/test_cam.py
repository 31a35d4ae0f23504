"""Grad-CAM against its closed form and against the one of MMAction2."""

import numpy as np
import pytest
import torch
from mmaction.utils import GradCAM

from mosi_mmaction import LabelPool
from mosi_mmaction.apis import networks as network
from mosi_mmaction.visualization.cam import CAM


@pytest.fixture(scope='module')
def tiny():
    return network.read_config('tiny/mosi_r2p1d_deadleaves')


class TestCAM:
    @pytest.fixture(scope='class')
    def clip(self):
        rng = np.random.default_rng(0)
        return rng.integers(0, 256, (8, 48, 64, 3), np.uint8)

    def test_is_the_class_activation_map(self, tiny, clip):
        """After average pooling, Grad-CAM is CAM: known in closed form."""
        model = network.build_network(tiny, seed=2)
        with torch.no_grad():
            inputs = model.data_preprocessor(network.pack(clip))['inputs']
            feats, _ = model.extract_feat(inputs, stage='backbone')
            scores = model.cls_head(feats)[0]
            top = int(scores.argmax())
            weight = model.cls_head.fc_cls.weight[top]
            wanted = torch.einsum('k,ktyx->tyx', weight, feats[0]).relu()
            wanted = torch.nn.functional.interpolate(
                wanted[None, None], (8, 48, 64), mode='trilinear'
            )[0, 0]
            low, high = wanted.min(), wanted.max()
            wanted = ((wanted - low) / (high - low + 1e-20)).numpy()
        cam, name = CAM(model)(clip)
        assert name == LabelPool().names[top]
        assert high > 0
        np.testing.assert_allclose(cam, wanted, atol=1e-4)

    def test_motion_is_explained_against_rest(self, tiny, clip):
        model = network.build_network(tiny, seed=2)
        with torch.no_grad():
            inputs = model.data_preprocessor(network.pack(clip))['inputs']
            feats, _ = model.extract_feat(inputs, stage='backbone')
            share = model.cls_head(feats)[0][:-1].softmax(0)
            weight = model.cls_head.fc_cls.weight
            weight = share @ weight[:-1] - weight[-1]
            wanted = torch.einsum('k,ktyx->tyx', weight, feats[0]).relu()
            wanted = torch.nn.functional.interpolate(
                wanted[None, None], (8, 48, 64), mode='trilinear'
            )[0, 0]
            low, high = wanted.min(), wanted.max()
            wanted = ((wanted - low) / (high - low + 1e-20)).numpy()
        cam, _ = CAM(model, explain='motion')(clip)
        assert high > 0
        np.testing.assert_allclose(cam, wanted, atol=1e-4)

    @pytest.mark.parametrize('layer', [None, 'backbone/layer2'])
    @pytest.mark.filterwarnings('ignore:Using a non-full backward hook')
    def test_is_mmaction2s_for_layers_of_several_frames(self, layer, clip):
        class LateFrames(torch.nn.Module):
            """Frames of other weights, so that their gradients differ."""

            def forward(self, x):
                time = torch.linspace(-1, 1, x.shape[2])
                x = x * time.view(1, 1, -1, 1, 1)
                return x.tanh().mean((2, 3, 4), keepdim=True)

        strides = (1, 1, 1, 1)
        cfg = network.read_config(
            'tiny/finetune_r2p1d_weizmann',
            {'model.backbone.temporal_strides': strides},
        )
        model = network.build_network(cfg, seed=3)
        model.cls_head.avg_pool = LateFrames()
        model.cls_head.average_clips = 'score'
        ours, name = CAM(model, layer)(clip)
        stock = GradCAM(model, layer or 'backbone/layer4')
        frames = []
        stage = model.backbone.layer4 if layer is None else None
        if stage is not None:
            stage.register_forward_hook(
                lambda module, args, output: frames.append(output.shape[2])
            )
        wanted, scores = stock._calculate_localization_map(
            network.pack(clip), use_labels=False
        )
        assert layer or frames[0] > 1
        assert int(name) == int(scores[0].argmax())
        assert wanted.max() > 0.99
        np.testing.assert_allclose(ours, wanted[0].numpy(), atol=1e-6)

    def test_the_network_stays_what_it_is(self, clip):
        cfg = network.read_config(
            'tiny/finetune_r2p1d_weizmann', {'model.backbone.frozen_stages': 4}
        )
        model = network.build_network(cfg)
        before = [w.requires_grad for w in model.parameters()]
        predict = model.cls_head.predict
        cam = CAM(model)
        first, second = cam(clip)[0], cam(clip)[0]
        np.testing.assert_array_equal(first, second)
        assert [w.requires_grad for w in model.parameters()] == before
        assert all(w.grad is None for w in model.parameters())
        assert model.cls_head.predict == predict
        assert not model.backbone.layer4._forward_hooks

    def test_only_pretraining_knows_rest(self):
        cfg = network.read_config('tiny/finetune_r2p1d_weizmann')
        with pytest.raises(ValueError, match='static label'):
            CAM(network.build_network(cfg), explain='motion')

    def test_frozen_and_fine_tuned_networks(self, clip):
        cfg = network.read_config(
            'tiny/finetune_r2p1d_weizmann', {'model.backbone.frozen_stages': 4}
        )
        cam, name = CAM(network.build_network(cfg))(clip)
        assert cam.shape == clip.shape[:3]
        assert int(name) in range(10)
        assert 0 <= cam.min() and cam.max() <= 1

    def test_unknown_layer(self, tiny):
        with pytest.raises(ValueError, match='layer9'):
            CAM(network.build_network(tiny), 'backbone/layer9')
