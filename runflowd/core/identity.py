"""Whether the folder that stands at a path is the one that stood there before.

A mark says so for good. Device and inode say so between two looks within one boot only: the next one gives them
anew. Where neither helps, as when the mark was deleted or could never be written, the files that are known to be
there are the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """A folder as it was met: its `mark` ("" without one), and its device and inode during one `boot`."""

    mark: str
    device: int
    inode: int
    boot: str

    def is_place_of(self, other: Identity) -> bool:
        """Whether both were met at the same place of the same disk within one boot."""
        return (self.device, self.inode, self.boot) == (other.device, other.inode, other.boot)


@dataclass(frozen=True, slots=True)
class Evidence:
    """How many files should be in a folder (a sample of them), how many are; `worked`: any was ever known at all."""

    worked: bool
    expected: int = 0
    present: int = 0


def is_surely(known: Identity | None, found: Identity) -> bool:
    """Whether a folder is the known one beyond doubt."""
    if known is None:
        return False
    if known.mark and found.mark:
        return known.mark == found.mark
    return not known.mark and known.is_place_of(found)


def is_likely(known: Identity | None, found: Identity, evidence: Evidence) -> bool:
    """Whether a folder that `is_surely` does not recognise may pass for the known one.

    Half of the sample must be there as it was: a wrong yes takes files for deleted, a wrong no asks a person.
    """
    if not evidence.worked:
        return True
    if known is not None and known.mark and found.mark:
        return False
    if evidence.expected:
        return 2 * evidence.present >= evidence.expected
    return known is None or not known.mark or known.is_place_of(found)


def is_on_the_same_disk(known: Identity, found: Identity) -> bool:
    """Whether a folder without the known mark stands on the disk of the known one, as far as that can be told.

    Devices are numbered anew by each boot: after one, only a folder that never bore a mark is believed.
    """
    if known.boot == found.boot:
        return known.device == found.device
    return not known.mark
