# SPDX-License-Identifier: Apache-2.0
"""One measurement of the benchmark, in a process of its own: subjects.py SUBJECT DATASET DIRECTORY THREADS

Prints the seconds as JSON, with the number of rows. What is quick is done once before it is measured, then five times,
and the median of them is printed.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

# Three of the columns of each data set.
THREE = {"flights": ["carrier", "dep_delay", "distance"], "orders": ["id", "status", "note"]}
SLOW = 1.0  # seconds


def rosettar_all(directory, dataset, threads):
    import pyarrow as pa
    import rosettar

    def run():
        with rosettar.open(directory / f"{dataset}.rtar") as archive:
            return pa.table(archive.streams[dataset]).num_rows

    return run


def rosettar_three(directory, dataset, threads):
    import pyarrow as pa
    import rosettar

    def run():
        with rosettar.open(directory / f"{dataset}.rtar") as archive:
            return pa.table(archive.streams[dataset].select(*THREE[dataset])).num_rows

    return run


def parquet(directory, dataset, threads):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(threads)
    pa.set_io_thread_count(threads)
    return lambda: pq.read_table(directory / f"{dataset}.parquet", use_threads=threads > 1).num_rows


def protobuf_lists(directory, dataset, threads):
    from data import message_class, records

    message, columns = message_class(directory, dataset), COLUMNS[dataset]
    return lambda: len(columns(message.FromString(record) for record in records(directory, dataset))["order"])


def protobuf_frame(directory, dataset, threads):
    import pandas
    from data import message_class, records

    message, columns = message_class(directory, dataset), COLUMNS[dataset]
    return lambda: len(pandas.DataFrame(columns(message.FromString(record) for record in records(directory, dataset))))


def _mcap_messages(directory, dataset):
    from mcap.reader import make_reader
    from mcap_protobuf.decoder import DecoderFactory

    with open(directory / f"{dataset}.mcap", "rb") as file:
        for _, _, _, message in make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages():
            yield message


def mcap_iterate(directory, dataset, threads):
    import mcap_protobuf.decoder  # noqa: F401

    return lambda: sum(1 for _ in _mcap_messages(directory, dataset))


def mcap_frame(directory, dataset, threads):
    import mcap_protobuf.decoder  # noqa: F401
    import pandas

    return lambda: len(pandas.DataFrame(COLUMNS[dataset](_mcap_messages(directory, dataset))))


def fastavro_dicts(directory, dataset, threads):
    import fastavro

    def run():
        with open(directory / f"{dataset}.avro", "rb") as file:
            return sum(1 for _ in fastavro.reader(file))

    return run


# Messages as lists, a list for each column, as one would write it for the type.

FLIGHT = (
    "year month day dep_time sched_dep_time dep_delay arr_time sched_arr_time arr_delay carrier flight tailnum origin "
    "dest air_time distance hour minute"
).split()
MISSING = ["dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time"]


def flight_columns(messages):
    columns = {name: [] for name in [*FLIGHT, "order"]}
    plain = [(name, columns[name].append) for name in FLIGHT if name not in MISSING]
    optional = [(name, columns[name].append) for name in MISSING]
    time_hour = columns["order"].append
    for message in messages:
        for name, append in plain:
            append(getattr(message, name))
        for name, append in optional:
            append(getattr(message, name) if message.HasField(name) else None)
        time_hour(message.time_hour.ToNanoseconds())
    return columns


def order_columns(messages):
    names = ["order", "placed", "status", "customer", "items", "tags", "labels", "note", "sent"]
    columns = {name: [] for name in names}
    statuses = None
    for order in messages:
        if statuses is None:
            statuses = {value.number: value.name for value in order.DESCRIPTOR.enum_types[0].values}
        columns["order"].append(order.id)
        columns["placed"].append(order.placed.ToNanoseconds())
        columns["status"].append(statuses[order.status])
        customer, address = order.customer, order.customer.address
        columns["customer"].append(
            {
                "id": customer.id,
                "name": customer.name,
                "email": customer.email if customer.HasField("email") else None,
                "address": {
                    "street": address.street,
                    "city": address.city,
                    "postcode": address.postcode,
                    "country": address.country,
                },
            }
        )
        items = []
        for item in order.items:
            product = item.product
            items.append(
                {
                    "product": {
                        "sku": product.sku,
                        "name": product.name,
                        "category": product.category,
                        "dimensions": list(product.dimensions),
                    },
                    "quantity": item.quantity,
                    "price": item.price,
                    "discount": item.discount if item.HasField("discount") else None,
                }
            )
        columns["items"].append(items)
        columns["tags"].append(list(order.tags))
        columns["labels"].append(dict(order.labels))
        columns["note"].append(order.note if order.HasField("note") else None)
        columns["sent"].append(order.sent.ToNanoseconds() if order.HasField("sent") else None)
    return columns


COLUMNS = {"flights": flight_columns, "orders": order_columns}


class Counted:
    """A binary file that remembers where it was read."""

    def __init__(self, path):
        self.file, self.reads = open(path, "rb"), []

    def read(self, size=-1):
        at = self.file.tell()
        data = self.file.read(size)
        self.reads.append((at, at + len(data)))
        return data

    def readinto(self, buffer):
        at = self.file.tell()
        count = self.file.readinto(buffer)
        self.reads.append((at, at + count))
        return count

    def __getattr__(self, name):
        return getattr(self.file, name)


def frames(path):
    """Where each frame of an archive begins and ends, and whether it is a payload frame, by its seek table."""
    data = path.read_bytes()
    count = int.from_bytes(data[-9:-5], "little")
    at, out = 0, []
    for row in range(len(data) - 9 - 8 * count, len(data) - 9, 8):
        size, decoded = (int.from_bytes(data[i : i + 4], "little") for i in (row, row + 4))
        out.append((at, at + size, decoded > 0))
        at += size
    return out


def one_record(directory, dataset, threads):
    """The length of a stream of a million records, and one record of it: milliseconds, and the frames read."""
    import rosettar

    path = directory / "million.rtar"
    times = []
    for number in range(21):
        with rosettar.open(path) as archive:
            at = 7 + number * 47_619
            start = time.perf_counter()
            stream = archive.streams["million"]
            count = len(stream)
            (record,) = list(stream[at : at + 1])
            times.append(time.perf_counter() - start)
            assert count == 1_000_000 and record["street"] == f"Street {at}", record
    counted = Counted(path)
    with rosettar.open(counted) as archive:
        stream = archive.streams["million"]
        counted.reads.clear()
        count = len(stream)
        list(stream[654_321:654_322])
        reads = list(counted.reads)
    read = [payload for begin, end, payload in frames(path) if any(a < end and begin < b for a, b in reads)]
    facts = {"payload_frames": sum(read), "pages": len(read) - sum(read), "bytes": sum(b - a for a, b in reads)}
    return {"seconds": statistics.median(times), "work": {"rows": count}, **facts}


SUBJECTS = {
    "rosettar": rosettar_all,
    "rosettar-three": rosettar_three,
    "parquet": parquet,
    "protobuf-lists": protobuf_lists,
    "protobuf-frame": protobuf_frame,
    "mcap-iterate": mcap_iterate,
    "mcap-frame": mcap_frame,
    "fastavro": fastavro_dicts,
}


def main():
    subject, dataset, directory, threads = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    if hasattr(os, "sched_setaffinity"):
        # One thread is one core: nobody gains from a helper thread that is not counted.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if subject == "one-record":
        print(json.dumps(one_record(directory, dataset, threads)))
        return
    run = SUBJECTS[subject](directory, dataset, threads)
    times = []
    for _ in range(6):
        start = time.perf_counter()
        rows = run()
        times.append(time.perf_counter() - start)
        if times[0] > SLOW:
            break
    print(json.dumps({"seconds": statistics.median(times[1:] or times), "work": {"rows": rows}}))


if __name__ == "__main__":
    main()
