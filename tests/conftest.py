"""What all tests share: few threads, fixed randomness, data if there is any.

`HYPOTHESIS_PROFILE` says how long property tests look: `ci`, the default, and
`thorough` (`make check-all`) try the same cases every time, `nightly` others.
"""

import multiprocessing
import os

# Tiny arrays gain nothing from threads, and tests may run side by side. Set
# before torch is imported; processes started by a test inherit it.
os.environ.setdefault('OMP_NUM_THREADS', '1')

from pathlib import Path  # noqa: E402

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from mmengine.registry import DefaultScope, init_default_scope  # noqa: E402

from helpers.motion_truth import textured_image  # noqa: E402
from helpers.paths import DATA  # noqa: E402

cv2.setNumThreads(1)

for name, examples in (('ci', 60), ('thorough', 300)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
    )
settings.register_profile(
    'nightly', max_examples=2000, deadline=None, print_blob=True
)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'ci'))


@pytest.fixture(autouse=True)
def start_method():
    """Fork after every test: MMEngine's init_dist sets spawn for good."""
    yield
    multiprocessing.set_start_method(None, force=True)


@pytest.fixture(autouse=True)
def default_scope():
    """Start every test in MMAction2's scope: a Runner changes it for good."""
    DefaultScope._instance_dict.clear()
    init_default_scope('mmaction')
    yield
    # For fixtures of the next module, which are made before this one.
    DefaultScope._instance_dict.clear()
    init_default_scope('mmaction')


@pytest.fixture
def rng():
    """A generator of its own for every test, always seeded alike."""
    return np.random.default_rng(0)


@pytest.fixture(scope='session')
def textured():
    """Function ``(size, seed=0)`` that returns a textured source image."""
    return textured_image


@pytest.fixture(scope='session')
def shared_data():
    """Folder of real images and videos: MOSI_SHARED_DATA or a sibling."""
    path = Path(os.environ.get('MOSI_SHARED_DATA') or DATA)
    if not path.is_dir():
        pytest.skip(f'no data at {path}: set MOSI_SHARED_DATA to a folder')
    return path
