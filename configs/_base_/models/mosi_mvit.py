# MViTv2-S: 34,174,848 parameters. Features are the mean of the patches,
# without a class token.
model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='MViT',
        arch='small',
        spatial_size=112,
        temporal_size=16,
        drop_path_rate=0.0,
        with_cls_token=False,
        output_cls_token=False,
    ),
    cls_head=dict(type='MoSIHead', in_channels=768, dropout_ratio=0.0),
    data_preprocessor=dict(type='MoSIDataPreprocessor'),
)
