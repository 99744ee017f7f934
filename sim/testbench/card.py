"""A core's control port in Amaranth's simulator, as the driver wants it."""

from __future__ import annotations

from typing import Any

from sevenm.hdl.axi_lite import OKAY
from sevenm.host.card.driver import CardError


async def write(ctx: Any, port: Any, address: int, data: int) -> int:
    """One write; the cycles until its answer was taken. Raises CardError where it is refused."""
    cycles = 0
    ctx.set(port.awaddr, address)
    ctx.set(port.wdata, data)
    ctx.set(port.bready, 1)
    ctx.set(port.awvalid, 1)
    ctx.set(port.wvalid, 1)
    waiting = {"aw", "w"}
    while True:
        taken = {name for name in waiting if ctx.get(getattr(port, f"{name}ready"))}
        answer = ctx.get(port.bresp) if ctx.get(port.bvalid) else None
        await ctx.tick()
        cycles += 1
        for name in taken:
            ctx.set(getattr(port, f"{name}valid"), 0)
        waiting -= taken
        if answer is not None:
            if answer != OKAY:
                raise CardError(f"the core refuses {data:#x} at {address:#x}")
            return cycles


async def read(ctx: Any, port: Any, address: int) -> int:
    """One read. Raises CardError where there is no such register to read."""
    ctx.set(port.araddr, address)
    ctx.set(port.arvalid, 1)
    ctx.set(port.rready, 1)
    taken = False
    while True:
        taken = taken or bool(ctx.get(port.arready))
        answer = (ctx.get(port.rresp), ctx.get(port.rdata)) if ctx.get(port.rvalid) else None
        await ctx.tick()
        if taken:
            ctx.set(port.arvalid, 0)
        if answer is not None:
            if answer[0] != OKAY:
                raise CardError(f"the core has nothing to read at {address:#x}")
            return int(answer[1])
