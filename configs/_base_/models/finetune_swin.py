_base_ = 'mosi_swin.py'

model = dict(
    cls_head=dict(
        _delete_=True,
        type='I3DHead',
        in_channels=768,
        num_classes=51,
        dropout_ratio=0.5,
        average_clips='prob',
    )
)
