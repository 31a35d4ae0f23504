"""The paper's exact networks."""

from .paper_resnet import MoSIResNet2Plus1d, ResNet2d3d

__all__ = ['MoSIResNet2Plus1d', 'ResNet2d3d']
