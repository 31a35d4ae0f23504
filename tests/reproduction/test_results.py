"""results/: one line a run, tables and pages that agree to the digit."""

import importlib
import json
import multiprocessing
import re
import shutil
import statistics
from dataclasses import replace

import pytest

from helpers.paths import ROOT, TOOLS
from mosi_mmaction.reproduction.pages import make_pages
from mosi_mmaction.reproduction.results_store import KEYS, Results, collect
from mosi_mmaction.reproduction.run_process import read_run
from mosi_mmaction.reproduction.runs import Run, portable_command
from mosi_mmaction.reproduction.tables import bootstrap_interval

RESULTS = Results(ROOT / 'results')


def line(name='tiny-x-0123', **changes):
    curve = [[6, {'acc/top1': 0.1}], [12, {'acc/top1': 0.3}]]
    return {
        'id': name,
        'spec': name * 2,
        'final': {'acc/top1': 0.3},
        'curve': curve,
        **changes,
    }


# --- What is published.


def test_pages_are_those_of_the_data():
    docs = ROOT / 'docs'
    pages = make_pages(RESULTS, docs)
    assert len(pages) >= 15
    for path, text in pages.items():
        assert path.read_text(encoding='utf-8') == text, (
            f'{path}: run python tools/reproduce.py --pages'
        )
    # No page is left of a table that is gone.
    made = {path for path in pages if path.parent.name == 'results'}
    assert set(docs.glob('results/*.md')) == made
    assert pages[docs / 'weizmann.md'].count('<!-- results: ') == 6
    assert '<!-- results: claims' in pages[docs / 'results.md']


def test_a_page_follows_its_data(tmp_path, monkeypatch, capsys):
    shutil.copytree(RESULTS.root, tmp_path / 'results')
    shutil.copytree(ROOT / 'docs/results', tmp_path / 'docs/results')
    for name in ('results.md', 'weizmann.md'):
        shutil.copy(ROOT / 'docs' / name, tmp_path / 'docs')
    path = tmp_path / 'results/tables/table1.json'
    text = path.read_text(encoding='utf-8')
    path.write_text(text.replace('62.22222222222222', '62.3'), 'utf-8')
    monkeypatch.syspath_prepend(str(TOOLS))
    reproduce = importlib.import_module('reproduce')
    out, docs = tmp_path / 'results', tmp_path / 'docs'
    reproduce.main(['--out', str(out), '--pages', str(docs)])
    said = capsys.readouterr().out
    names = {
        path.name
        for path in (tmp_path / 'docs').rglob('*.md')
        if path.read_bytes()
        != (ROOT / path.relative_to(tmp_path)).read_bytes()
    }
    assert names == {'weizmann.md', 'table1_loso.md'}
    assert all(name in said for name in names)
    page = (tmp_path / 'docs/weizmann.md').read_text(encoding='utf-8')
    assert '**one pretraining a fold** | 62.3 | +34.4 [+26.7, +41.1] |' in page


def test_tables_are_those_of_the_runs():
    runs, used = RESULTS.runs(), set()
    for table in RESULTS.tables().values():
        rows = {row['condition']: row for row in table['rows']}
        for row in rows.values():
            used.update(row['pretrains'], row['finetunes'])
            top1 = [
                100 * runs[name]['final']['acc/top1']
                for name in row['finetunes']
            ]
            assert row['top1'] == top1
            assert row['mean'] == pytest.approx(statistics.mean(top1))
            if len(top1) > 1:
                assert row['sd'] == pytest.approx(statistics.stdev(top1))
            if row['pretrains']:
                assert row['pretext'] == pytest.approx(
                    statistics.mean(
                        100 * runs[name]['final']['pretext/top1']
                        for name in row['pretrains']
                    )
                )
            if row['baseline'] is None:
                assert row['difference'] is None
                continue
            pairs = zip(top1, rows[row['baseline']]['top1'])
            gains = [ours - theirs for ours, theirs in pairs]
            gain = row['difference']
            assert gain['mean'] == pytest.approx(statistics.mean(gains))
            low, high = bootstrap_interval(gains)
            assert (gain['low'], gain['high']) == pytest.approx(
                (low, high), abs=0.05
            )
    # Every run of a table is a line; a line may not be in a table yet.
    assert used <= runs.keys()


def test_a_line_tells_what_was_run():
    text = (RESULTS.root / 'runs.jsonl').read_text(encoding='utf-8')
    lines = [json.loads(line) for line in text.splitlines()]
    names = [run['id'] for run in lines]
    assert names == sorted(set(names)) and len(names) >= 442
    for run in lines:
        assert tuple(run) == KEYS
        config, digest = run['id'].rsplit('-', 1)
        assert (ROOT / f'configs/{run["config"]}.py').is_file()
        assert config == run['config'].replace('/', '-')
        assert run['spec'].startswith(digest)
        assert run['init'] is None or run['init'] in names
        assert run['curve'][-1] == [run['epochs'], run['final']]
    # Paths of a machine are nobody's business.
    for path in RESULTS.root.rglob('*.json*'):
        assert not re.search(r'"/|[ =\']/\w', path.read_text('utf-8')), path


def filled(folder, rows, block):
    """Return a page with a block of results, of a table x_short of rows."""
    table = RESULTS.tables()['table1_short']
    row = table['rows'][0]
    table['rows'] = [{**row, **of} for of in rows]
    out = Results(folder / 'results')
    out.add(tables=dict(x=dict(x_short=table)))
    (folder / 'docs').mkdir()
    (folder / 'docs/page.md').write_text(
        f'<!-- results: {block}-->\n\n\n\n<!-- end of results -->'
    )
    (_, page) = make_pages(out, folder / 'docs').values()
    return page


def test_gains_are_compared_fold_by_fold(tmp_path):
    rows = dict(a=[50, 52, 54], b=[40, 41, 45], c=[30, 31, 35])
    page = filled(
        tmp_path,
        [dict(condition=k, top1=v) for k, v in rows.items()],
        'claims x\n'
        'gain ; > ; x_short/a − b\n'
        'more ; = ; x_short/a − b less x_short/b − c\n'
        'also ; – ; found x_short/a − c\n',
    )
    # a - b is 10, 11, 9; b - c is 10 in every fold.
    assert '| gain | above 0 | **yes** +10.0 [+9.0, +11.0] |' in page
    assert '| more | no difference | **yes** +0.0 [-1.0, +1.0] |' in page
    assert '| also | – | +20.0 [+19.0, +21.0], found |' in page


def test_recipes_are_compared_over_their_pretrainings(tmp_path):
    means = {'a': (36, 37, 38), 'b, too': (41, 42, 43), 'c': (37, 38, 39)}
    page = filled(
        tmp_path,
        # By number of the pretraining, as tools/reproduce.py declares them.
        [
            dict(condition=f'{name}, pretraining {i + 1}', mean=each[i])
            for i in range(3)
            for name, each in means.items()
        ],
        'pretrainings x_short\nbase ; – ; a\nb ; < ; b, too\nc ; = ; c\n',
    )
    # t = 2.447 with six degrees of freedom, times the root of 2/3: 1.998.
    assert '| base | 37.0 | 36.0, 37.0, 38.0 | baseline | – |' in page
    assert (
        '| b | 42.0 | 41.0, 42.0, 43.0 | +5.0 [+3.0, +7.0] | below 0: **no** |'
    ) in page
    assert '| +1.0 [-1.0, +3.0] | no difference: **yes** |' in page
    assert 'pretrainings: 1.0 points, 6 degrees of freedom.' in page


def test_figures_of_the_claims_are_in_the_tables_they_link():
    page = (ROOT / 'docs/weizmann.md').read_text(encoding='utf-8')
    rows = [r for r in page.splitlines() if re.match(r'\| .*\]\(results/', r)]
    assert len(rows) >= 16
    tables = RESULTS.tables()
    # Differences of figures, and a percentage of labels, said in the text.
    derived = {'14.5', '8.9', '4.4', '77.8'}
    for row in rows:
        known = set(derived)
        for name in re.findall(r'\(results/([^)]*)\.md\)', row):
            for of in tables[name]['rows']:
                values = [of['mean'], of['sd'], of['pretext']]
                values += (of['difference'] or {}).values()
                known |= {f'{abs(v):.1f}' for v in values if v is not None}
        if '.md), [below]' in row:  # and again, on another machine
            for of in tables['table1_loso_only']['rows']:
                values = [of['mean'], *(of['difference'] or {}).values()]
                known |= {f'{abs(v):.1f}' for v in values}
        text = re.sub(r'\(results/[^)]*\)|0\.\d–0\.\d|0\.\d', '', row)
        said = set(re.findall(r'\d+\.\d', text))
        assert said <= known, (said - known, row)


# --- Adding to it.


def test_lines_are_ordered_and_filled_in(tmp_path):
    out = Results(tmp_path / 'results')
    assert out.add([line('b'), line('a', machine='m')]) == (2, 0)
    assert out.add([line('b', seed=3), line('a', machine='n')]) == (0, 0)
    runs = out.runs()
    assert list(runs) == ['a', 'b']
    assert (runs['b']['seed'], runs['b']['date']) == (3, None)
    assert runs['a']['machine'] == 'm'  # known is kept
    # A validation that a kill had cut off is filled in.
    short = line('c', curve=line()['curve'][1:])
    out.add([short])
    out.add([line('c')])
    out.add([short])
    assert out.runs()['c']['curve'] == line()['curve']


def test_another_result_is_an_error(tmp_path):
    out = Results(tmp_path)
    out.add([line()])
    before = (tmp_path / 'runs.jsonl').read_bytes()
    other = line(final={'acc/top1': 0.4})
    with pytest.raises(
        ValueError, match='tiny-x-0123 exists with a different'
    ):
        out.add([line('new'), other])
    assert (tmp_path / 'runs.jsonl').read_bytes() == before
    out.add([other], replace=True)
    assert out.runs()['tiny-x-0123']['final'] == {'acc/top1': 0.4}
    # The same result, of which less is known, replaces nothing.
    out.add([{**other, 'machine': 'm'}], replace=True)
    out.add([other], replace=True)
    assert out.runs()['tiny-x-0123']['machine'] == 'm'


def test_calls_side_by_side_lose_nothing(tmp_path):
    def add_many(of):
        out = Results(tmp_path)
        for i in range(20):
            name = f'{of}{i:02d}'
            out.add([line(name)], {'flip': {name: dict(rows=[])}})

    fork = multiprocessing.get_context('fork')
    calls = [fork.Process(target=add_many, args=name) for name in 'ab']
    for call in calls:
        call.start()
    for call in calls:
        call.join(300)
    assert [call.exitcode for call in calls] == [0, 0]
    names = [f'{name}{i:02d}' for name in 'ab' for i in range(20)]
    assert list(Results(tmp_path).runs()) == names
    assert list(Results(tmp_path).tables()) == names


def finished_run(root, name, **cfg):
    folder = root / name
    (folder / '20261127_081500/vis_data').mkdir(parents=True)
    (folder / '20261127_081500/20261127_081500.log').write_text('')
    result = {k: line(name)[k] for k in ('spec', 'final', 'curve')}
    (folder / 'result.json').write_text(json.dumps(result))
    (folder / 'seconds').write_text('12.5')
    return folder


def test_work_dirs_of_earlier_versions_are_taken_in(tmp_path):
    work, name = tmp_path / 'work', 'tiny-finetune_r2p1d_weizmann-0123'
    folder = finished_run(work, name)
    (folder / 'config.py').write_text(
        'randomness = dict(seed=4)\n'
        "load_from = '/elsewhere/tiny-mosi_r2p1d_images-9/epoch_14.pth'\n"
        'train_cfg = dict(max_epochs=12)\n'
    )
    (work / 'unfinished').mkdir()
    old = work / 'results'
    (old / 'runs').mkdir(parents=True)
    result = {k: line(name)[k] for k in ('spec', 'final', 'curve')}
    (old / f'runs/{name}.json').write_text(json.dumps(result))
    table = dict(title='Flip', rows=[], command='python x --videos /a/b/c')
    (old / 'mocap_flip_short_mocap_still.json').write_text(json.dumps(table))
    out = Results(tmp_path / 'out')
    said = collect([work], out, replace=False)
    assert '1 new runs of 1, 1 new or changed tables' in said
    run = out.runs()[name]
    assert (run['seed'], run['epochs'], run['seconds']) == (4, 12, 12.5)
    assert run['init'] == 'tiny-mosi_r2p1d_images-9'
    assert (run['date'], run['options']) == ('2026-11-27', None)
    (table,) = out.table_files()['mocap_flip'].values()
    assert table['command'] == 'python x --videos b/c'
    # Once more changes nothing, from there or from the directory of results.
    before = {p: p.read_bytes() for p in out.root.rglob('*.json*')}
    collect([work, out.root], out, replace=False)
    assert {p: p.read_bytes() for p in out.root.rglob('*.json*')} == before
    with pytest.raises(FileNotFoundError, match='has no results'):
        collect([tmp_path / 'absent'], out, replace=False)


def test_a_declaration_has_no_path_of_the_machine(tmp_path):
    run = Run(
        'tiny-finetune-0123',
        str(ROOT / 'configs/tiny/finetune_r2p1d_weizmann.py'),
        seed=2,
        init='tiny-mosi-4567',
        options={
            'a.ann_file': '/home/me/lists/train.txt',
            'b.ann_file': f'{tmp_path}/lists/5.txt',
            'c': ['/secret/place/x.txt', 1.5],
        },
        motion=dict(static_mask=(0.3, 0.5)),
        variables=dict(MOSI_DATA='/home/me/videos', LISTS='/home/me/lists'),
    )
    told = run.declaration(tmp_path)
    assert told['config'] == 'tiny/finetune_r2p1d_weizmann'
    own = replace(run, config='/home/me/leaf.py').declaration(tmp_path)
    assert own['config'] == 'leaf'
    assert told['options'] == {
        'a.ann_file': '$LISTS/train.txt',
        'b.ann_file': '$WORK_DIR/lists/5.txt',
        'c': ['place/x.txt', 1.5],
    }
    assert told['data'] == dict(MOSI_DATA='me/videos', LISTS='me/lists')
    assert told['motion'] == dict(static_mask=[0.3, 0.5])
    # What is told is what the directory of the run tells.
    folder = finished_run(tmp_path, run.name)
    (folder / 'run.json').write_text(json.dumps(dict(told, machine='m')))
    assert told.items() <= read_run(folder).items()
    words = ['x', '/a/b/c', '--out=/d/e/f', '--seeds', '3']
    assert portable_command(words) == 'x b/c --out=e/f --seeds 3'
