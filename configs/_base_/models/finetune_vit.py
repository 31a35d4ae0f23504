_base_ = 'mosi_vit.py'

model = dict(
    cls_head=dict(
        _delete_=True,
        type='TimeSformerHead',
        in_channels=384,
        num_classes=51,
        dropout_ratio=0.5,
        average_clips='prob',
    )
)
