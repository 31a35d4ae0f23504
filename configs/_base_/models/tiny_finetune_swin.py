_base_ = 'tiny_mosi_swin.py'

model = dict(
    cls_head=dict(
        _delete_=True,
        type='I3DHead',
        in_channels=96,
        num_classes=10,
        dropout_ratio=0.0,
        average_clips='prob',
    )
)
