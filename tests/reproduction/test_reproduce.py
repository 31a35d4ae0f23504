"""tools/reproduce.py: what it declares, what it counts, what survives."""

import numpy as np
import pytest

# --- Declarations.


def test_what_is_the_same_is_shared(tiny):
    from mosi_mmaction.reproduction.experiments import EXPERIMENTS

    default = tiny.mosi('tiny')
    rows = {name: make(tiny).rows for name, make in EXPERIMENTS.items()}
    # Table 1's MoSI, Table 2's default, Figure 6's first: one fine-tuning.
    same = [
        rows['table1'][1],
        rows['table2'][1],
        rows['fig6'][1],
        rows['fig7'][-1],
        rows['flip'][0],
    ]
    assert all(r.pretrains == [default] for r in same)
    assert len({tuple(r.finetunes) for r in same}) == 1
    assert rows['table1'][0].finetunes == rows['sources'][0].finetunes
    # The published accuracy stands beside the paper's range of sides only.
    papers, ours = rows['fig7'][-2:]
    assert (papers.paper, ours.paper) == (47.0, None)
    run = tiny.runs[papers.pretrains[0]]
    assert run.motion['static_mask'] == (0.3, 0.5)
    # Different conditions and seeds never share.
    for name, of in rows.items():
        runs = [finetune for row in of for finetune in row.finetunes]
        twice = 2 if name == 'table2' else 0  # 5 speeds is 8 frames
        assert len(set(runs)) == len(runs) - twice == 2 * len(of) - twice


def test_a_name_follows_from_what_decides_the_result(tiny, tmp_path, micro):
    from mosi_mmaction.reproduction.preset_tiny import Tiny

    name = tiny.finetune('tiny', tiny.mosi('tiny'))[0]
    elsewhere = Tiny(
        **micro, root=tmp_path / 'other', seeds=1, epochs=(2, 12), speed=1e9
    )
    assert elsewhere.finetune('tiny', elsewhere.mosi('tiny')) == [name]
    # The pretraining's budget decides the fine-tuning's result, too.
    longer = Tiny(**micro, root=tmp_path / 'runs', seeds=1, epochs=(3, 12))
    assert longer.finetune('tiny', longer.mosi('tiny')) != [name]


def test_paper_preset_declares_everything(tmp_path):
    from mosi_mmaction.reproduction.experiments import EXPERIMENTS
    from mosi_mmaction.reproduction.preset_paper import Paper

    paper = Paper(tmp_path / 'absent', root=tmp_path, seeds=1)
    tables = {name: make(paper) for name, make in EXPERIMENTS.items()}
    rows = {
        name: {r.condition: r for r in table.rows}
        for name, table in tables.items()
    }
    row = rows['table1']['HMDB: MoSI, x only']
    assert (row.paper, row.baseline.paper) == (44.9, 30.4)
    run = paper.runs[row.finetunes[0]]
    assert run.test and paper.runs[run.init].motion == dict(axes='x')
    cfg = run.resolve(tmp_path, paper.runs)
    assert cfg.train_cfg.max_epochs == 300
    assert cfg.model.backbone.type == 'ResNet2d3d'
    assert cfg.load_from.endswith(f'{run.init}/epoch_100.pth')
    assert (
        str(tmp_path / 'absent' / 'hmdb51')
        in cfg.test_dataloader.dataset.ann_file
    )
    other = Paper(tmp_path / 'absent', root=tmp_path, seeds=1, network='r2p1d')
    run = other.runs[other.mosi('hmdb')]
    assert 'mosi_r2p1d-paper_hmdb' in run.config
    assert 'figures are those of r2d3d' in other.describe()[1]
    assert len(paper.describe()) == 1
    # Other seeds see the same drawn images.
    runs = [
        paper.runs[paper.mosi('hmdb', source='leaves', seed=seed)]
        for seed in (0, 3)
    ]
    assert [run.seed for run in runs] == [0, 3]
    assert runs[0].options == runs[1].options
    # Table 2: the source grows so that a frame's step stays.
    sides = {}
    for n in (8, 16, 32):
        name = f'HMDB: {n} frames' + (' (default)' if n == 16 else '')
        cfg = paper.runs[rows['table2'][name].pretrains[0]].resolve(
            tmp_path, paper.runs
        )
        sides[n] = next(
            s.size
            for s in cfg.train_dataloader.dataset.pipeline
            if s.type == 'CropSource'
        )
    steps = [(side - 112) / (n - 1) for n, side in sides.items()]
    assert sides[16] == 320 and np.allclose(steps, steps[1], atol=0.05)


@pytest.mark.parametrize(
    'argv, words',
    [
        (['table2', '--loso'], '--loso is for table1'),
        (['table1', '--preset', 'paper', '--budget', 'long'], '--budget'),
        (['table1', '--videos', 'x'], 'go together'),
        (['table1', '--seeds', '0'], '--seeds 0: at least 1'),
        (['table9'], 'table9: there are table1'),
        ([], 'either EXPERIMENT, or --collect or --pages'),
    ],
)
def test_bad_commands(argv, words, capsys):
    from reproduce import parse_args

    with pytest.raises(SystemExit):
        parse_args(argv)
    assert words in capsys.readouterr().err


def test_some_rows_only(tiny):
    from mosi_mmaction.reproduction.experiments import table1

    table = table1(tiny)
    base, _, x_only, y_only = table.rows
    table.keep(['x only', 'y only'])
    assert [id(row) for row in table.rows] == [
        id(row) for row in (base, x_only, y_only)
    ]
    with pytest.raises(ValueError, match="has 'z only': there are from scr"):
        table.keep(['x only', 'z only'])
    table.keep(['from scratch'])
    assert table.rows == [base]
    assert table.notes == ['Not all rows of this experiment.'] * 2


def test_finished_rows_stay_in_the_table(tiny):
    from mosi_mmaction.reproduction.experiments import table1

    def conditions():
        table = table1(tiny)
        table.keep(['x only'], tiny.finished)
        return [row.condition.removeprefix('MoSI, ') for row in table.rows]

    def finish(row, but=()):
        for name in (*row.pretrains, *row.finetunes):
            if name not in but:
                (tiny.root / name).mkdir(parents=True)
                (tiny.root / name / 'result.json').touch()

    base, _, _, y_only = table1(tiny).rows
    assert conditions() == ['from scratch', 'x only']
    # All replicates, and those of its baseline.
    finish(y_only, but=y_only.finetunes[1:])
    assert conditions() == ['from scratch', 'x only']
    (tiny.root / y_only.finetunes[1]).mkdir()
    (tiny.root / y_only.finetunes[1] / 'result.json').touch()
    assert conditions() == ['from scratch', 'x only']
    finish(base)
    assert conditions() == ['from scratch', 'x only', 'y only']


def test_unknown_network(micro, tmp_path):
    from mosi_mmaction.reproduction.preset_tiny import Tiny

    with pytest.raises(ValueError, match='--network x: the preset tiny has'):
        Tiny(**micro, root=tmp_path, seeds=1, network='x')


@pytest.mark.parametrize('missing', ['videos', 'splits'])
def test_videos_need_their_splits(missing, micro, tmp_path):
    from mosi_mmaction.reproduction.preset_tiny import Tiny

    with pytest.raises(ValueError, match=f'{missing}=None.*: give both'):
        Tiny(**{**micro, missing: None}, root=tmp_path, seeds=1)


# --- Whole runs.


def test_a_dry_run_writes_nothing(tmp_path, monkeypatch, capsys):
    import reproduce

    from mosi_mmaction.reproduction import preset_tiny

    monkeypatch.setattr(reproduce.signal, 'signal', lambda *args: None)
    root = tmp_path / 'runs'
    argv = ['table1', 'table4', '--rendered', '--work-dir', str(root)]
    reproduce.main([*argv, '--dry-run'])
    assert not root.exists()
    # What it counts are the videos that there will be.
    preset = preset_tiny.Tiny(root=root, seeds=1)
    planned = [preset._lines(path) for path in preset.split]
    assert [len(lines) for lines in planned] == [66, 33]
    monkeypatch.setattr(
        'mosi_mmaction.synthetic.write.write_mp4', lambda *args: None
    )
    preset.prepare()
    lines = [path.read_text().splitlines() for path in preset.split]
    assert lines == planned
    assert '66 for training and 33 for test' in preset.describe()[0]
