# SPDX-License-Identifier: Apache-2.0
"""Arrow streams made by hand, as a library with faults might make them."""

import ctypes
import io

import pyarrow as pa
import pytest
import rosettar

P = ctypes.c_void_p


class Schema(ctypes.Structure):
    pass


class Array(ctypes.Structure):
    pass


class Stream(ctypes.Structure):
    pass


SCHEMA_RELEASE = ctypes.CFUNCTYPE(None, ctypes.POINTER(Schema))
ARRAY_RELEASE = ctypes.CFUNCTYPE(None, ctypes.POINTER(Array))
GET_SCHEMA = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Schema))
GET_NEXT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Array))
LAST_ERROR = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(Stream))
STREAM_RELEASE = ctypes.CFUNCTYPE(None, ctypes.POINTER(Stream))
Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", P),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
    ("dictionary", P),
    ("release", SCHEMA_RELEASE),
    ("private_data", P),
]
Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(P)),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))),
    ("dictionary", P),
    ("release", ARRAY_RELEASE),
    ("private_data", P),
]
Stream._fields_ = [
    ("get_schema", GET_SCHEMA),
    ("get_next", GET_NEXT),
    ("get_last_error", LAST_ERROR),
    ("release", STREAM_RELEASE),
    ("private_data", P),
]
NEW = ctypes.pythonapi.PyCapsule_New
NEW.restype, NEW.argtypes = ctypes.py_object, [P, ctypes.c_char_p, P]


@SCHEMA_RELEASE
def release_schema(schema):
    schema.contents.release = SCHEMA_RELEASE()


@ARRAY_RELEASE
def release_array(array):
    array.contents.release = ARRAY_RELEASE()


class Producer:
    """A table of one column `n` of three int32, but for what is asked for."""

    def __init__(self, **changes):
        self.changes, self.left, self.released = changes, changes.get("batches", 1), 0
        self.values = (ctypes.c_int32 * 4)(1, 2, 3, 0)
        self.kept = []
        self.stream = Stream(
            GET_SCHEMA(self.get_schema), GET_NEXT(self.get_next), LAST_ERROR(self.last_error), STREAM_RELEASE(self.end)
        )

    def __arrow_c_stream__(self, requested_schema=None):
        return NEW(ctypes.addressof(self.stream), b"arrow_array_stream", None)

    def get_schema(self, stream, out):
        change = self.changes.get
        if change("schema_code"):
            return change("schema_code")
        child = Schema(change("format", b"i"), change("name", b"n"), None, 2, 0, None, None, release_schema, None)
        children = (ctypes.POINTER(Schema) * 1)(ctypes.pointer(child))
        self.kept += [child, children]
        fields = [change("top", b"+s"), b"", None, 0, change("columns", 1), children, None, release_schema, None]
        ctypes.memmove(out, ctypes.byref(Schema(*fields)), ctypes.sizeof(Schema))
        return 0

    def get_next(self, stream, out):
        change = self.changes.get
        if change("next_code"):
            return change("next_code")
        ctypes.memset(out, 0, ctypes.sizeof(Array))
        if self.left == 0:
            return 0
        self.left -= 1
        buffers = (P * 2)(None, ctypes.addressof(self.values) if not change("no_values") else None)
        length = change("child_length", 3)
        child = Array(
            length, change("null_count", 0), 0, change("buffers", 2), 0, buffers, None, None, release_array, None
        )
        children = (ctypes.POINTER(Array) * 1)(ctypes.pointer(child))
        none = (P * 1)(None)
        self.kept += [buffers, child, children, none]
        top = Array(change("length", 3), 0, 0, 1, change("array_columns", 1), none, children, None, release_array, None)
        ctypes.memmove(out, ctypes.byref(top), ctypes.sizeof(Array))
        return 0

    def last_error(self, stream):
        text = self.changes.get("error")
        if text is None:
            return None
        self.kept.append(ctypes.create_string_buffer(text))
        return ctypes.addressof(self.kept[-1])

    def end(self, stream):
        self.released += 1
        stream.contents.release = STREAM_RELEASE()


def written(producer):
    out = io.BytesIO()
    with rosettar.create(out) as w:
        w.write_table("t", producer)
    return rosettar.open(out)


def test_a_sound_producer_is_read_and_released_once():
    producer = Producer(batches=3)
    assert pa.table(written(producer).streams["t"])["n"].to_pylist() == [1, 2, 3] * 3
    assert producer.released == 1
    assert len(written(Producer(batches=0)).streams["t"]) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_code": 5},
        {"schema_code": 5, "error": b"no schema"},
        {"schema_code": 5, "error": b"\xff\xfe"},
        {"next_code": 5},
        {"next_code": 5, "error": b"no batch"},
        {"next_code": -1, "error": b"\xff"},
        {"format": b"zz"},
        {"format": b""},
        {"format": b"w:-5"},
        {"format": b"d:999,1"},
        {"format": b"tsx:UTC"},
        {"format": b"+w:-1"},
        {"format": b"\xff"},
        {"top": b"i", "columns": 0},
        {"array_columns": 0},
        {"buffers": 0},
        {"buffers": 1},
        {"length": 5},
        {"length": -1},
        {"child_length": 1},
        {"child_length": -1},
        {"no_values": True},
    ],
    ids=str,
)
def test_producers_with_faults(changes):
    producer = Producer(**changes)
    with pytest.raises((rosettar.Error, ValueError)) as caught:
        written(producer)
    assert str(caught.value)
    assert producer.released == 1
