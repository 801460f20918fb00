"""What the owner of a file can do about its failure, by the failure's code."""

from __future__ import annotations

import re
import shlex

from runflowd.core.lifecycle import ItemState
from runflowd.core.outputs import PARTIAL_RESULT
from runflowd.core.printable import printable

_REMEDIES = {
    "EMPTY": "Save the file again; it holds no bytes.",
    "TOO_LARGE": (
        "Make the file smaller than that, and save it again; or raise the setting that is named, if one is, and then "
        "`runflowd retry {path}`."
    ),
    "NOT_AN_IMAGE": "Put an image in its place, or move it out of the folder.",
    "NOT_ACCEPTED": "Put a file of a kind that the rule takes in its place, or move it out of the folder.",
    "INCOMPLETE": "Copy the file again, or save it anew: it is not whole.",
    "BAD_OVERRIDE": "Correct the _runflow.yaml named above; the file is then taken up by itself.",
    PARTIAL_RESULT: (
        "What came is in its place and paid for, and the file is not sent again by itself. A changed copy of it would "
        "be paid for in full; ask the operator first."
    ),
    "CANCELLED": "It was cancelled at the service. Touch the file to send it again.",
    "UPLOAD_UNREADABLE": "The file is not at fault and was not charged. `runflowd retry {path}` sends it once more.",
    "NO_SUBJECT_FOUND": "Use a photo with one clear subject, then save it again.",
    "WEIGHTS_MISSING": "Run the command in the message as the user that runs runflowd, then touch the file.",
    "DEPENDENCY_MISSING": "Install what the message names, with the command in it, then touch the file.",
    "UNREADABLE": "Make the file readable for the user that runs runflowd; it is taken up by itself then.",
    "BUSY": "Close it in the program that holds it; it is taken up by itself then.",
    "STILL_CHANGING": "Find out what keeps writing to it; it is taken up by itself once it is stable.",
}

_PAID = {
    "RESULT_TOO_LARGE": (
        "It is paid for. Raise `limits.download_size` and restart; `runflowd retry {path}` fetches it then at no cost."
    ),
    "RESULT_LOST": (
        "It is paid for, and not bought again by itself. Look its run up in the service's history; while that shows "
        "the result, `runflowd retry {path}` fetches it at no cost."
    ),
    "NOT_FOUND": (
        "It was bought, and is not bought again by itself. `runflowd retry {path}` asks for it again at no cost."
    ),
    "NO_RESULT": (
        "It is paid for, and not bought again by itself. `runflowd retry {path}` looks for its result at no cost."
    ),
}
"""Of what was certainly bought: nothing here leads to a second payment."""

_UNKNOWN = (
    "It may have been paid for already, so it is not sent again by itself. The operator can look for it at the "
    "service; if it is not there, `runflowd retry --buy-again --rule {rule} {path}` buys it."
)


def remedy_for(state: ItemState, code: str, rule: str, path: str) -> str:
    """One or two sentences that say what to do about the item at `path` that failed, is unknown, or waits."""
    if state is ItemState.OUTCOME_UNKNOWN:
        sentence = _PAID.get(code, _UNKNOWN)
    else:
        sentence = _REMEDIES.get(code, "Touch or replace the file to try again, or ask the operator.")
    return sentence.format(rule=rule, path=as_pattern(path))


def as_pattern(path: str) -> str:
    """A path as an argument that a command takes for a pattern: no option, and nothing in it stands for anything."""
    literal = re.sub(r"([*?[])", r"[\1]", printable(path))
    return f"{'-- ' if path.startswith('-') else ''}{shlex.quote(literal)}"
