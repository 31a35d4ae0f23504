# R(2+1)D-10 from MMAction2's stock network, with one block per stage. It
# differs from the paper's (mosi_r2p1d-paper) by a 3x3 max pool of stride 1 and
# by factorised shortcuts; in exchange, plain MMAction2 loads its checkpoints.
_norm_cfg = dict(type='BN3d', eps=1e-3, requires_grad=True)

model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='ResNet2Plus1d',
        depth=18,
        stage_blocks=(1, 1, 1, 1),
        pretrained=None,
        pretrained2d=False,
        norm_eval=False,
        conv_cfg=dict(type='Conv2plus1d', norm_cfg=_norm_cfg),
        norm_cfg=_norm_cfg,
        conv1_kernel=(3, 7, 7),
        conv1_stride_t=1,
        pool1_stride_t=1,
        pool1_stride_s=1,
        inflate=(1, 1, 1, 1),
        spatial_strides=(1, 2, 2, 2),
        temporal_strides=(1, 2, 2, 2),
        zero_init_residual=False,
    ),
    cls_head=dict(type='MoSIHead', in_channels=512, dropout_ratio=0.5),
    data_preprocessor=dict(type='MoSIDataPreprocessor'),
)
