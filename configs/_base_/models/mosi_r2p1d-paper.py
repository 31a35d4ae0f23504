# The paper's R(2+1)D-10, exactly: 14,365,477 parameters.
model = dict(
    type='Recognizer3D',
    backbone=dict(type='MoSIResNet2Plus1d', depth=10),
    cls_head=dict(type='MoSIHead', in_channels=512, dropout_ratio=0.5),
    data_preprocessor=dict(type='MoSIDataPreprocessor'),
)
