"""Where things are in the repository."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / 'tests'
CONFIGS = ROOT / 'configs'
DOCS = ROOT / 'docs'
TOOLS = ROOT / 'tools'
PACKAGE = ROOT / 'mosi_mmaction'
# Photographs and videos that are not part of the repository.
DATA = ROOT.parent / 'shared' / 'data'
DATA = ROOT.parent / 'shared' / 'data'


def load_tool(name: str) -> ModuleType:
    """Import a script of tools/, such as 'data/prepare', as a module."""
    path = TOOLS / f'{name}.py'
    spec = importlib.util.spec_from_file_location(f'tool_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
