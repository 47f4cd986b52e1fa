"""What is wrong with a template, and where in the admin's own text."""


class TemplateError(Exception):
    """A template that cannot be saved. ``line`` and ``column`` count from 1 in the text as the admin wrote it."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"Line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


def error_at(text: str, offset: int, message: str) -> TemplateError:
    """Return the error for what stands at ``offset`` of ``text``."""
    line_start = text.rfind("\n", 0, offset) + 1
    return TemplateError(message, text.count("\n", 0, offset) + 1, offset - line_start + 1)
