"""What the site makes of docstrings, and what its search finds."""

import runpy
from types import SimpleNamespace

import pytest

from helpers.paths import DOCS

HOOKS = runpy.run_path(str(DOCS / 'site_hooks.py'))


@pytest.mark.parametrize(
    'role, shown',
    [
        (':class:<code>~mosi_mmaction.LabelPool</code>', 'LabelPool'),
        (':func:<code>set_epochs</code>', 'set_epochs'),
        (':mod:<code>mosi_mmaction.media</code>', 'mosi_mmaction.media'),
        (':func:<code>~.models.layers.pad_widths</code>', 'pad_widths'),
    ],
)
def test_no_raw_roles(role, shown):
    html = HOOKS['on_page_content'](f'<p>see {role}: good</p>')
    assert html == f'<p>see <code>{shown}</code>: good</p>'


@pytest.mark.parametrize(
    'page, search',
    [
        ('results/table1_short.md', {'exclude': True}),
        ('troubleshooting.md', {'boost': 4}),
        ('results.md', None),
    ],
)
def test_search(page, search):
    page = SimpleNamespace(file=SimpleNamespace(src_uri=page), meta={})
    assert HOOKS['on_page_markdown']('text', page) == 'text'
    assert page.meta.get('search') == search
