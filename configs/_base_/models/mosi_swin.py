# Video Swin-T: 27,850,470 parameters.
model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='SwinTransformer3D',
        arch='tiny',
        pretrained=None,
        pretrained2d=False,
        patch_size=(2, 4, 4),
        window_size=(8, 7, 7),
        drop_path_rate=0.0,
    ),
    cls_head=dict(type='MoSIHead', in_channels=768, dropout_ratio=0.0),
    data_preprocessor=dict(type='MoSIDataPreprocessor'),
)
