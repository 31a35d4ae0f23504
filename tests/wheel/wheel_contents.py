"""Build sdist and wheel, and look at what is in them."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

START = time.monotonic()
ROOT = Path(__file__).resolve().parents[2]

#: Files of a source tree that no one would commit.
LEFTOVERS = (
    '.git',
    '.venv',
    'work_dirs',
    'build',
    'dist',
    '*.egg-info',
    '__pycache__',
    '.*_cache',
)


def say(text: str) -> None:
    """Print a line, and how long all has taken."""
    print(f'[{time.monotonic() - START:4.0f} s] {text}', flush=True)


def check(truth: object, text: str) -> None:
    """Say what holds, or stop."""
    if not truth:
        sys.exit(f'wheel-test FAILED: {text}')
    say(f'ok: {text}')


def call(*command: object, status: int = 0, **kwargs) -> str:
    """Run a command and return what it printed; stop if it fails."""
    command = [str(word) for word in command]
    line = ' '.join(w if '\n' not in w else '...' for w in command)
    say(f'$ {line if len(line) < 300 else line[:300] + " ..."}')
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.STDOUT,
        timeout=600,
        **kwargs,
    )
    if done.returncode != status:
        sys.exit(
            f'{done.stdout[-6000:]}\nwheel-test FAILED: exit status '
            f'{done.returncode} instead of {status}'
        )
    return done.stdout


# ------------------------------------------------------------------- building
def copy_source(target: Path) -> None:
    """Copy what git tracks, as it lies in the tree; without git, all."""
    git = ['git', '-C', str(ROOT), 'ls-files', '-z']
    done = subprocess.run(git, capture_output=True, text=True)
    if done.returncode:
        say('no git here, so everything in the source tree is copied')
        shutil.copytree(
            ROOT,
            target,
            symlinks=True,
            ignore=shutil.ignore_patterns(*LEFTOVERS),
        )
        return
    for name in filter(None, done.stdout.split('\0')):
        if os.path.lexists(ROOT / name):  # else deleted, not committed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    others = subprocess.run(
        [*git[:3], 'ls-files', '-o', '--exclude-standard'],
        capture_output=True,
        text=True,
    ).stdout
    if others:
        say(
            'left out, as git does not track them: '
            + ', '.join(others.splitlines())
        )


def build(source: Path, dist: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from it; return their paths."""
    # What a tree that was used has, and no one else should get.
    for folder in ('tools', 'configs', 'mosi_mmaction'):
        stale = source / folder / '__pycache__' / 'stale.cpython-39.pyc'
        stale.parent.mkdir()
        stale.write_bytes(b'stale')
    call(sys.executable, '-m', 'build', '--outdir', dist, source)
    (sdist,), (wheel,) = dist.glob('*.tar.gz'), dist.glob('*.whl')
    return sdist, wheel


def package_files(source: Path) -> dict[str, bytes]:
    """Return all that a user should get, links resolved, by name."""
    return {
        path.relative_to(source).as_posix(): path.read_bytes()
        for folder, _, names in os.walk(
            source / 'mosi_mmaction', followlinks=True
        )
        for path in (Path(folder) / name for name in names)
        if path.parent.name != '__pycache__'
    }


def check_contents(source: Path, sdist: Path, wheel: Path) -> None:
    """Compare both files with the source tree, byte by byte."""
    links = [
        p
        for p in (source / 'mosi_mmaction' / '.mim').iterdir()
        if not p.exists()
    ]
    check(not links, f'the links of .mim lead somewhere {links or ""}')
    wanted = package_files(source)
    for name in (
        '.mim/configs/mosi_r2p1d_hmdb.py',
        '.mim/tools/train.py',
        '.mim/tools/data/prepare.py',
        '.mim/tools/dist_train.sh',
        '__main__.py',
    ):
        assert f'mosi_mmaction/{name}' in wanted, name
    for name in ('model-index.yml', 'zoo'):
        check(
            not (source / name).exists()
            or (source / 'mosi_mmaction' / '.mim' / name).exists(),
            f'{name} is linked in .mim, or there is none',
        )

    with zipfile.ZipFile(wheel) as file:
        kinds = {
            i.filename: stat.S_IFMT(i.external_attr >> 16)
            for i in file.infolist()
        }
        got = {name: file.read(name) for name in file.namelist()}
    info = {n: got.pop(n) for n in list(got) if '.dist-info/' in n}
    differ = sorted(set(wanted) ^ set(got)) + sorted(
        n for n in set(wanted) & set(got) if wanted[n] != got[n]
    )
    check(
        not differ,
        f'the wheel has the {len(wanted)} files of the package, '
        f'configs and tools, and nothing else {differ or ""}',
    )
    check(set(kinds.values()) == {stat.S_IFREG}, 'no links in the wheel')
    licence = (source / 'LICENSE').read_bytes()
    check(licence in info.values(), 'the wheel has the licence')
    metadata = next(v for n, v in info.items() if n.endswith('/METADATA'))
    check(
        re.search(rb'^License(-Expression)?: Apache-2.0$', metadata, re.M)
        and b'\nProvides-Extra: lite\n' in metadata,
        'its metadata name the licence and the extra [lite]',
    )

    with tarfile.open(sdist) as file:
        members = [m for m in file if not m.isdir()]
        check(all(m.isreg() for m in members), 'no links in the sdist')
        top = f'{sdist.name[: -len(".tar.gz")]}/'
        got = {m.name[len(top) :]: file.extractfile(m).read() for m in members}
    check(
        all(got.get(n) == v for n, v in wanted.items())
        and got.get('LICENSE') == licence,
        'the sdist has the same, and the licence',
    )
    extra = [
        n
        for n in got
        if re.search(r'^tests|^docs|__pycache__|\.pyc$|^\.|/\.git', n)
    ]
    check(not extra, f'no tests and no caches in the sdist {extra or ""}')
