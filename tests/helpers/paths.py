"""Where things are in the repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / 'tests'
CONFIGS = ROOT / 'configs'
DOCS = ROOT / 'docs'
TOOLS = ROOT / 'tools'
PACKAGE = ROOT / 'mosi_mmaction'
# Photographs and videos that are not part of the repository.
DATA = ROOT.parent / 'shared' / 'data'
DATA = ROOT.parent / 'shared' / 'data'
