"""One thing that the server found wrong in a body, and where in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Location: TypeAlias = tuple[str | int, ...]

_LISTS_OF_ITEMS = frozenset({"input", "inputs", "items"})


@dataclass(frozen=True, slots=True)
class Rejection:
    """One thing the server found wrong, and where: `("body", "input", 3, "image_url")`."""

    loc: Location
    message: str

    def item_indexes(self) -> list[int]:
        """Positions in the batch, from 0, that this points at."""
        steps = zip(self.loc, self.loc[1:], strict=False)
        return [position for name, position in steps if name in _LISTS_OF_ITEMS and isinstance(position, int)]

    def blames_the_shape(self) -> bool:
        """Whether the top level of the body is at fault, as when `items` was sent and `input` expected."""
        loc = self.loc[1:] if self.loc[:1] == ("body",) else self.loc
        return len(loc) == 1 and loc[0] in _LISTS_OF_ITEMS

    def __str__(self) -> str:
        where = ".".join(str(part) for part in self.loc)
        return f"{where}: {self.message}" if where else self.message
