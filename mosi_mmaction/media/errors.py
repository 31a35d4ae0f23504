"""Errors that the package tells apart."""


class BadSourceError(ValueError):
    """A file of the user's data cannot be used; the file is at fault.

    Only this error is subject to the ``bad_files`` policy: any other one is
    a mistake of a config or of ours and always stops.

    Args:
        path: The file.
        reason: What is wrong with it.
        hint: What to do about it, a sentence.
    """

    def __init__(self, path: str, reason: str, hint: str = '') -> None:
        super().__init__(path, reason, hint)
        self.path = path
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        text = f'{self.path}: {self.reason}'
        return f'{text}. {self.hint}' if self.hint else text
