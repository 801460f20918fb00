"""A background prompt read by its few known words: text in, a scene and what was not understood out.

Pure: no image library is needed to know what a prompt will do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from runflowd.local.models.colours import hexadecimal, modified
from runflowd.local.models.vocabulary import (
    BACKDROP,
    COLOURS,
    FILLERS,
    MODIFIERS,
    NEGATIONS,
    REFLECTION,
    SHADES,
    SHADOWS,
    SPELLINGS,
    SURFACE_COLOURS,
    SURFACES,
    Colour,
    Shade,
    Shadow,
    Surface,
)

MAX_REPORTED = 12
"""Words named in a note; a prompt may be a novel."""

WALL: Colour = (232, 229, 225)
"""Behind a surface when the prompt names no colour for the backdrop."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What to draw around the product. `colours` is one colour, or the two ends of a gradient."""

    colours: tuple[Colour, ...] = (COLOURS["white"],)
    shade: Shade = Shade.SWEEP
    surface: Surface = Surface.NONE
    surface_colour: Colour = WALL
    shadow: Shadow = Shadow.SOFT
    reflection: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A scene with the words that made it and the words that did not."""

    scene: Scene
    understood: tuple[str, ...]
    ignored: tuple[str, ...]

    def notes(self) -> tuple[str, ...]:
        """Sentences for the run's log: what was drawn, and what was not understood."""
        if not self.understood:
            said = f"Nothing in the prompt was understood; drawn instead: {described(self.scene)}."
        else:
            said = f"Understood: {', '.join(self.understood)}. Drawn: {described(self.scene)}."
        if not self.ignored:
            return (said,)
        named = ", ".join(f"'{word}'" for word in self.ignored[:MAX_REPORTED])
        more = len(self.ignored) - MAX_REPORTED
        return (said, f"Not understood and ignored: {named}{f' and {more} more' if more > 0 else ''}.")


def described(scene: Scene) -> str:
    """The scene in words, such as `a sweep of #fafafa, soft shadow`."""
    colours = " to ".join(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in scene.colours)
    parts = [f"{scene.shade} backdrop of {colours}"]
    if scene.surface is not Surface.NONE:
        parts.append(f"{scene.surface} surface")
    parts.append("no shadow" if scene.shadow is Shadow.NONE else f"{scene.shadow} shadow")
    if scene.reflection:
        parts.append("reflection")
    return ", ".join(parts)


def read_prompt(prompt: str) -> Reading:
    """What the prompt asks for, as far as the vocabulary goes."""
    reader = _Reader(_words(prompt))
    reader.read()
    return Reading(reader.scene(), tuple(reader.understood), tuple(dict.fromkeys(reader.ignored)))


def _words(prompt: str) -> list[str]:
    """Lower-case words and #rrggbb colours, with alternative spellings replaced."""
    found = re.findall(r"#[0-9a-f]{6}\b|[^\W_]+(?:['-][^\W_]+)*", prompt.lower())
    return [SPELLINGS.get(word, word) for word in found]


@dataclass(slots=True)
class _Reader:
    """One pass over the words. `modifiers` and `colour` are what waits for the word that they belong to."""

    words: list[str]
    at: int = 0
    understood: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    colours: list[Colour] = field(default_factory=list)
    modifiers: tuple[str, ...] = ()
    waiting: Colour | None = None
    shade: Shade | None = None
    surface: str | None = None
    surface_colour: Colour | None = None
    shadow: Shadow | None = None
    reflection: bool = False

    def read(self) -> None:
        while self.at < len(self.words):
            taken = self._negation() or self._shadow() or self._modifier() or self._colour() or self._thing()
            if not taken:
                self._unknown()
        self._settle_colour()

    def scene(self) -> Scene:
        on_surface = self.surface is not None
        usual = WALL if on_surface else COLOURS["white"]
        colours = tuple(self.colours[:2]) or (usual,)
        shade = self.shade or (Shade.LINEAR if len(colours) == 2 else Shade.SWEEP)
        return Scene(
            # Only a gradient has two ends.
            colours=colours if shade in (Shade.LINEAR, Shade.RADIAL) else colours[:1],
            shade=shade,
            surface=SURFACES[self.surface] if self.surface else Surface.NONE,
            surface_colour=self.surface_colour or WALL,
            shadow=self.shadow or Shadow.SOFT,
            reflection=self.reflection,
        )

    def _negation(self) -> bool:
        word, following = self._here(), self._next()
        if word not in NEGATIONS or following not in ("shadow", "reflection", "gradient", "glossy"):
            return False
        if following == "shadow":
            self.shadow = Shadow.NONE
        elif following == "gradient":
            self.shade = Shade.FLAT
        else:
            self.reflection = False
        return self._take(2)

    def _shadow(self) -> bool:
        word, following = self._here(), self._next()
        if word in SHADOWS and following == "shadow":
            self.shadow = SHADOWS[word]
            return self._take(2)
        if word in SHADOWS and SHADOWS[word] is Shadow.FLOATING and word == "floating":
            self.shadow = Shadow.FLOATING
            return self._take(1)
        if word == "shadow":
            self.shadow = self.shadow or Shadow.SOFT
            return self._take(1)
        return False

    def _modifier(self) -> bool:
        """A modifier counts only where more modifiers, a colour or a surface follow."""
        if self._here() not in MODIFIERS:
            return False
        ahead = self.at
        while ahead < len(self.words) and self.words[ahead] in MODIFIERS:
            ahead += 1
        target = self.words[ahead] if ahead < len(self.words) else ""
        if target not in COLOURS and target not in SURFACES:
            return False
        self.modifiers = tuple(self.words[self.at : ahead])
        return self._take(ahead - self.at)

    def _colour(self) -> bool:
        word = self._here()
        plain = hexadecimal(word) if word.startswith("#") else COLOURS.get(word)
        if plain is None:
            return False
        if self.waiting is not None and self._is_colour(self.words[self.at - 1]):
            # "sage green", "navy blue": the first word is the finer one.
            return self._take(1)
        self._settle_colour()
        # Nearest to the colour applies first: "warm light grey".
        self.waiting = modified(plain, tuple(reversed(self.modifiers)))
        self.modifiers = ()
        return self._take(1)

    def _thing(self) -> bool:
        """A surface, a way to shade, or a reflection."""
        word = self._here()
        if word in SURFACES and self._next() not in BACKDROP:
            return self._surface(word)
        if word in REFLECTION:
            self.reflection = True
            return self._take(1)
        if word in SHADES:
            if self.shade in (None, Shade.SWEEP):
                self.shade = SHADES[word]
            return self._take(1)
        return False

    def _surface(self, word: str) -> bool:
        """The colour just before a surface is the surface's own; `table` adds nothing to a material."""
        own = self.waiting if self.at and self._is_colour(self.words[self.at - 1]) else None
        if word == "table" and self.surface is not None:
            return self._take(1)
        if own is not None:
            self.waiting = None
        usual = SURFACE_COLOURS[word]
        self.surface = word
        self.surface_colour = own or modified(usual, tuple(reversed(self.modifiers)))
        self.modifiers = ()
        return self._take(1)

    def _unknown(self) -> None:
        word = self._here()
        if word not in FILLERS:
            self.ignored.append(word)
        self.at += 1

    def _settle_colour(self) -> None:
        """A colour that no surface took is the backdrop's."""
        if self.waiting is not None:
            self.colours.append(self.waiting)
            self.waiting = None

    def _take(self, count: int) -> bool:
        self.understood += self.words[self.at : self.at + count]
        self.at += count
        return True

    def _here(self) -> str:
        return self.words[self.at]

    def _next(self) -> str:
        return self.words[self.at + 1] if self.at + 1 < len(self.words) else ""

    @staticmethod
    def _is_colour(word: str) -> bool:
        return word in COLOURS or word.startswith("#")
