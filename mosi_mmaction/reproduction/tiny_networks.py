"""The networks of the tiny preset."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Network:
    """A network of the tiny preset.

    Attributes:
        title: The network in words, for tables.
        factor: Cost of a clip relative to R(2+1)D-10 of width 8.
        configs: Names of its configs.
        options: Options of these configs.
        clips: Size of its clips in pretraining and in fine-tuning.
    """

    title: str
    factor: float = 1.0
    configs: str = 'tiny/{kind}_r2p1d_{data}'
    options: dict[str, Any] = field(default_factory=dict)
    clips: tuple[str, str] = ('8 × 32²', '8 × 40²')


#: In the narrow R-2D3D-18 the max pool keeps the size, as in the stock
#: R(2+1)D; otherwise 32 pixels would end as one.
NETWORKS = {
    'r2p1d': Network('R(2+1)D-10 (stock) at width 8'),
    'r2p1d-paper': Network(
        'R(2+1)D-10 (the paper’s) at width 8',
        options={
            'model.backbone': dict(
                _delete_=True,
                type='MoSIResNet2Plus1d',
                depth=10,
                base_channels=8,
            )
        },
    ),
    'r2d3d': Network(
        'R-2D3D-18 at width 8',
        0.7,
        options={
            'model.backbone': dict(
                _delete_=True,
                type='ResNet2d3d',
                depth=18,
                base_channels=8,
                pool1_stride_s=1,
            ),
            'model.cls_head.in_channels': 32,
        },
    ),
    'r2p1d-small': Network(
        'R(2+1)D-10 (stock) at width 16',
        5.0,
        'small/{kind}_r2p1d-small_{data}',
        clips=('16 × 56²', '16 × 64²'),
    ),
    'vit': Network('ViT, tubelets of 2 × 8²', 0.5, 'tiny/{kind}_vit_{data}'),
    'vit-p16': Network(
        'ViT, tubelets of 2 × 16²',
        0.2,
        'tiny/{kind}_vit_{data}',
        {'model.backbone.patch_size': 16},
    ),
    'vit-t4': Network(
        'ViT, tubelets of 4 × 8²',
        0.3,
        'tiny/{kind}_vit_{data}',
        {'model.backbone.tubelet_size': 4},
    ),
    'swin': Network('Video Swin', 0.7, 'tiny/{kind}_swin_{data}'),
    'mvit': Network('MViTv2', 1.8, 'tiny/{kind}_mvit_{data}'),
}
