"""What an item's input asks for: which contents must be at the service, and how parts of an archive are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.model import InputLinks
from runflowd.core.naming import EXTENSIONS
from runflowd.core.snapshot import from_text, references_from
from runflowd.core.template import FILE_TEXT, FILE_URL, ZIP_FILE, ZIP_URL, references_in, symbols
from runflowd.errors import RunflowdError
from runflowd.pipeline.dispatch.content import (
    Content,
    FileContent,
    ZipPayload,
    item_content,
    reference_content,
    zip_entry,
)
from runflowd.pipeline.dispatch.zip_payload import too_large

if TYPE_CHECKING:
    from runflowd.store.items import Item


class ZipTooLarge(RunflowdError):
    """The file and its references together are more than one upload may hold."""

    def __init__(self, item: Item) -> None:
        super().__init__(f"{item.path}: with the rule's reference files the archive exceeds 50 MiB")


class RequiredAssets:
    """What the items of one batch need. `snapshot` is the rule text they were sealed with."""

    def __init__(self, snapshot: str) -> None:
        self.rule = from_text(snapshot)
        self._references = {name: reference_content(reference) for name, reference in references_from(snapshot).items()}

    @property
    def model(self) -> str:
        """The model that is to be bought from."""
        return self.rule.model

    @property
    def by_reference(self) -> bool:
        """Whether the rule asks for names of uploads in the place of links."""
        return self.rule.links is InputLinks.ASSET

    def shared(self, items: list[Item]) -> dict[str, FileContent]:
        """By symbol, the reference files that any item wants an address of."""
        used = frozenset().union(*(symbols(item.input) for item in items))
        found = {f"files.{name}.url": reference for name, reference in self._references.items()}
        return {symbol: content for symbol, content in found.items() if symbol in used}

    def own(self, item: Item) -> dict[str, Content]:
        """By symbol, what is of this item alone: its file, or an archive of it. Raises `ZipTooLarge`."""
        used = symbols(item.input)
        found: dict[str, Content] = {}
        if FILE_URL in used:
            found[FILE_URL] = item_content(self.rule.watch, item)
        if ZIP_URL in used:
            found[ZIP_URL] = self._zip_payload(item)
        return found

    def text(self, item: Item) -> FileContent | None:
        """The file whose words the input holds, if it does."""
        return item_content(self.rule.watch, item) if FILE_TEXT in symbols(item.input) else None

    def names(self, item: Item) -> dict[str, str]:
        """By symbol, the names inside the archive: of our own making, with the extension of the bytes."""
        if ZIP_URL not in symbols(item.input):
            return {}
        named = {f"zip.files.{name}": _inside(name, content.mime) for name, content in self._references.items()}
        return {ZIP_FILE: _inside("image", item.mime), **named}

    def _zip_payload(self, item: Item) -> ZipPayload:
        names = self.names(item)
        wanted = references_in({symbol for symbol in symbols(item.input) if symbol.startswith("zip.files.")})
        parts = [zip_entry(names[ZIP_FILE], item_content(self.rule.watch, item))]
        parts += [zip_entry(names[f"zip.files.{name}"], self._references[name]) for name in sorted(wanted)]
        if too_large(tuple(parts)):
            raise ZipTooLarge(item)
        return ZipPayload(tuple(parts))


def _inside(name: str, mime: str) -> str:
    return f"{name}.{EXTENSIONS.get(mime, 'bin')}"
