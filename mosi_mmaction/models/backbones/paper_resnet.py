"""The paper's two networks (Sec. 4): R(2+1)D-10 and R-2D3D-18.

Both are MMAction2's stock 3D ResNets with the authors' settings as defaults
and a few differences that the stock classes have no settings for:

=============  ===========================  ==============================
               MoSIResNet2Plus1d            ResNet2d3d
=============  ===========================  ==============================
stem           (2+1)D, no max pool          (1, 7, 7), max pool
kernels        (2+1)D in all four stages    2D, 2D, 3D, 3D
shortcut       plain 1x1x1 convolution      stock
widths         64, 128, 256, 512            64, 128, 256, 256
batch norm     eps 1e-3                     eps 1e-3
parameters     14,365,477                   14,057,536
1x3x16x112²    (1, 512, 2, 7, 7)            (1, 256, 4, 4, 4)
=============  ===========================  ==============================

Like the authors', weights start from torch's default initialisation.
"""

from mmaction.models.backbones import ResNet2Plus1d, ResNet3d
from mmaction.models.backbones.resnet3d import BasicBlock3d
from mmaction.models.common import Conv2plus1d
from mmaction.registry import MODELS
from mmcv.cnn import ConvModule
from mmengine.model import initialize
from mmengine.runner import CheckpointLoader
from torch import nn

from ...checkpoints.weights import (
    backbone_weights,
    compare_weights,
    describe_shapes,
)

BN_EPS = 1e-3


class _PaperResNet(ResNet3d):
    """Common base: depths, batch norm, weights, freezing."""

    pretrained: str | None
    feat_dim: int
    arch_settings = {
        10: (BasicBlock3d, (1, 1, 1, 1)),
        18: (BasicBlock3d, (2, 2, 2, 2)),
        34: (BasicBlock3d, (3, 4, 6, 3)),
    }

    def __init__(
        self,
        depth: int,
        norm_cfg: dict | None,
        frozen_stages: int,
        **kwargs,
    ) -> None:
        if depth not in self.arch_settings:
            raise ValueError(
                f'{type(self).__name__}: depth={depth!r}, allowed are '
                f'{sorted(self.arch_settings)}'
            )
        num_stages = kwargs.get('num_stages', 4)
        if frozen_stages not in range(-1, num_stages + 1):
            raise ValueError(
                f'{type(self).__name__}: frozen_stages={frozen_stages!r}, '
                'allowed are -1 (nothing), 0 (the stem) and 1 to '
                f'{num_stages} (the stem and that many stages)'
            )
        super().__init__(
            depth=depth,
            norm_cfg=norm_cfg,
            frozen_stages=frozen_stages,
            **kwargs,
        )
        self._reset_parameters()
        # The stock class freezes only in train(), after the optimizer and
        # DistributedDataParallel have read requires_grad: the latter would
        # wait for gradients that never come.
        self._freeze_stages()

    def _reset_parameters(self) -> None:
        """Undo the Kaiming initialisation of the stock building blocks."""
        for module in self.modules():
            if hasattr(module, 'reset_parameters'):
                module.reset_parameters()

    def init_weights(self, pretrained: str | None = None) -> None:
        """Load ``pretrained`` or start from torch's default weights.

        Unlike the stock class, this accepts a file of a whole recognizer (it
        strips the prefix ``backbone.`` and ignores other modules), honours
        ``init_cfg``, and raises an error if the file lacks a tensor. With
        ``pretrained2d=True`` the stock inflation is used.

        Args:
            pretrained: Path or URL of a checkpoint; overrides the argument
                of the constructor.

        Raises:
            ValueError: If the checkpoint lacks a tensor or has one with
                another shape.
        """
        self.pretrained = pretrained or self.pretrained
        init = self.init_cfg
        if self.pretrained and self.pretrained2d:
            super().init_weights()
        elif self.pretrained:
            self._load(self.pretrained)
        elif isinstance(init, dict) and init['type'] == 'Pretrained':
            self._load(init['checkpoint'], init.get('prefix') or 'backbone')
        else:
            self._reset_parameters()
            if init:
                initialize(self, init)

    def _load(self, path: str, prefix: str = 'backbone') -> None:
        checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
        state = backbone_weights(checkpoint, f'{prefix.rstrip(".")}.')
        own = self.state_dict()
        missing, reshaped, _ = compare_weights(own, state)
        differing = describe_shapes(reshaped, own, state)
        if missing or differing:
            raise ValueError(
                f'pretrained={path!r} does not fit '
                f'{type(self).__name__}: of {len(own)} tensors '
                f'{len(missing)} are missing ({_some(missing)}) and '
                f'{len(differing)} have another shape ({_some(differing)}). '
                'Use a file saved from the same network; '
                'tools/convert_official.py converts files of the authors'
            )
        self.load_state_dict({key: state[key] for key in own})

    def train(self, mode: bool = True) -> '_PaperResNet':
        """Set the mode; frozen stages stay in evaluation mode.

        Returns:
            The network itself (the stock class returns None).
        """
        super().train(mode)
        return self


@MODELS.register_module()
class MoSIResNet2Plus1d(_PaperResNet, ResNet2Plus1d):
    """R(2+1)D, by default with the paper's 10 layers.

    Input (N, 3, T, H, W) float, output (N, 512, T/8, H/16, W/16).

    Args:
        depth: Number of layers: 10, 18 or 34.
        temporal_strides: Temporal stride of every stage.
        with_pool1: Whether the stock max pool follows the stem.
        frozen_stages: Frozen part: -1 for none, 0 for the stem, n for the
            stem and the first n stages, batch norm statistics included.
        norm_cfg: Config of batch norm, also inside every (2+1)D convolution;
            ``eps`` is 1e-3 unless given.
        **kwargs: Arguments of the stock ``ResNet2Plus1d``:
            ``base_channels``, ``stage_blocks``, ``pretrained``,
            ``norm_eval``, ``with_cp``, ...

    Raises:
        ValueError: If depth or frozen_stages is not one of those above.
    """

    def __init__(
        self,
        depth: int = 10,
        temporal_strides: tuple = (1, 2, 2, 2),
        with_pool1: bool = False,
        frozen_stages: int = -1,
        norm_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        norm_cfg = _norm_cfg(norm_cfg)
        # The class and not its name, which is only found if the default
        # scope is mmaction.
        kwargs.setdefault(
            'conv_cfg', {'type': Conv2plus1d, 'norm_cfg': norm_cfg}
        )
        kwargs.setdefault('pretrained2d', False)
        super().__init__(
            depth=depth,
            temporal_strides=temporal_strides,
            with_pool1=with_pool1,
            frozen_stages=frozen_stages,
            norm_cfg=norm_cfg,
            **kwargs,
        )

    def _make_stem_layer(self) -> None:
        super()._make_stem_layer()
        if not self.with_pool1:  # the stock forward() ignores with_pool1
            self.maxpool = nn.Identity()

    def make_res_layer(
        self,
        block: type[BasicBlock3d],
        inplanes: int,
        planes: int,
        blocks: int,
        **kwargs,
    ) -> nn.Module:
        """Build a stock stage with a plain shortcut convolution."""
        layer = super().make_res_layer(
            block, inplanes, planes, blocks, **kwargs
        )
        if layer[0].downsample is not None:
            spatial = kwargs['spatial_stride']
            layer[0].downsample = ConvModule(
                inplanes,
                planes * block.expansion,
                kernel_size=1,
                stride=(kwargs['temporal_stride'], spatial, spatial),
                bias=False,
                conv_cfg={'type': 'Conv3d'},
                norm_cfg=kwargs['norm_cfg'],
                act_cfg=None,
            )
        return layer


@MODELS.register_module()
class ResNet2d3d(_PaperResNet):
    """R-2D3D: two stages of 2D and two of 3D convolutions.

    Input (N, 3, T, H, W) float, output (N, 256, T/4, H/32, W/32).

    Args:
        depth: Number of layers: 10, 18 or 34; the paper's is 18.
        temporal_strides: Temporal stride of every stage.
        conv1_kernel: Kernel size of the stem, (T, H, W).
        inflate: For every stage, whether its kernels are 3D.
        with_pool2: Whether a temporal max pool follows the first stage.
        frozen_stages: Frozen part: -1 for none, 0 for the stem, n for the
            stem and the first n stages, batch norm statistics included.
        norm_cfg: Config of batch norm; ``eps`` is 1e-3 unless given.
        **kwargs: Arguments of the stock ``ResNet3d``: ``base_channels``,
            ``pretrained``, ``norm_eval``, ``with_cp``, ...

    Raises:
        ValueError: If depth or frozen_stages is not one of those above.
    """

    def __init__(
        self,
        depth: int = 18,
        temporal_strides: tuple = (1, 1, 2, 2),
        conv1_kernel: tuple = (1, 7, 7),
        inflate: tuple = (0, 0, 1, 1),
        with_pool2: bool = False,
        frozen_stages: int = -1,
        norm_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        kwargs.setdefault('pretrained2d', False)
        super().__init__(
            depth=depth,
            temporal_strides=temporal_strides,
            conv1_kernel=conv1_kernel,
            inflate=inflate,
            with_pool2=with_pool2,
            frozen_stages=frozen_stages,
            norm_cfg=_norm_cfg(norm_cfg),
            **kwargs,
        )
        self.feat_dim = self._clamp(self.feat_dim)

    def _clamp(self, planes: int) -> int:
        """Limit a width to that of the third stage: 256 by default."""
        return min(planes, 4 * self.base_channels)

    def make_res_layer(
        self,
        block: type[BasicBlock3d],
        inplanes: int,
        planes: int,
        blocks: int,
        **kwargs,
    ) -> nn.Module:
        """Build a stock stage that is no wider than the third."""
        return super().make_res_layer(
            block, inplanes, self._clamp(planes), blocks, **kwargs
        )


def _norm_cfg(norm_cfg: dict | None) -> dict:
    return {'type': 'BN3d', 'eps': BN_EPS, **(norm_cfg or {})}


def _some(names: list, most: int = 4) -> str:
    if not names:
        return 'none'
    more = ', ...' if len(names) > most else ''
    return ', '.join(names[:most]) + more
