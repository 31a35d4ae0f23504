# Weizmann: train on 6 actors, test on 3. MOSI_DATA is the directory of videos,
# MOSI_SPLITS that of train.txt, test.txt.
_base_ = 'tiny_finetune.py'

videos = '{{$MOSI_DATA:data/weizmann/videos}}'
splits = '{{$MOSI_SPLITS:data/weizmann}}'

train_dataloader = dict(
    dataset=dict(
        ann_file=splits + '/train.txt', data_prefix=dict(video=videos)
    )
)
val_dataloader = dict(
    dataset=dict(ann_file=splits + '/test.txt', data_prefix=dict(video=videos))
)
test_dataloader = val_dataloader
