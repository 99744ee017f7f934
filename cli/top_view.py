"""The view of `sevenm top`, in Textual: a table with a row for each subscriber, and more of the one under the cursor.

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
from .durations import latency_text
from .stat import DEFAULT, STAGES, missed_text

COLUMNS = ("ring", "subscriber", "state", "reader", "written/s", "read/s", "missed/s", "fill")
BAR = 10
"""Cells of a full bar."""
ORDERS: dict[str, Callable[[Rates], Any]] = {
    "name": lambda one: one.name,
    "rate": lambda one: (-one.written, one.name),
    "loss": lambda one: (-one.loss, one.name),
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
        rates = sorted(self._seen.rates, key=ORDERS[self._order])
        table.clear()
        for one in rates:
            table.add_row(*_cells(one), key=_key(one))
        if chosen is not None and any(one.name == chosen.name for one in rates):
            table.move_cursor(row=table.get_row_index(_key(chosen)))
        self._tell()

    def _chosen(self) -> Rates | None:
        table = self.query_one(DataTable)
        if not table.row_count:
            return None
        key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        return next((one for one in self._seen.rates if _key(one) == key), None)

    def _tell(self) -> None:
        """The lines below the table."""
        one = self._chosen()
        if one is None:
            text = "there are no rings"
        else:
            ring, subscriber = one.ring, one.subscriber
            counts = (*subscriber.undelivered.items(), ("lost", subscriber.lost))
            missed = ", ".join(f"{n:,} {cause}" for cause, n in counts if n) or "0"
            producer = one.state if ring.producer_pid is None else f"pid {ring.producer_pid}"
            if one.state == "silent":
                producer += f" (silent for {one.silence:,.0f} s)"
            text = (
                f"{ring.name}: {ring.slots:,} slots of {ring.slot_size} bytes, producer {producer}; policy "
                f"{subscriber.policy}, {subscriber.delivered:,} written, {subscriber.in_ring:,} unread, missed {missed}"
            )
            stages = [(name, times) for name, of in STAGES.items() if (times := of(one)) is not None]
            text += "".join(f"\nfrom arrival until {name}: {latency_text(times)}" for name, times in stages)
        others = "".join(f"\n{output.clean(entry.name)} is no usable ring: {entry.kind}" for entry in self._seen.others)
        state = f"sorted by {self._order}" + (", held" if self._held else "")
        self.query_one("#more", Static).update(Text(f"{text}\n{state}{others}"))


def _key(one: Rates) -> str:
    return "\n".join(one.name)


def _cells(one: Rates) -> list[Text]:
    full = round(one.fill * BAR)
    return [
        Text(one.ring.name),
        Text(one.subscriber.name or DEFAULT),
        Text(one.state, "" if one.state == "open" else "yellow"),
        Text("none" if one.subscriber.pid is None else f"pid {one.subscriber.pid}"),
        Text(f"{one.written:,.0f}", justify="right"),
        Text(f"{one.read:,.0f}", justify="right"),
        Text(missed_text(one), "red" if one.missed else "", justify="right"),
        Text(f"{'█' * full}{'·' * (BAR - full)} {one.fill:4.0%}", justify="right"),
    ]
