#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One thing that is done with an archive in Python: python_verb.py VERB FILE [STREAM]. Ends with 2 if it is refused.

Prints `made N`: how many bytes the objects and columns have that somebody was handed. It does so too when it is told
that its time is up.
"""

import signal
import sys
from collections.abc import Callable

import rosettar
from rosettar import Archive, Stream

made = 0  # bytes of objects and columns


def hand_out(size: int) -> None:
    global made
    made += size


class TimeIsUp(BaseException):
    """SIGXCPU came."""


def show(archive: Archive) -> None:
    repr(archive)
    repr(archive.streams)
    archive._repr_html_()
    str(archive.attributes)


def entries(archive: Archive) -> None:
    for entry in archive.entries:
        hand_out(sys.getsizeof(entry.path))


def entries_as_table(archive: Archive) -> None:
    import pyarrow

    for batch in pyarrow.RecordBatchReader.from_stream(archive.entries):
        hand_out(batch.nbytes)


def verify(archive: Archive) -> None:
    archive.verify(records=True)


def dicts(stream: Stream) -> None:
    for message in stream.messages():
        hand_out(sys.getsizeof(message))


def messages(stream: Stream) -> None:
    for message in stream.messages(protobuf=True):
        hand_out(sys.getsizeof(message))


def first(stream: Stream) -> None:
    stream[0]


def html(stream: Stream) -> None:
    stream._repr_html_()


def schema(stream: Stream) -> None:
    str(stream.schema)
    stream.schema.proto()


def columns(stream: Stream) -> None:
    import pyarrow

    len(stream.columns)
    pyarrow.schema(stream)


def arrow(stream: Stream) -> None:
    import pyarrow

    for batch in pyarrow.RecordBatchReader.from_stream(stream):
        hand_out(batch.nbytes)


def duckdb(stream: Stream) -> None:
    import duckdb

    duckdb.sql("select count(*) from stream").fetchall()


def scan(_stream: Stream) -> None:
    rosettar.scan(*sys.argv[2:4]).head(1).collect()


def dataset(stream: Stream) -> None:
    stream.dataset().head(1)


# A DataFrame of all is not here: what somebody collects is as large as it is.
OF_ARCHIVES: tuple[Callable[[Archive], None], ...] = (show, entries, entries_as_table, verify)
OF_STREAMS: tuple[Callable[[Stream], None], ...] = (
    dicts,
    messages,
    first,
    html,
    schema,
    columns,
    arrow,
    duckdb,
    scan,
    dataset,
)


def time_is_up(_signal: int, _frame: object) -> None:
    raise TimeIsUp


def main() -> int:
    signal.signal(signal.SIGXCPU, time_is_up)
    verb, path, *stream = sys.argv[1:]
    of_archives = {function.__name__: function for function in OF_ARCHIVES}
    of_streams = {function.__name__: function for function in OF_STREAMS}
    try:
        archive = rosettar.open(path)
        if verb in of_archives:
            of_archives[verb](archive)
        else:
            of_streams[verb](archive.streams[stream[0]])
    except Exception as error:  # of rosettar, and what other libraries make of it
        print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr)
        return 2
    except TimeIsUp:
        return 128 + signal.SIGXCPU
    finally:
        print(f"made {made}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
