"""Write the tables of the documentation from the results.

A page ``DOCS/results/TABLE.md`` is generated completely. In ``DOCS/*.md`` only
the blocks between two comments are; the first comment defines the content::

    <!-- results: gains table1_loso
    words of a row = condition of the table
    -->

    | ... |

    <!-- end of results -->

Kinds of blocks: ``gains TABLE``, top-1 and difference to the baseline;
``pairs``, each row against its baseline, conditions as TABLE/CONDITION;
``curves TABLE EPOCH …``, mean accuracy at these epochs; ``demo``;
``budgets``; ``budget_curves EPOCH …``; ``claims``, a prediction and its
verdicts, in lines ``words ; > ; TABLE/CONDITION − BASELINE ; …``, a column
for each dataset, where ``–`` is what was not run, and ``TABLE/CONDITION −
BASELINE less TABLE/CONDITION − BASELINE`` how much more the first gains.
``found`` before a place gives no verdict: that was not predicted.
``pretrainings TABLE``, recipes against the first one, each with several
pretrainings, in lines ``words ; > ; RECIPE``.
"""

import re
import statistics
from collections.abc import Callable, Collection
from pathlib import Path

from ..files import write_text
from .experiment import PRETRAINING
from .results_store import Results, experiment_of
from .tables import format_gain, format_page
from .verdicts import (
    PREDICTIONS,
    compare,
    compare_samples,
    judge,
    pooled_deviation,
    replicates_needed,
)

_BLOCK = re.compile(
    r'(<!-- results: (\w+) ?([^\n]*?)(?:\n(.*?))?-->\n\n)'
    r'.*?'
    r'(\n\n<!-- end of results -->)',
    re.DOTALL,
)


def write_pages(results: Results, docs: Path) -> list[str]:
    """Write all pages.

    Args:
        results: Results with the figures.
        docs: Directory of the documentation.

    Returns:
        Paths of the pages that changed.
    """
    changed = []
    for path, text in make_pages(results, docs).items():
        if not path.exists() or path.read_text(encoding='utf-8') != text:
            write_text(path, text)
            changed.append(str(path))
    return changed


def write_report(
    results: Results, runs: list[dict], tables: dict[str, dict], replace: bool
) -> list[str]:
    """Add what a call made, and write a page of each table beside it.

    Args:
        results: Where to add it.
        runs: Lines of :meth:`Results.add`.
        tables: Tables by name.
        replace: As in :meth:`Results.add`.

    Returns:
        The pages.
    """
    files: dict[str, dict] = {}
    for name, table in tables.items():
        files.setdefault(experiment_of(name), {})[name] = table
    results.add(runs, files, replace)
    pages = {name: format_page(table) for name, table in tables.items()}
    for name, page in pages.items():
        write_text(results.root / f'{name}.md', page)
    return list(pages.values())


def make_pages(results: Results, docs: Path) -> dict[Path, str]:
    """Return the correct text of every page by its path.

    Raises:
        ValueError: If a block of a page asks for results that do not exist.
    """
    pages = {
        docs / 'results' / f'{name}.md': format_page(table)
        for name, table in results.tables().items()
    }
    for page in sorted(docs.glob('*.md')):
        text = page.read_text(encoding='utf-8')
        if _BLOCK.search(text):
            pages[page] = _fill(results, page, text)
    return pages


def _fill(results: Results, page: Path, text: str) -> str:
    def fill(match: re.Match) -> str:
        head, kind, arguments, body, tail = match.groups()
        make = _KINDS[kind]
        try:
            block = make(results, arguments.split(), body or '')
        except KeyError as error:
            raise ValueError(
                f'{page}: the block "results: {kind} {arguments}" asks '
                f'for {error}, which results do not have'
            ) from error
        return head + block + tail

    return _BLOCK.sub(fill, text)


def _rows(body: str) -> list[tuple[str, str]]:
    """Return (words, condition) of every line."""
    lines = [line.partition(' = ') for line in body.splitlines()]
    return [(words.strip(), rest.strip()) for words, _, rest in lines if rest]


def _table(*lines: list[str], right: Collection[int] = ()) -> str:
    """Return a Markdown table of cells, the first line being its head."""
    rule = ['---' + ':' * (i in right) for i in range(len(lines[0]))]
    text = ['| ' + ' | '.join(line) + ' |' for line in lines]
    text = [line.replace('|  |', '| |') for line in text]
    return '\n'.join([text[0], f'|{"|".join(rule)}|', *text[1:]])


def _find(results: Results, table: str, condition: str) -> dict:
    rows = results.tables()[table]['rows']
    return {row['condition']: row for row in rows}[condition]


def _gains(results: Results, arguments: list[str], body: str) -> str:
    (name,) = arguments
    lines = []
    for words, condition in _rows(body):
        row = _find(results, name, condition)
        lines.append([words, f'{row["mean"]:.1f}', format_gain(row)])
    base = _find(results, name, row['baseline'])
    head = f'over scratch, {base["mean"]:.1f}'
    return _table(
        ['pretraining, 40 epochs of fine-tuning', 'top-1', head],
        *lines,
        right=[1],
    )


def _pairs(results: Results, arguments: list[str], body: str) -> str:
    lines = []
    for words, place in _rows(body):
        name, condition = place.split('/', 1)
        row = _find(results, name, condition)
        base = _find(results, name, row['baseline'])
        lines.append(
            [
                words,
                f'{base["mean"]:.1f}',
                f'{row["mean"]:.1f}',
                format_gain(row),
            ]
        )
    return _table(
        ['what differs', 'from scratch', 'from MoSI', 'difference'],
        *lines,
        right=[1, 2],
    )


def _curves(results: Results, arguments: list[str], body: str) -> str:
    name, *epochs = arguments
    runs, lines = results.runs(), []
    for words, condition in _rows(body):
        row = _find(results, name, condition)
        curves = [dict(runs[n]['curve']) for n in row['finetunes']]
        means = [
            statistics.mean(
                100 * curve[int(e)]['acc/top1'] for curve in curves
            )
            for e in epochs
        ]
        lines.append([words, *(f'{mean:.1f}' for mean in means)])
    return _table([f'epoch of {epochs[-1]}', *epochs], *lines)


def _demo(results: Results, arguments: list[str], body: str) -> str:
    report = results.table_files()['demo']
    lines = []
    for words, key in _rows(body):
        seeds = [f'{100 * value:.1f}' for value in report[key]['seeds']]
        lines.append(
            [
                words,
                f'{100 * report[key]["mean"]:.1f}',
                ', '.join(seeds) if len(seeds) > 1 else '',
            ]
        )
    return _table(['', 'top-1 (%)', 'seeds'], *lines)


def _budgets(results: Results, arguments: list[str], body: str) -> str:
    runs, lines = results.table_files()['budgets']['runs'], []
    for words, epochs in _rows(body):
        means, cells = [], []
        for kind in ('scratch', 'mosi'):
            last = [c[-1][1] for c in runs[f'{kind}, {epochs}'].values()]
            means.append(statistics.mean(last))
            seeds = ', '.join(f'{value:.1f}' for value in last)
            cells.append(f'{means[-1]:.1f} ({seeds})')
        lines.append([words, *cells, f'{means[1] - means[0]:+.1f}'])
    return _table(
        ['budget', 'from scratch', 'from MoSI', 'difference'], *lines
    )


def _budget_curves(results: Results, arguments: list[str], body: str) -> str:
    runs, lines = results.table_files()['budgets']['runs'], []
    for words, key in _rows(body):
        curves = [dict(curve) for curve in runs[key].values()]
        means = [statistics.mean(c[int(e)] for c in curves) for e in arguments]
        lines.append([words, *(f'{mean:.1f}' for mean in means)])
    return _table(['epoch', *arguments], *lines)


def _claims(results: Results, arguments: list[str], body: str) -> str:
    lines = []
    for line in body.splitlines():
        words, predicted, *places = (part.strip() for part in line.split(';'))
        cells = [_verdict(results, place, predicted) for place in places]
        said = '–' if predicted == '–' else PREDICTIONS[predicted]
        lines.append([words, said, *cells])
    return _table(
        ['difference', 'predicted', *' '.join(arguments).split(', ')], *lines
    )


#: Before the place of a difference that nobody had predicted.
_FOUND = 'found '


def _verdict(results: Results, place: str, predicted: str) -> str:
    if place == '–':
        return 'not run'
    difference = _difference(results, place.removeprefix(_FOUND))
    gain = format_gain(dict(difference=difference))
    if place.startswith(_FOUND):
        return f'{gain}, found'
    verdict = judge(difference, predicted)
    text = f'**{verdict}** {gain}'
    needed = replicates_needed(difference)
    if verdict == 'open' and needed > difference['n']:
        text += f' (n = {difference["n"]} of about {needed})'
    low, high = difference['student']
    wider = judge(dict(low=low, high=high), predicted)
    return text if wider == verdict else f'{text}; by t **{wider}**'


def _difference(results: Results, place: str) -> dict:
    """Compare two rows, or the differences in two pairs of rows."""
    pairs = []
    for term in place.split(' less '):
        name, conditions = term.split('/', 1)
        rows = [_find(results, name, c) for c in conditions.split(' − ')]
        pairs.append([row['top1'] for row in rows])
    if len(pairs) == 1:
        return compare(*pairs[0])
    gains = [[one - other for one, other in zip(*pair)] for pair in pairs]
    return compare(*gains)


def _pretrainings(results: Results, arguments: list[str], body: str) -> str:
    (name,) = arguments
    means: dict[str, list[float]] = {}
    for row in results.tables()[name]['rows']:
        recipe = row['condition'].rpartition(PRETRAINING)[0]
        means.setdefault(recipe, []).append(row['mean'])
    pooled = pooled_deviation(means.values())
    base = next(iter(means.values()))
    lines = []
    for line in body.splitlines():
        words, predicted, recipe = (part.strip() for part in line.split(';'))
        each = means[recipe]
        cells = [', '.join(f'{m:.1f}' for m in each), 'baseline', '–']
        if each is not base:
            difference = compare_samples(each, base, pooled)
            cells[1] = format_gain(dict(difference=difference))
            verdict = judge(difference, predicted)
            cells[2] = f'{PREDICTIONS[predicted]}: **{verdict}**'
        lines.append([words, f'{statistics.mean(each):.1f}', *cells])
    head = ['recipe', 'top-1', 'each pretraining', 'difference', 'predicted']
    return (
        f'{_table(head, *lines, right=[1])}\n\n'
        f'Pooled standard deviation of pretrainings: {pooled["sd"]:.1f} '
        f'points, {pooled["df"]} degrees of freedom.'
    )


_KINDS: dict[str, Callable[..., str]] = dict(
    claims=_claims,
    gains=_gains,
    pairs=_pairs,
    curves=_curves,
    demo=_demo,
    pretrainings=_pretrainings,
    budgets=_budgets,
    budget_curves=_budget_curves,
)
