"""What may be added from outside: devices and kinds of ingress, found by the entry points of installed packages.

One idea: what comes with sevenm is registered in its own pyproject.toml, the way any other package does it, so that
nothing is built in. A list of names costs no import; a name is imported when it is asked for, and only then is it
checked, so that a broken package breaks what it adds and nothing else.

    [project.entry-points."sevenm.devices"]
    card = "their_package.card:CARD"        # a sevenm.host.devices.device.DeviceKind

    [project.entry-points."sevenm.ingress"]
    feed = "their_package.feed:FEED"        # a sevenm.host.ingress.IngressKind
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Kind = TypeVar("Kind")
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class RegistryError(RuntimeError):
    """A package registers what cannot be used; the message names the package and its entry."""


class NotRegistered(RegistryError):
    """No installed package registers this name; the message lists those that are."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a package's entry points."""

    name: str
    point: EntryPoint

    @property
    def target(self) -> str:
        """ "module:attribute"."""
        return self.point.value

    @property
    def package(self) -> str:
        """Its name and version, which are read when somebody asks: there are many entries, and mostly only names are
        of interest."""
        dist = self.point.dist
        return "an unnamed package" if dist is None else f"{dist.name} {dist.version}"

    def __str__(self) -> str:
        return f"{self.package} ({self.name} = {self.target})"


class Registry(Generic[Kind]):
    """The entries of one group. ``what`` names one of them in messages, ``kind`` is the class they have to be of."""

    def __init__(self, group: str, what: str, kind: type[Kind]) -> None:
        self.group, self.what, self.kind = group, what, kind

    def entries(self) -> dict[str, list[Entry]]:
        """What is registered under each name, in order of names; a second entry is an error once the name is loaded."""
        # Not at the top: it takes longer to load than all else that a cached filter needs.
        from importlib.metadata import entry_points

        found: dict[str, list[Entry]] = {}
        for point in entry_points(group=self.group):
            found.setdefault(point.name, []).append(Entry(point.name, point))
        return {name: sorted(same, key=str) if len(same) > 1 else same for name, same in sorted(found.items())}

    def names(self) -> list[str]:
        """Every registered name, in alphabetical order."""
        return list(self.entries())

    def load(self, name: str) -> Kind:
        """The kind of that name. Raises NotRegistered, or RegistryError for one that cannot be used."""
        entries = self.entries()
        if name not in entries:
            known = ", ".join(entries) or "none; install sevenm, in a checkout with `pip install -e .`"
            raise NotRegistered(f"there is no {self.what} {name!r}; registered are: {known}")
        first, *others = entries[name]
        if others:
            who = " and ".join(str(entry) for entry in (first, *others))
            raise RegistryError(f"the {self.what} {name!r} is registered twice, by {who}; remove one of the packages")
        if not NAME.fullmatch(name):
            raise RegistryError(f"{first}: a {self.what} is named by 1 to 32 of a-z 0-9 _ -, a letter first")
        try:
            found = first.point.load()
        except Exception as error:
            # Whatever a module of somebody else raises while it is imported, the message has to name it.
            raise RegistryError(f"{first}: cannot be imported: {type(error).__name__}: {error}") from error
        if not isinstance(found, self.kind):
            wanted = f"{self.kind.__module__}.{self.kind.__qualname__}"
            raise RegistryError(f"{first}: is {_shown(found)}, expected a {wanted}")
        return found


def _shown(found: object) -> str:
    return f"the class {found.__qualname__}" if isinstance(found, type) else f"a {type(found).__name__}"
