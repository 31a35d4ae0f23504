# The paper's R-2D3D-18, exactly: 14,057,536 parameters.
model = dict(
    type='Recognizer3D',
    backbone=dict(type='ResNet2d3d', depth=18),
    cls_head=dict(type='MoSIHead', in_channels=256, dropout_ratio=0.5),
    data_preprocessor=dict(type='MoSIDataPreprocessor'),
)
