"""What README and docs say can be done can be done."""
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
BLOCK = re.compile(r'^(<!--.*?-->\n)?```(\w+)\n(.*?)^```', re.M | re.S)


def blocks(page, language):
    return [(mark or '', code) for mark, lang, code
            in BLOCK.findall(page.read_text()) if lang == language]


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.name)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, (mark, code) in enumerate(blocks(page, 'python')):
        if 'needs' in mark:
            continue
        if '_base_' in code:  # a leaf config
            from mmengine.config import Config
            leaf = tmp_path / f'leaf{number}.py'
            leaf.write_text(code)
            assert Config.fromfile(leaf)
        else:
            exec(compile(code, f'{page.name}, block {number}', 'exec'), {})


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.name)
def test_shell_blocks_name_what_there_is(page):
    targets = set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(),
                             re.M))
    for _, code in blocks(page, 'shell'):
        for line in code.replace('\\\n', ' ').splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ['make']:
                assert set(words[1:]) <= targets, line
            for word in words:
                if re.match(r'(tools|configs)/.*\.(py|sh)$', word):
                    assert (ROOT / word).is_file(), line


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)#\s]+)', page.read_text()):
        if '://' not in link:
            assert (page.parent / link).exists(), f'{page.name}: {link}'
