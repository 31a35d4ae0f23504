# Linear probe on Weizmann: only the classifier is trained; the features of
# MoSI stay unchanged, batch norm included.
_base_ = 'finetune_r2p1d-small_weizmann.py'

from mosi_mmaction import set_linear_probe

set_linear_probe(_base_)
