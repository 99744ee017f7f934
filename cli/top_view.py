"""The view of `sevenm top`, in Textual: a table with a row for each ring, and more of the one under the cursor.

One idea: everything that is shown comes out of ``sevenm.host.ring.rates``; the view only lays it out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import DataTable, Footer, Static

from sevenm.host.ring.rates import Look, Rates, Watch

from . import output

COLUMNS = ("ring", "state", "producer", "reader", "written/s", "read/s", "undelivered/s", "fill")
BAR = 10
"""Cells of a full bar."""
ORDERS: dict[str, Callable[[Rates], Any]] = {
    "name": lambda ring: ring.name,
    "rate": lambda ring: (-ring.delivered, ring.name),
    "loss": lambda ring: (-ring.lost, ring.name),
}


class Top(App[None]):
    """Shows what ``watch`` sees, anew every ``interval`` seconds. ``failed``: what ended it, None if the user did."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [("q", "quit", "end"), ("p", "hold", "hold"), ("s", "sort", "sort")]
    CSS = "DataTable { height: 1fr } #more { height: auto; min-height: 2; padding: 0 1 }"

    def __init__(self, watch: Watch, interval: float) -> None:
        super().__init__()
        self._watch, self._interval = watch, interval
        self._seen = Look((), ())
        self._order = "name"
        self._held = False
        self.failed: OSError | None = None

    def compose(self) -> ComposeResult:
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Static(id="more")
        yield Footer()

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        for number, name in enumerate(COLUMNS):
            table.add_column(Text(name, justify="left" if number < 4 else "right"), key=name)
        self.refresh_rings()
        self.set_interval(self._interval, self.refresh_rings)

    def refresh_rings(self) -> None:
        """Looks, and shows what there is."""
        if self._held:
            return
        try:
            self._seen = self._watch.look()
        except OSError as error:
            self.failed = error
            self.exit()
            return
        self._lay_out()

    def action_hold(self) -> None:
        self._held = not self._held
        self._tell()

    def action_sort(self) -> None:
        names = list(ORDERS)
        self._order = names[(names.index(self._order) + 1) % len(names)]
        self._lay_out()

    def on_data_table_row_highlighted(self) -> None:
        self._tell()

    def _lay_out(self) -> None:
        table = self.query_one(DataTable)
        chosen = self._chosen()
        rings = sorted(self._seen.rings, key=ORDERS[self._order])
        table.clear()
        for ring in rings:
            table.add_row(*_cells(ring), key=ring.name)
        if chosen is not None and any(ring.name == chosen.name for ring in rings):
            table.move_cursor(row=table.get_row_index(chosen.name))
        self._tell()

    def _chosen(self) -> Rates | None:
        table = self.query_one(DataTable)
        if not table.row_count:
            return None
        key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        return next((ring for ring in self._seen.rings if ring.name == key), None)

    def _tell(self) -> None:
        """The lines below the table."""
        ring = self._chosen()
        if ring is None:
            text = "there are no rings"
        else:
            stats = ring.stats
            lost = ", ".join(f"{n:,} {cause}" for cause, n in stats.undelivered.items() if n) or "0"
            text = (
                f"{ring.name}: {stats.slots:,} slots of {stats.slot_size} bytes, policy {stats.policy}; "
                f"{stats.delivered:,} written, {stats.in_ring:,} unread, undelivered {lost}"
            )
        others = "".join(f"\n{output.clean(entry.name)} is no usable ring: {entry.kind}" for entry in self._seen.others)
        state = f"sorted by {self._order}" + (", held" if self._held else "")
        self.query_one("#more", Static).update(Text(f"{text}\n{state}{others}"))


def _cells(ring: Rates) -> list[Text]:
    stats = ring.stats
    full = round(ring.fill * BAR)
    lost = ", ".join(f"{rate:,.0f} {cause}" for cause, rate in ring.undelivered.items()) or "0"
    return [
        Text(ring.name),
        Text(ring.state, "" if ring.state == "open" else "yellow"),
        Text("none" if stats.producer_pid is None else f"pid {stats.producer_pid}"),
        Text("none" if stats.reader_pid is None else f"pid {stats.reader_pid}"),
        Text(f"{ring.delivered:,.0f}", justify="right"),
        Text(f"{ring.read:,.0f}", justify="right"),
        Text(lost, "red" if ring.undelivered else "", justify="right"),
        Text(f"{'█' * full}{'·' * (BAR - full)} {ring.fill:4.0%}", justify="right"),
    ]
