# SPDX-License-Identifier: Apache-2.0
"""Tables that become streams and tables again: ordered dictionaries, and every type of Arrow, pandas and polars."""

import datetime
import decimal
import io

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import rosettar

SIZES = ["small", "medium", "large", "huge"]


def kept(*tables, **options):
    """The stream of an archive that the tables were written to."""
    out = io.BytesIO()
    with rosettar.create(out, **options) as w:
        for table in tables:
            w.write_table("t", table)
    return rosettar.open(out).streams["t"]


def test_an_ordered_categorical_compares_as_it_did():
    sizes = pd.Categorical(["large", None, "small", "large", "medium"], categories=SIZES, ordered=True)
    frame = pd.DataFrame({"size": sizes})
    stream = kept(frame)
    for back in (pd.DataFrame.from_arrow(stream), pa.table(stream).to_pandas()):
        pd.testing.assert_frame_equal(back, frame)
        assert back["size"].cat.ordered and list(back["size"].cat.categories) == SIZES
        assert (back["size"] < "large").tolist() == [False, False, True, False, True]
        assert back["size"].max() == "large" and back["size"].sort_values().iloc[0] == "small"


@pytest.mark.parametrize(
    "values",
    [
        pa.array(SIZES),
        pa.array(SIZES, pa.large_string()),
        pa.array(SIZES, pa.string_view()),
        pa.array([b"\xff", b"", b"\x00"]),
        pa.array([b"\xff", b"", b"\x00"], pa.binary_view()),
        pa.array([b"zz", b"aa"], pa.binary(2)),
        pa.array([3, 1, -2], pa.int8()),
        pa.array([3, 1, 2**63], pa.uint64()),
        pa.array([0.5, -0.0, 1e300, float("inf")]),
        pa.array([True, False]),
        pa.array([9, 5, 7], pa.timestamp("ms", "Europe/Rome")),
        pa.array([9, 5, 7], pa.date32()),
        pa.array([9, 5, 7], pa.duration("s")),
        pa.array([decimal.Decimal("9.50"), decimal.Decimal("-1.25")], pa.decimal128(9, 2)),
    ],
    ids=lambda values: str(values.type),
)
def test_the_order_of_values_of_every_simple_type(values):
    indices = pa.array([1, 0, None, 1], pa.int8())
    column = pa.DictionaryArray.from_arrays(indices, values, ordered=True)
    table = pa.table({"a": column})
    back = pa.table(kept(table)).combine_chunks()
    assert back.schema.equals(table.schema) and back.schema.field("a").type.ordered
    chunk = back["a"].chunk(0)
    assert chunk.dictionary.equals(values) and chunk.indices.equals(indices)


def test_ordered_dictionaries_inside_of_others():
    of = pa.dictionary(pa.int16(), pa.string(), ordered=True)
    column = pa.DictionaryArray.from_arrays(pa.array([3, 0], pa.int16()), pa.array(SIZES), ordered=True)
    table = pa.table(
        {
            "list": pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), column),
            "struct": pa.StructArray.from_arrays([column], fields=[pa.field("size", of)]),
        }
    )
    back = pa.table(kept(table)).combine_chunks()
    assert back.schema.equals(table.schema)
    assert back["list"].chunk(0).values.dictionary.to_pylist() == SIZES
    assert back["struct"].chunk(0).field("size").dictionary.to_pylist() == SIZES
    assert back.to_pylist() == table.to_pylist()


def test_batches_keep_one_order():
    parts = [pd.Categorical(some, categories=SIZES, ordered=True) for some in (["large"], ["small", "huge"])]
    table = pa.concat_tables([pa.Table.from_pandas(pd.DataFrame({"s": part})) for part in parts])
    back = pa.table(kept(table, table).with_options(batch_rows=1))
    assert back["s"].num_chunks > 1
    assert {tuple(chunk.dictionary.to_pylist()) for chunk in back["s"].chunks} == {tuple(SIZES)}
    assert back.to_pandas()["s"].max() == "huge"


def test_no_order_is_lost_in_silence():
    def column(values, indices=(0,)):
        return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(values), ordered=True)

    def batches(*columns):
        schema = pa.schema([pa.field("a", columns[0].type)])
        return pa.Table.from_batches([pa.RecordBatch.from_arrays([one], schema=schema) for one in columns])

    for second in (["b", "a"], ["a", "c"], ["a", "b", "c"]):
        with pytest.raises(rosettar.UsageError, match='column "a" is an ordered dictionary.*another order'):
            kept(batches(column(["a", "b"]), column(second)))
    # Some of the values, in their order, are no other order.
    back = pa.table(kept(batches(column(["a", "b", "c"]), column(["a", "c"], (1,)))))
    assert back["a"].to_pylist() == ["a", "c"]
    assert back["a"].chunk(0).dictionary.to_pylist() == ["a", "b", "c"]
    with pytest.raises(rosettar.UsageError, match="order cannot be kept: it has more than 65536 values"):
        kept(batches(column([str(n) for n in range(70_000)])))
    with pytest.raises(rosettar.UsageError, match="order cannot be kept: it has more than"):
        kept(batches(column(["x" * 600_000, "y" * 600_000])))
    nested = pa.array([{"x": 1}])
    with pytest.raises(rosettar.UsageError, match="order cannot be kept: its values are of type"):
        kept(batches(pa.DictionaryArray.from_arrays(pa.array([0]), nested, ordered=True)))
    # Without an order nothing of this matters.
    plain = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array([str(n) for n in range(70_000)]))
    assert pa.table(kept(pa.table({"a": plain})))["a"].to_pylist() == ["0", "1"]


def test_an_ordered_dictionary_without_rows():
    of = pa.dictionary(pa.int8(), pa.string(), ordered=True)
    table = pa.table({"a": pa.array([], of)})
    assert pa.table(kept(table)).schema.equals(table.schema)
    empty = pd.DataFrame({"s": pd.Categorical([], categories=SIZES, ordered=True)})
    back = pd.DataFrame.from_arrow(kept(empty))
    assert back["s"].cat.ordered and len(back) == 0


def test_values_that_others_appended_come_last():
    """The type of the stream is as good as any: whoever appends to it need not know of dictionaries."""
    out = io.BytesIO()
    frame = pd.DataFrame({"s": pd.Categorical(["large"], categories=SIZES, ordered=True)})
    with rosettar.create(out) as w:
        w.write_table("t", frame)
    first = rosettar.open(out)
    stream = first.streams["t"]
    more = io.BytesIO()
    with rosettar.create(more) as w:
        s = w.stream("t", (stream.type_name, stream.schema.descriptor_set))
        s.extend([{"s": "gigantic"}, {"s": "small"}])
    back = pd.DataFrame.from_arrow(rosettar.open(more).streams["t"])["s"]
    assert back.tolist() == ["gigantic", "small"] and list(back.cat.categories) == [*SIZES, "gigantic"]


def test_enums_of_polars_keep_their_order():
    frame = pl.DataFrame({"s": pl.Series(["large", None, "small"], dtype=pl.Enum(SIZES))})
    back = pl.DataFrame(kept(frame))
    assert back.equals(frame)
    assert back.schema == frame.schema
    assert back.sort("s", nulls_last=True)["s"].to_list() == ["small", "large", None]


def test_frames_of_polars():
    frame = pl.DataFrame(
        {
            "int": pl.Series([1, None, -3], dtype=pl.Int8),
            "money": pl.Series([decimal.Decimal("1.50"), None, decimal.Decimal("-9")], dtype=pl.Decimal(38, 2)),
            "text": ["a", None, "c"],
            "bytes": [b"\0", None, b""],
            "day": [datetime.date(2026, 1, 1), None, datetime.date(1, 1, 1)],
            "at": pl.Series([0, None, 10**15], dtype=pl.Datetime("us", "Asia/Tokyo")),
            "wall": pl.Series([0, None, 10**15], dtype=pl.Datetime("ns")),
            "took": pl.Series([0, None, -5], dtype=pl.Duration("ms")),
            "time": [datetime.time(1, 2, 3), None, datetime.time(0, 0)],
            "list": [[1, None], None, []],
            "array": pl.Series([[1, 2], None, [3, 4]], dtype=pl.Array(pl.Int16, 2)),
            "struct": [{"a": 1, "b": None}, None, {"a": None, "b": "x"}],
            "cat": pl.Series(["x", None, "y"], dtype=pl.Categorical),
            "flag": [True, None, False],
            "null": [None, None, None],
        }
    )
    back = pl.DataFrame(kept(frame))
    assert back.schema == frame.schema
    assert back.equals(frame)


def test_frames_of_pandas():
    frame = pd.DataFrame(
        {
            "int": pd.array([1, None, 3], dtype="Int16"),
            "float": [1.5, float("nan"), -0.0],
            "text": pd.array(["a", None, "c"], dtype="string"),
            "at": pd.to_datetime(["2026-01-01", None, "2026-01-03"]).tz_localize("Europe/Rome"),
            "took": pd.to_timedelta([1, None, 3], unit="s"),
            "cat": pd.Categorical(["x", None, "y"]),
            "flag": pd.array([True, None, False], dtype="boolean"),
        }
    )
    back = pa.table(kept(frame)).to_pandas()
    pd.testing.assert_frame_equal(back, pa.table(frame).to_pandas())


ALL = {
    "null": pa.nulls(3),
    "boolean": pa.array([True, None, False]),
    **{
        str(of): pa.array([1, None, 0], of)
        for of in (
            pa.int8(),
            pa.int16(),
            pa.int32(),
            pa.int64(),
            pa.uint8(),
            pa.uint16(),
            pa.uint32(),
            pa.uint64(),
            pa.float32(),
            pa.float64(),
            pa.date32(),
            pa.time32("s"),
            pa.time32("ms"),
            pa.time64("us"),
            pa.time64("ns"),
            pa.timestamp("s"),
            pa.timestamp("ms", "UTC"),
            pa.timestamp("us", "+02:00"),
            pa.timestamp("ns", "America/New_York"),
            pa.duration("s"),
            pa.duration("ms"),
            pa.duration("us"),
            pa.duration("ns"),
        )
    },
    "halffloat": pa.array([1.5, None, 0], pa.float16()),
    "date64": pa.array([86_400_000, None, 0], pa.date64()),
    **{
        str(of): pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("-0.01")], of)
        for of in (pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(38, 2), pa.decimal256(76, 2))
    },
    **{str(of): pa.array(["a", None, "größer"], of) for of in (pa.string(), pa.large_string(), pa.string_view())},
    **{str(of): pa.array([b"a", None, b"\xff"], of) for of in (pa.binary(), pa.large_binary(), pa.binary_view())},
    "fixed binary": pa.array([b"ab", None, b"\xff\0"], pa.binary(2)),
    "interval": pa.array([(1, 2, 3), None, (-1, 0, 0)], pa.month_day_nano_interval()),
    **{
        str(of): pa.array([[1, None], None, []], of)
        for of in (
            pa.list_(pa.int8()),
            pa.large_list(pa.int8()),
            pa.list_view(pa.int8()),
            pa.large_list_view(pa.int8()),
        )
    },
    "fixed list": pa.array([[1, None], None, [3, 4]], pa.list_(pa.int8(), 2)),
    "map": pa.array([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int32())),
    "map of floats": pa.array([[(0.5, 1)], None, []], pa.map_(pa.float64(), pa.int32())),
    "struct": pa.array([{"a": 1, "b": [None]}, None, {"a": None, "b": None}]),
    "empty struct": pa.array([{}, None, {}], pa.struct([])),
    "dictionary": pa.array(["a", None, "a"]).dictionary_encode(),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int16()), pa.array(["a", None])),
    "sparse union": pa.UnionArray.from_sparse(
        pa.array([0, 1, 0], pa.int8()), [pa.array([1, None, None]), pa.array(["x", "y", None])]
    ),
    "dense union": pa.UnionArray.from_dense(
        pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, None]), pa.array(["y"])]
    ),
    "extension": pa.array([b"0123456789abcdef", None, bytes(16)], pa.uuid()),
}


@pytest.mark.parametrize("name", ALL)
def test_every_type_of_arrow(name):
    table = pa.table({"a": ALL[name]}, metadata={"k": "v"})
    back = pa.table(kept(table))
    assert back.schema.equals(table.schema, check_metadata=True), back.schema
    back.validate(full=True)
    assert back["a"].to_pylist() == table["a"].to_pylist()


def test_every_type_at_once():
    table = pa.table(ALL)
    assert pa.table(kept(table)).schema.equals(table.schema)
    assert pa.table(kept(table).select("struct.a", "map")).num_columns == 2


def test_what_is_refused_is_named():
    deep = pa.int8()
    for _ in range(20):
        deep = pa.list_(deep)
    with pytest.raises(rosettar.UsageError, match=r'column "a\.item.*" cannot be a record\'s field.*flatten'):
        kept(pa.table({"a": pa.array([], deep)}))
    late = pa.array([253_402_300_800], pa.timestamp("s"))
    with pytest.raises(rosettar.SchemaError, match='row 0.*"a".*9999'):
        kept(pa.table({"a": late}))
    twice = pa.MapArray.from_arrays(pa.array([0, 2], pa.int32()), pa.array(["k", "k"]), pa.array([1, 2]))
    with pytest.raises(rosettar.SchemaError, match='row 0.*"a".*twice'):
        kept(pa.table({"a": twice}))
