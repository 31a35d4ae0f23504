r"""Run a tool of the installed package.

    python -m mosi_mmaction TOOL [arguments of the tool]
    torchrun --nproc-per-node 8 -m mosi_mmaction train CONFIG \
        --launcher pytorch

TOOL is a script of tools/, without its extension.
"""

import ast
import difflib
import runpy
import sys

from .cli.start import TOOLS


def find_tools() -> dict[str, str]:
    """Return the first line of every tool's docstring, by its name."""
    tools = {}
    for path in sorted(TOOLS.rglob('*.py')):
        source = path.read_text(encoding='utf-8')
        if "__name__ == '__main__'" in source:  # skip what tools import
            doc = ast.get_docstring(ast.parse(source)) or ''
            name = path.relative_to(TOOLS).with_suffix('').as_posix()
            tools[name] = doc.partition('\n')[0]
    return tools


def main() -> None:
    """Run the tool named in ``sys.argv`` as if it were started as a script."""
    tools = find_tools()
    name = sys.argv[1] if len(sys.argv) > 1 else '--help'
    if name in ('-h', '--help'):
        print(__doc__)
        for tool, line in tools.items():
            print(f'    {tool:<{max(map(len, tools))}}  {line}')
        return
    if name not in tools:
        # split_videos is data/split_videos.
        near = [tool for tool in tools if tool.endswith(f'/{name}')]
        near = near or difflib.get_close_matches(name, tools)
        sys.exit(
            f'python -m mosi_mmaction: there is no tool {name!r}'
            + (f'; did you mean {" or ".join(near)}?' if near else '')
            + '\nThere are: '
            + ', '.join(tools)
        )
    script = TOOLS / f'{name}.py'
    sys.argv[:2] = [str(script)]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name='__main__')


if __name__ == '__main__':
    main()
