"""The config inside a checkpoint, read without running it."""

import ast
import re
from typing import Any

from mmengine.config import Config

# Arguments with which a network loads weights from elsewhere.
_INITIALISED_FROM = ('pretrained', 'init_cfg')


def config_of(file: dict, path: str) -> Config:
    """Return the config that a run wrote into its checkpoint.

    The text is read as plain values and never executed, because the file may
    be untrusted. ``custom_imports`` is therefore omitted.

    Args:
        file: Loaded checkpoint.
        path: Path of the checkpoint, for messages.

    Raises:
        ValueError: If there is no config in it, or one that is more than
            names and plain values.
    """
    text = (file.get('meta') or {}).get('cfg')
    if not isinstance(text, str):
        raise ValueError(
            f"{path}: meta['cfg'] has no config; give the config of its "
            'run, which lies in the work_dir'
        )
    try:
        settings = dict(
            _setting(node)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign)
        )
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: meta['cfg'] is not a config of plain values "
            f'({error}); give the config of its run'
        ) from error
    settings.pop('custom_imports', None)
    return Config(settings)


def _setting(node: ast.Assign) -> tuple[str, Any]:
    """Return the name and the value of an assignment."""
    target = node.targets[0]
    if not isinstance(target, ast.Name):
        raise ValueError(f'line {node.lineno} sets {ast.unparse(target)}')
    return target.id, _value(node.value)


def _value(node: ast.expr) -> Any:
    """Evaluate literals, and ``dict(...)`` of such."""
    if isinstance(node, ast.Call):
        called = getattr(node.func, 'id', None)
        if called == 'dict' and len(node.args) < 2:
            # Keys that are no names are written as dict({'a.b': 1}).
            start = _value(node.args[0]) if node.args else {}
            named = {
                k.arg: _value(k.value)
                for k in node.keywords
                if k.arg is not None
            }
            return dict(start, **named)
        if called == 'float' and not node.keywords:
            return float(*map(_value, node.args))
        raise ValueError(f'line {node.lineno} calls {ast.unparse(node.func)}')
    if isinstance(node, ast.List):
        return [_value(n) for n in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(n) for n in node.elts)
    if isinstance(node, ast.Dict):
        return {
            _value(k): _value(v)
            for k, v in zip(node.keys, node.values)
            if k is not None
        }
    return ast.literal_eval(node)


def plain_network(config: dict, path: str) -> dict[str, Any]:
    """Return a network's config after checking that it only builds a network.

    A registry imports whatever a type with dots names, and the file may be
    untrusted.

    Args:
        config: Config of a backbone or a whole recognizer.
        path: Path of its file, for the message.

    Raises:
        ValueError: If it asks for anything else.
    """

    def plain(node: Any) -> Any:
        if isinstance(node, (list, tuple)):
            return type(node)(plain(v) for v in node)
        if not isinstance(node, dict):
            return node
        kind = node.get('type', '')
        if not re.fullmatch(r'\w*', str(kind)):
            raise ValueError(
                f'{path}: refused, as its network asks for '
                f'type={kind!r}, which no registry holds'
            )
        return {
            k: plain(v) for k, v in node.items() if k not in _INITIALISED_FROM
        }

    return plain(config)
