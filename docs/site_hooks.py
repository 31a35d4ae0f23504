"""What mkdocs does to the pages: roles of Sphinx become code, or links."""

import re

# Docstrings are written for help() and Sphinx: :func:`~package.module.name`.
_ROLE = re.compile(
    r':(?:py:)?(?:class|func|meth|mod|data|attr|exc|obj):'
    r'<code>(~?)([^<]+)</code>'
)


def _plain(match: re.Match) -> str:
    short, name = match.groups()
    shown = name.lstrip('.').rpartition('.')[2] if short else name.lstrip('.')
    return f'<code>{shown}</code>'


def on_page_content(html: str, **kwargs) -> str:
    """Replace the roles in a rendered page."""
    return _ROLE.sub(_plain, html)


def on_page_markdown(markdown: str, page, **kwargs) -> str:
    """Keep the tables of every run out of the search; they drown the rest."""
    path = page.file.src_uri
    if path.startswith('results/'):
        page.meta.setdefault('search', {})['exclude'] = True
    elif path == 'troubleshooting.md':
        page.meta.setdefault('search', {})['boost'] = 4
    return markdown
