"""The kinds of ingress that come with sevenm: captures, and files of bare records."""

from __future__ import annotations

from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.pcap import CaptureReader, open_capture
from sevenm.host.capture.records import RecordReader, open_records
from sevenm.host.ingress import IngressKind, Wanted


def _capture(source: str, wanted: Wanted) -> CaptureReader:
    return open_capture(source)


def _records(source: str, wanted: Wanted) -> RecordReader:
    if wanted.record_size is None:
        raise CaptureError(f"{source}: cannot be read as bare records, because the rules are on packets")
    return open_records(source, wanted.record_size)


CAPTURE = IngressKind("a capture, pcap or pcapng, of frames or records", _capture)
RECORDS = IngressKind("a file of bare records, one after the other", _records)
