"""Takes secrets and traps out of text that came from the service, before it is shown or stored.

`runflowd.core.printable.scrubbed` knows URLs, tokens and keys. Answers of a service and of its object
storage hold more: inline images, callback secrets, and signature parameters outside of any URL.
"""

from __future__ import annotations

import re

from runflowd.core.printable import scrubbed, shortened

_REPLACEMENTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(data:[\w/+.-]*)[;,][^\s\"'<>]{16,}"), r"\1..."),
    (re.compile(r"\b(?:rfk?_|whsec_)[\w*]+"), "***"),
    (
        re.compile(
            r"(?i)\b(x-amz-[a-z-]+|x-goog-[a-z-]+|awsaccesskeyid|key-pair-id|policy|signature|sig|token)"
            r"=[^\s&\"'<>]+"
        ),
        r"\1=***",
    ),
)
_WORK_LIMIT = 20_000
"""Characters looked at: the patterns are linear, but there is no use in reading a novel."""


def redact(text: str, limit: int) -> str:
    """Return `text` as one printable line of at most `limit` characters, free of secrets."""
    if not text:
        return ""
    line = text[:_WORK_LIMIT]
    if not line.isprintable():
        # Control characters, and direction marks, which make a line lie about itself.
        line = "".join(letter if letter.isprintable() else " " for letter in line)
    line = scrubbed(line)
    for pattern, replacement in _REPLACEMENTS:
        line = pattern.sub(replacement, line)
    line = " ".join(line.split())
    return shortened(line, limit)
