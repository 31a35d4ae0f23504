"""Good and broken loads, and which of them the probe flags.

    python tests/helpers/loads.py NETWORK [OTHER_GOOD ...] [--images DIR]

NETWORK is a checkpoint of MoSI with its head, or the name of one; the others
are further networks in order. Prints the tables of docs/probe.md. That a
mistake matters to motion is said by another judge than the probe: the head
of the well loaded network, whose accuracy then falls by more than 5 points.
"""

import argparse
import copy
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from mosi_mmaction.models.layers.folded_conv import fold_convolutions
from mosi_mmaction.probe.clips import own_clips, source_images
from mosi_mmaction.probe.features import take_features
from mosi_mmaction.probe.networks import (
    Network,
    open_network,
    own_pipeline,
)
from mosi_mmaction.probe.probe import probe


class Before(nn.Module):
    """A backbone whose clips are changed before they reach it."""

    def __init__(self, change, backbone):
        super().__init__()
        self.change = change
        self.backbone = backbone

    def forward(self, clips):
        return self.backbone(self.change(clips))


def reloaded(fresh, weights, keep=lambda name, number: True, rename=None):
    """Load into a fresh network what `keep` keeps, as strict=False does."""
    kept = {
        (rename or str)(name): value
        for number, (name, value) in enumerate(weights.items())
        if keep(name, number)
    }
    fresh.load_state_dict(kept, strict=False)
    return fresh


def is_norm(name):
    return '.bn' in name


def before(model, change):
    model.backbone = Before(change, model.backbone)
    return model


def normalised(model, mean, std):
    model.data_preprocessor.mean.copy_(torch.tensor(mean))
    model.data_preprocessor.std.copy_(torch.tensor(std))
    return model


def edited(fresh, weights, edit):
    return reloaded(fresh, {k: edit(k, v.clone()) for k, v in weights.items()})


def shuffled_channels(fresh, weights, only=''):
    order = torch.Generator().manual_seed(0)

    def edit(name, value):
        if only in name and value.ndim == 5 and 'backbone' in name:
            return value[torch.randperm(len(value), generator=order)]
        return value

    return edited(fresh, weights, edit)


def swapped_norms(fresh, weights):
    """Weight and running variance of every norm change places."""

    def source(name):
        if is_norm(name) and name.endswith('.weight'):
            return name[: -len('weight')] + 'running_var'
        if is_norm(name) and name.endswith('running_var'):
            return name[: -len('running_var')] + 'weight'
        return name

    return reloaded(fresh, {k: weights[source(k)] for k in weights})


def _flip_time(name, value):
    return value.flip(2) if value.ndim == 5 else value


def _transpose(name, value):
    return value.transpose(3, 4) if value.ndim == 5 else value


def _eighth(name, value):
    if value.ndim != 5:
        return value
    step = value.abs().max() / 2
    return (value / step).round() * step


#: Name to a function of (well loaded network, fresh network, weights).
BROKEN = {
    'prefix lost, nothing loaded': lambda good, fresh, w: reloaded(
        fresh, w, rename=lambda k: k.replace('backbone.', '')
    ),
    'prefix twice, nothing loaded': lambda good, fresh, w: reloaded(
        fresh, w, rename=lambda k: f'module.{k}'
    ),
    'the first half of the tensors': lambda good, fresh, w: reloaded(
        fresh, w, lambda k, n: n < len(w) // 2
    ),
    'the second half of the tensors': lambda good, fresh, w: reloaded(
        fresh, w, lambda k, n: n >= len(w) // 2
    ),
    'every other tensor': lambda good, fresh, w: reloaded(
        fresh, w, lambda k, n: n % 2
    ),
    'convolutions, but no norms': lambda good, fresh, w: reloaded(
        fresh, w, lambda k, n: not is_norm(k)
    ),
    'norms, but no convolutions': lambda good, fresh, w: reloaded(
        fresh, w, lambda k, n: is_norm(k)
    ),
    'norms without their statistics': lambda good, fresh, w: reloaded(
        fresh, w, lambda k, n: 'running' not in k
    ),
    'all but the last stage': lambda good, fresh, w: reloaded(
        fresh, w, lambda k, n: 'layer4' not in k
    ),
    'all but the stem': lambda good, fresh, w: reloaded(
        fresh, w, lambda k, n: 'backbone.conv1' not in k
    ),
    'channels of one convolution shuffled': lambda g, fresh, w: (
        shuffled_channels(fresh, w, 'layer2.0.conv1.conv.conv_s')
    ),
    'channels of all convolutions shuffled': lambda g, fresh, w: (
        shuffled_channels(fresh, w)
    ),
    'scale and variance of norms swapped': lambda good, fresh, w: (
        swapped_norms(fresh, w)
    ),
    'kernels rounded to three values': lambda good, fresh, w: edited(
        fresh, w, _eighth
    ),
    'kernels backwards in time': lambda good, fresh, w: edited(
        fresh, w, _flip_time
    ),
    'pixels of 0 to 1': lambda good, fresh, w: normalised(
        good, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
    ),
    'pixels of 0 to 255': lambda good, fresh, w: normalised(
        good, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    ),
    'frames reversed': lambda good, fresh, w: before(
        good, lambda x: x.flip(2)
    ),
    'the first frame throughout': lambda good, fresh, w: before(
        good, lambda x: x[:, :, :1].expand_as(x)
    ),
    'BGR for RGB': lambda good, fresh, w: before(good, lambda x: x.flip(1)),
}


# ---------------------------------------------------------------- harmless
def cast(fresh, weights, dtype):
    return edited(
        fresh,
        weights,
        lambda k, v: v.to(dtype) if v.is_floating_point() else v,
    )


def permuted_within(fresh, weights):
    """Channels between the halves of a factorised convolution, in order."""
    weights = {k: v.clone() for k, v in weights.items()}
    for name in list(weights):
        if not name.endswith('conv_s.weight'):
            continue
        stem = name[: -len('conv_s.weight')]
        order = torch.randperm(
            len(weights[name]), generator=torch.Generator().manual_seed(0)
        )
        for key in weights:
            if key == name or key.startswith(f'{stem}bn_s.'):
                if weights[key].ndim:
                    weights[key] = weights[key][order]
        key = f'{stem}conv_t.weight'
        weights[key] = weights[key][:, order]
    return reloaded(fresh, weights)


def bgr_throughout(fresh, weights):
    """Weights made for BGR, and clips that are."""
    stem = 'backbone.conv1.conv.conv_s.weight'
    model = reloaded(fresh, {**weights, stem: weights[stem].flip(1)})
    return before(model, lambda x: x.flip(1))


def folded(model):
    assert fold_convolutions(model, everywhere=True)
    return model


#: Name to a function of (well loaded network, fresh network, weights).
HARMLESS = {
    'as published': lambda good, fresh, w: good,
    'weights in half precision': lambda good, fresh, w: cast(
        fresh, w, torch.float16
    ),
    'weights in bfloat16': lambda good, fresh, w: cast(
        fresh, w, torch.bfloat16
    ),
    'no counters of batches': lambda good, fresh, w: reloaded(
        fresh, w, lambda k, n: 'num_batches' not in k
    ),
    'saved under DDP, prefix taken off': lambda good, fresh, w: reloaded(
        fresh,
        {f'module.{k}': v for k, v in w.items()},
        rename=lambda k: k.removeprefix('module.'),
    ),
    'channels last in memory': lambda good, fresh, w: good.to(
        memory_format=torch.channels_last_3d
    ),
    'folded convolutions': lambda good, fresh, w: folded(good),
    'channels permuted, and unpermuted': lambda good, fresh, w: (
        permuted_within(fresh, w)
    ),
    'BGR weights for BGR clips': lambda good, fresh, w: bgr_throughout(
        fresh, w
    ),
}


def backbone_of(network):
    """Return a network of the backbone alone: no head, no config."""
    model = network.model
    mean, std = (
        tuple(getattr(model.data_preprocessor, k).flatten().tolist())
        for k in ('mean', 'std')
    )
    return replace(
        network,
        model=model.backbone,
        untrained=lambda seed: network.untrained(seed).backbone,
        cfg=None,
        mean=mean,
        std=std,
    )


def variants(network: Network, treatments: dict):
    """Yield each treatment's name, and the network after it."""
    weights = {k: v.clone() for k, v in network.model.state_dict().items()}
    for name, treat in treatments.items():
        model = treat(
            copy.deepcopy(network.model), network.untrained(99), weights
        )
        model.eval()
        yield name, replace(network, name=name, model=model)


def head_accuracy(network: Network) -> float:
    """Ask the network's head about clips of its training config."""
    steps = own_pipeline(network)
    size = [s['size'] for s in steps if s['type'] == 'CropSource'][-1]
    clips, labels = zip(*own_clips(steps, source_images(30, size, seed=7)))
    scores = take_features(network, clips).scores
    return float((scores.argmax(1) == np.concatenate(labels)).mean())


def judged(network: Network, count: int, **options) -> str:
    """Return what is found with and without head and training config."""
    card = probe(network, count, **options)
    kinds = [f['kind'] for f in card['findings']]
    alone = kinds
    if hasattr(network.model, 'backbone'):
        # The answers, hence the comparison with an untrained one, are alike.
        card = probe(backbone_of(network), count, untrained=False, **options)
        alone = [f['kind'] for f in card['findings']]
        alone += [k for k in kinds if k == 'untrained']
    return ' | '.join(', '.join(k) or '–' for k in (kinds, alone))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('network')
    parser.add_argument('others', nargs='*')
    parser.add_argument('--images')
    parser.add_argument('--num-images', type=int, default=36)
    args = parser.parse_args()
    network = open_network(args.network)
    count = args.num_images

    print('| broken load | head | matters | flagged by | backbone alone |')
    print('|---|---:|---|---|---|')
    right = head_accuracy(network)
    for name, broken in variants(network, BROKEN):
        left = head_accuracy(broken)
        print(
            f'| {name} | {100 * left:.0f} | '
            f'{"yes" if left < right - 0.05 else "no"} | '
            f'{judged(broken, count)} |',
            flush=True,
        )

    print('\n| good load | flagged by | backbone alone |\n|---|---|---|')
    good = [(n, v, {}) for n, v in variants(network, HARMLESS)]
    good.append(
        (
            'clips a quarter larger',
            replace(network, side=network.side * 5 // 4),
            {},
        )
    )
    if args.images:
        good.append(
            ('asked with photographs', network, dict(folder=args.images))
        )
    good += [(other, open_network(other), {}) for other in args.others]
    for name, found, options in good:
        print(f'| {name} | {judged(found, count, **options)} |', flush=True)


if __name__ == '__main__':
    main()
