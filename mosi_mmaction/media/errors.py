"""The package's exceptions."""


class BadSourceError(ValueError):
    """A file of the user's data cannot be used; the file is at fault.

    Only this error is subject to the ``bad_files`` policy: any other one is
    a mistake in a config or in this package and always stops the run.

    Args:
        path: Path of the file.
        reason: Explanation of what is wrong with it.
        hint: Sentence that says what to do about it.
    """

    def __init__(self, path: str, reason: str, hint: str = '') -> None:
        super().__init__(path, reason, hint)
        self.path = path
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        text = f'{self.path}: {self.reason}'
        return f'{text}. {self.hint}' if self.hint else text
