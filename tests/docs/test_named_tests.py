"""Every test that the documentation names exists, and is exactly one."""

import ast
import re

import pytest

from helpers.paths import ROOT

PAGES = [
    ROOT / 'README.md',
    ROOT / 'CHANGELOG.md',
    ROOT / 'CONTRIBUTING.md',
    *sorted((ROOT / 'docs').glob('*.md')),
]
# `tests/x/test_y.py`, `tests/x/test_y.py::test_z`, `…::test_z…`: a leading
# ellipsis stands for the file named before, a trailing one for the rest.
NAMED = re.compile(
    r'`(?:(tests/[\w/*]+\.py)|…(?=::test_))(?:::(test_\w+)(…)?)?`'
)


def functions_of(file):
    """Return the names of all test functions of a file."""
    tree = ast.parse(file.read_text(encoding='utf-8'))
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test_')
    ]


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.stem)
def test_tests_that_a_page_names_exist(page):
    text = page.read_text(encoding='utf-8')
    file = None
    for path, name, rest in NAMED.findall(text):
        file = path or file
        assert file and list(ROOT.glob(file)), f'{path or "…"}::{name}'
        if name:
            found = [
                test
                for test in functions_of(ROOT / file)
                if (test.startswith(name) if rest else test == name)
            ]
            assert len(found) == 1, f'{file}::{name}: {found}'
    spans = re.findall(r'`[^`\n]*\btest_\w+(?:\.py|…)[^`\n]*`', text)
    unread = [span for span in spans if not NAMED.fullmatch(span)]
    assert not unread, f'name these tests with their path: {unread}'


def test_the_promises_name_their_tests():
    text = (ROOT / 'docs/reliability.md').read_text(encoding='utf-8')
    assert len(NAMED.findall(text)) > 40
