"""Features of videos, grouped and drawn."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from helpers.paths import TOOLS

sys.path.insert(0, str(TOOLS))

import embed  # noqa: E402

PRETRAIN = 'tiny/mosi_r2p1d_deadleaves'


class TestEmbed:
    def test_groups_what_differs(self, rng):
        centres = np.repeat(np.eye(5)[:3] * 10, 8, axis=0)
        values = centres + rng.normal(0, 0.1, centres.shape)
        assigned, distance, plane = embed.group(values, 3, 0)
        for i in (0, 8, 16):
            assert len(set(assigned[i : i + 8])) == 1
        assert len(set(assigned)) == 3
        assert plane.shape == (24, 2)
        with pytest.raises(ValueError, match='fewer clusters'):
            embed.group(values[:3], 3, 0)

    def test_figures(self):
        found = dict(
            motions=['static'] * 3 + ['vertical'] * 2,
            histograms=np.eye(8)[[0, 0, 2, 6, 6]],
        )
        assigned = np.array([0, 0, 0, 1, 1])
        report = embed.summarise(found, list('aabbb'), assigned)
        assert report['nmi_motion'] == pytest.approx(1)
        assert 0 < report['nmi_action'] < 0.9
        first, second = report['clusters']
        assert (first['size'], first['motion']) == (3, 'static')
        assert first['actions'] == {'a': 2, 'b': 1}
        assert first['directions']['right'] == pytest.approx(2 / 3, abs=1e-3)
        assert second['motion'] == 'vertical'
        assert second['directions']['up'] == 1
        assert embed.summarise(found, [''] * 5, assigned)['nmi_action'] is None

    @pytest.mark.parametrize(
        'names',
        [
            ['Hampelmann machen', 'mit beiden Händen winken', 'zu Fuß gehen'],
            ['x' * 90, 'walk'],
            [f'action {n}' for n in range(51)],
        ],
    )
    def test_names_are_inside_the_picture(self, rng, names):
        labels = [*names, *names]
        assigned = np.arange(len(labels)) % 3
        found = dict(
            motions=['static'] * len(labels),
            histograms=np.full((len(labels), 8), 1 / 8),
            strips=[np.zeros((20, 90, 3), np.uint8)] * len(labels),
        )
        report = embed.summarise(found, labels, assigned)
        plane = rng.normal(size=(len(labels), 2))
        figure = embed.draw_clusters(
            found, assigned, plane[:, 0], plane, report, labels
        )
        figure.canvas.draw()
        by_action, names_of_actions, by_cluster = figure.axes[:3]
        assert 'colour: action' in by_action.get_title()
        legend = names_of_actions.get_legend()
        assert len(legend.get_texts()) == len(names)
        box, edge = legend.get_window_extent(), figure.bbox
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= edge.x1 and box.y1 <= edge.y1
        # Nor over the panel, which stays as wide as the column.
        panel = by_action.get_window_extent()
        assert box.y1 <= panel.y0
        assert panel.width > 0.25 * edge.width
        assert by_cluster.get_window_extent().width == pytest.approx(
            panel.width, rel=0.05
        )

    def test_whole_tool(self, tmp_path, videos, checkpoint):
        embed.main(
            [
                PRETRAIN,
                checkpoint,
                str(videos / 'test'),
                '--height',
                '64',
                '--clusters',
                '2',
                '--out-dir',
                str(tmp_path),
            ]
        )
        report = json.loads((tmp_path / 'report.json').read_text())
        assert report['videos'] == 4
        assert sum(c['size'] for c in report['clusters']) == 4
        actions = sum(
            (list(c['actions'].items()) for c in report['clusters']), []
        )
        assert sum(n for a, n in actions if a == 'oscillate') == 2
        assert np.asarray(Image.open(tmp_path / 'clusters.png')).std() > 10
