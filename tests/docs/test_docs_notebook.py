"""The notebook of the docs runs, and is committed small."""

import pytest

from helpers.paths import DOCS

NOTEBOOKS = sorted((DOCS).glob('*.ipynb'))


def test_there_is_one():
    assert NOTEBOOKS


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_is_small(path):
    assert path.stat().st_size < 450_000


@pytest.mark.long
@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_runs(path, tmp_path, monkeypatch):
    nbformat = pytest.importorskip('nbformat')
    nbclient = pytest.importorskip('nbclient')
    # matplotlib draws into the notebook, whatever the tests use.
    monkeypatch.delenv('MPLBACKEND', raising=False)
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, resources={'metadata': {'path': str(tmp_path)}}
    ).execute()
    # No warning is printed into it.
    printed = [
        output['text']
        for cell in notebook.cells
        for output in cell.get('outputs', ())
        if output.get('name') == 'stderr'
    ]
    assert 'Warning' not in ''.join(printed)
    assert all(
        cell.get('execution_count')
        for cell in notebook.cells
        if cell.cell_type == 'code'
    )
