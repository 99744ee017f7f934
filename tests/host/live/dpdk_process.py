"""What tests of DPDK run in a process of its own: DPDK is initialised once in each."""

FEED = """
import ctypes, json, os, sys, time
from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.pcap import open_capture
from sevenm.host.live import dpdk_library
from sevenm.host.live.dpdk import DpdkIngress

out = {}

def received(ingress):
    # All that is there now.
    batches = []
    for batch in ingress.batches():
        if not len(batch):
            break
        batches.append(batch)
    return EventBatch.joined(batches)

def feeder(path):
    dpdk_library.library()
    lib = ctypes.CDLL(path)
    lib.feed_flags.restype = ctypes.c_uint64
    lib.feed.argtypes = [ctypes.c_char_p, ctypes.c_uint, ctypes.c_char_p, *[ctypes.c_uint32] * 2, ctypes.c_uint64,
                         *[ctypes.c_uint] * 2, ctypes.c_int]
    def feed(frame, pieces=1, queue=0, flags=0, tag=0, outer=0, lie=0, device=b"net_ring0"):
        return lib.feed(device, queue, frame, len(frame), pieces, flags, tag, outer, lie)
    return lib, feed

def refused(*arguments):
    try:
        DpdkIngress(*arguments).close()
    except CaptureError as error:
        return str(error)
"""
