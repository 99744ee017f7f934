"""The XDP prefilter of some rules, put in front of an AF_XDP ingress.

One idea: it is a matter of speed only. What it drops no rule wants, and is counted; where there can be none (clang is
absent, the kernel refuses it, a rule wants every packet) the reason is said, and everything is received.
"""

from __future__ import annotations

from sevenm.compiler.backends.xdp.target import NoPrefilter
from sevenm.compiler.plan import Plan
from sevenm.host.live.xdp_bpf import BpfError
from sevenm.host.live.xdp_ingress import XdpIngress
from sevenm.host.live.xdp_program import PrefilterError, compile_program


def drop_unwanted(ingress: XdpIngress, plan: Plan) -> list[str]:
    """What no rule of the Plan wants is dropped in the kernel from the next packet on. Returns and raises what
    ``prepare`` does; where there is no prefilter, everything is received."""
    said = prepare(ingress, plan)
    ingress.interface.rules_change(plan.digest)
    return said


def prepare(ingress: XdpIngress, plan: Plan) -> list[str]:
    """Makes the Plan's prefilter and has it ready at the ingress, which uses it when a session follows these rules with
    the rows that they have in the Plan. Returns a line for each rule for which more is received than it wants. Raises
    PrefilterError if there can be none. Any thread may do this."""
    from sevenm.compiler.backends.xdp.emit import emit  # what reads a capture needs none

    try:
        made = emit(plan)
        ingress.interface.add_prefilter(plan.digest, compile_program(made.text))
    except NoPrefilter as error:
        raise PrefilterError(f"nothing is dropped in the kernel: {error}") from error
    except BpfError as error:
        raise PrefilterError(f"nothing is dropped in the kernel: {error.strerror}") from error
    except PrefilterError as error:
        raise PrefilterError(f"nothing is dropped in the kernel: {error}") from error
    return [f"more is received than {rule} wants: it depends on {why}" for rule, why in made.weak.items()]
