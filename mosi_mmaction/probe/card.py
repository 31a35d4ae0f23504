"""A card as Markdown and as a picture."""

from pathlib import Path

# First, as it says what to install where matplotlib is missing.
from ..visualization import draw  # noqa: F401  isort: skip
from matplotlib import pyplot as plt

#: Columns: key of a score, heading, colour, marker.
_COLUMNS = (
    ('raw', 'raw pixels', '0.6', 's'),
    ('untrained', 'untrained', 'tab:orange', 'D'),
    ('network', 'this network', 'tab:blue', 'o'),
)


def percent(score: dict | None) -> str:
    """Write a score with its interval, in percent."""
    if score is None:
        return '–'
    values = [round(100 * score[k]) for k in ('mean', 'low', 'high')]
    if score['low'] == score['high']:  # the same answer to every clip
        return f'{values[0]}'
    return '{} [{}, {}]'.format(*values)


def to_markdown(card: dict) -> str:
    """Write a card as Markdown."""
    lines = [
        f'# What {card["network"]} knows of motion',
        '',
        f'Clips of {card["clip_len"]} × {card["side"]}², from '
        f'{card["num_images"]} images ({card["images"]}), a third of them '
        f'held out; linear readouts of {card["features"]} frozen features. '
        'Percent named correctly, 95 % intervals over images.',
        '',
        '| question | | chance | raw pixels | untrained | this network |',
        '|---|---|---:|---:|---:|---:|',
    ]
    for row in card['questions']:
        cells = [
            row['name'],
            row['text'],
            f'{row["chance"]:.0%}'.rstrip('%'),
            *(percent(row.get(key)) for key, *_ in _COLUMNS),
        ]
        lines.append(f'| {" | ".join(cells)} |')
    if card['own_head']:
        head = card['own_head']
        lines += [
            '',
            f'Its own head names {100 * head["right"]:.0f} % of '
            f'{head["clips"]} clips of its training config (chance '
            f'{100 * head["chance"]:.0f} %).',
        ]
    lines += ['', *verdict(card), '']
    return '\n'.join(lines)


def verdict(card: dict) -> list[str]:
    """Return a line for each sign that weights were badly loaded."""
    if card['ok']:
        text = 'The weights seem to be loaded correctly'
        if 'untrained' not in card['questions'][0]:
            text += '; they were not compared with an untrained network'
        return [f'{text}.']
    return [
        f'**Check how the weights are loaded:** {f["text"]}.'
        for f in card['findings']
    ]


def draw_card(card: dict) -> plt.Figure:
    """Draw a card: a line a question, a mark a rival, chance as a bar."""
    rows = card['questions'][::-1]
    figure, axes = plt.subplots(
        figsize=(7, 0.55 * len(rows) + 1.3), layout='constrained'
    )
    for height, row in enumerate(rows):
        axes.plot(
            [100 * row['chance']] * 2,
            [height - 0.4, height + 0.4],
            color='0.3',
            linestyle=':',
            label='chance' if not height else None,
        )
        for place, (key, label, color, marker) in enumerate(_COLUMNS):
            score = row.get(key)
            if score is None:
                continue
            mean = 100 * score['mean']
            axes.errorbar(
                mean,
                height + 0.2 * (place - 1),
                xerr=[
                    [mean - 100 * score['low']],
                    [100 * score['high'] - mean],
                ],
                color=color,
                marker=marker,
                capsize=2,
                label=label if not height else None,
            )
    axes.set_yticks(range(len(rows)), [row['name'] for row in rows])
    axes.set_xlim(-2, 104)
    axes.set_xlabel('named correctly (%)')
    # A checkpoint's name says only the epoch; its directory says the run.
    axes.set_title('/'.join(Path(card['network']).parts[-2:]))
    figure.legend(loc='outside lower center', ncols=4)
    return figure
