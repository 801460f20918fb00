"""Whether what was downloaded can be a result, and of which kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.media.result_kind import InDoubt, Unfit, detect_kind
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.decoder import Decoder
    from runflowd.files import Draft


class BrokenResult(RunflowdError):
    """What was downloaded cannot be a result, or not all of it. The sentence is shown beside its file."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the service sent a broken result: {why}")


@dataclass(frozen=True, slots=True)
class Label:
    """What who gives a result says of it: a MIME type, and a file name whose extension counts. Both may be empty."""

    mime_type: str = ""
    name: str = ""


def checked_type(draft: Draft, label: Label, folder: str, decoder: Decoder, on_progress: Callable[[], None]) -> str:
    """The MIME type of a finished draft in `folder`. Blocking; `on_progress` is called while a decoder is waited for.

    An image that is odd was paid for as any other: it is refused only if no decoder opens it.
    Raises `BrokenResult` for what can be no result, `Ended` where the process ends before that is known.
    """
    source = draft.source()
    match detect_kind(source, label.mime_type, label.name):
        case Unfit(reason):
            raise BrokenResult(reason)
        case InDoubt(mime, reason):
            verdicts = decoder.judge([(source.descriptor, mime)], folder, on_progress)
            if not any(verdict.decoded for verdict in verdicts):
                raise BrokenResult("; ".join([reason, *(verdict.words for verdict in verdicts)]))
            return mime
        case kind:
            return kind.mime
