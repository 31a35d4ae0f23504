_base_ = 'tiny_mosi_mvit.py'

model = dict(
    cls_head=dict(
        _delete_=True,
        type='MViTHead',
        in_channels=96,
        num_classes=10,
        dropout_ratio=0.0,
        with_cls_token=False,
        average_clips='prob',
    )
)
