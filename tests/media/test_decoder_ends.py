"""The process that decodes ends with the one that asked, whatever it does."""

import os
import signal
import subprocess
import sys
import time

import pytest

from helpers.video_files import write
from mosi_mmaction.media import decoder_process


def gone(number, seconds=10):
    """Return whether a process ends within a time."""
    for _ in range(int(seconds * 20)):
        try:
            with open(f'/proc/{number}/stat') as file:
                if file.read().rpartition(')')[2].split()[0] == 'Z':
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


# ------------------------------------------------------------------ its end
SPIN = """
import os, sys
from mosi_mmaction.media import decoder_client
from mosi_mmaction.media.video import VideoFile
video = VideoFile(sys.argv[1])
print(decoder_client._local.decoder.pid, flush=True)
while True:
    video.read(range(video.num_frames))
"""


def test_it_dies_with_a_parent_that_is_killed_while_it_decodes(tmp_path):
    path = tmp_path / 'long.mp4'
    write(path, 'mpeg4', frames=200, size=(640, 480))
    parent = subprocess.Popen(
        [sys.executable, '-c', SPIN, str(path)], stdout=subprocess.PIPE
    )
    child = int(parent.stdout.readline())
    before = cpu_seconds(child)
    while cpu_seconds(child) < before + 0.1:  # it is at work
        time.sleep(0.02)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert gone(child, 5)


LOADER = """
import sys, time
from torch.utils.data import DataLoader
from mosi_mmaction.media.decoder_client import decoder_pid
from mosi_mmaction.media.video import VideoFile

class Frames:
    def __len__(self):
        return 10**6

    def __getitem__(self, index):
        video = VideoFile(sys.argv[1])
        frames = video.read(range(video.num_frames))
        return decoder_pid(), len(frames)

loader = iter(DataLoader(Frames(), num_workers=2, batch_size=None))
decoders = [next(loader)[0] for _ in range(2)]
print(*[w.pid for w in loader._workers], *decoders, flush=True)
for _ in loader:
    pass
"""


@pytest.mark.slow  # torch's workers look for their trainer every 5 seconds
def test_a_killed_trainer_takes_workers_and_decoders_with_it(tmp_path):
    path = tmp_path / 'long.mp4'
    write(path, 'mpeg4', frames=200, size=(640, 480))
    trainer = subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', LOADER, str(path)],
        stdout=subprocess.PIPE,
    )
    *workers, one, two = map(int, trainer.stdout.readline().split())
    assert len({trainer.pid, *workers, one, two}) == 5
    before = [cpu_seconds(one), cpu_seconds(two)]
    while any(
        cpu_seconds(n) < b + 0.1 for n, b in zip((one, two), before)
    ):  # both decode
        time.sleep(0.02)
    os.kill(trainer.pid, signal.SIGKILL)
    trainer.wait()
    for number in (*workers, one, two):
        assert gone(number, 60)


def cpu_seconds(number):
    return time.clock_gettime(~number << 3 | 2)


def test_it_dies_with_its_parent_though_it_computes_without_end(
    videos, tmp_path
):
    # A decoder that never comes back from C, and never looks at a pipe.
    script = tmp_path / 'spin.py'
    with open(decoder_process.__file__) as file:
        code = file.read()
    script.write_text(
        code.replace(
            '_Server(connection, handles).serve()',
            "__import__('re').match('(a|a)*b', 'a' * 60)",
        )
    )
    parent = subprocess.Popen(
        [
            sys.executable,
            '-c',
            'import sys\n'
            'from mosi_mmaction.media import decoder_client as c\n'
            f'c.decoder_process.__file__ = {str(script)!r}\n'
            'd = c._Decoder()\n'
            'd.start()\n'
            'print(d.pid, flush=True)\n'
            'sys.stdin.read()',
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child = int(parent.stdout.readline())
    while cpu_seconds(child) < 0.5:
        time.sleep(0.05)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert gone(child, 5)
