"""Text that people give: what a name may hold, said once for every place that takes one."""

import re

# No control characters: a NUL cannot be stored in PostgreSQL, the others forge lines in a
# terminal or a table. Any script, any emoji is welcome.
LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"

_LINE = re.compile(LINE[:-1] + r"\Z")


def is_line(text: str) -> bool:
    """Whether a text is one line without control characters."""
    return _LINE.match(text) is not None
