# As the tiny schedule, at half the learning rate and the batch.
_base_ = 'tiny_mosi.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=5)
