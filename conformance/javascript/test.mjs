// SPDX-License-Identifier: Apache-2.0
// `node --test`: all vectors at the levels of this reader, other sources, hostile bytes, and that no module needs Node.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { describe, stringify } from './driver.mjs';
import { decodeFrame, frameHeader, ready } from './frames.mjs';
import { RosettarError, open } from './rosettar.mjs';
import { checkClosure, makePool } from './schema.mjs';
import { compareText, concat, utf8 } from './wire.mjs';

const VECTORS = new URL('../vectors/', import.meta.url);
const LEVEL = 2;

/** JSON.parse with integers as BigInt: times need 64 bits. A number with a point or an exponent stays a number. */
function parseExact(json) {
  const marked = json.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) => {
    if (token[0] === '"') return `"s${token.slice(1)}`;
    return /[.eE]/.test(token) ? token : `"i${token}"`;
  });
  const unmark = (value) => {
    if (typeof value === 'string') return value[0] === 'i' ? BigInt(value.slice(1)) : value.slice(1);
    if (Array.isArray(value)) return value.map(unmark);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key.slice(1), unmark(field)]));
  };
  return unmark(JSON.parse(marked));
}

const archive = (name) => new Uint8Array(readFileSync(new URL(`${name}.rtar`, VECTORS)));
const readFacts = (name) => parseExact(readFileSync(new URL(name, VECTORS), 'utf8'));
const vectors = readdirSync(VECTORS).filter((name) => name.endsWith('.json')).map(readFacts).filter(({ expect }) => expect);

const outcome = async (work) => {
  try {
    return { accepted: await work() };
  } catch (error) {
    if (!(error instanceof RosettarError)) throw error;
    return { code: error.code, kind: error.kind, message: error.message };
  }
};

/** Fails unless the values are equal; a float may have all the digits that a double of its value has. */
function compareValues(found, wanted, where) {
  if (wanted === null || typeof wanted !== 'object') {
    const types = [typeof found, typeof wanted].sort().join(); // 1 is a BigInt, and 1.0 is none
    const isFloat = types === 'number,number' || types === 'bigint,number';
    const right = found === wanted || (isFloat && [Number(wanted), Math.fround(Number(wanted))].includes(Number(found)));
    assert.ok(right, `${where}: ${stringify(found)}, not ${stringify(wanted)}`);
    return;
  }
  assert.deepEqual(Object.keys(found).sort(), Object.keys(wanted).sort(), where);
  for (const key of Object.keys(wanted)) compareValues(found[key], wanted[key], `${where}.${key}`);
}

/** Fails unless all is as the vector says: what it says more than was asked for, at a level, is not compared. */
function compare(found, wanted, level) {
  const facts = ['entries', 'streams', 'attributes', 'root', ...(level === 0 ? [] : ['content'])];
  const later = ['sha256', 'json'].slice(level);
  const strip = (items) => items.map((item) => Object.fromEntries(Object.entries(item).filter(([key]) => !later.includes(key))));
  for (const fact of facts) {
    const value = Array.isArray(wanted[fact]) ? strip(wanted[fact]) : wanted[fact];
    compareValues(found[fact], value, fact);
  }
}

async function check(vector, level) {
  const limits = Object.fromEntries(Object.entries(vector.limits ?? {}).map(([name, value]) => [name, Number(value)]));
  const found = await outcome(() => describe(archive(vector.id), level, limits));
  assert.deepEqual([found.code, found.kind], [vector.code, vector.kind], found.message);
  if (vector.expect === 'accept') compare(parseExact(stringify(found.accepted)), vector, level);
}

for (let level = 0; level <= LEVEL; level++) {
  test(`all vectors up to level ${level}`, async () => {
    const failures = [];
    for (const vector of vectors.filter((one) => one.level <= level)) {
      await check(vector, level).catch((error) => failures.push(`${vector.id}: ${error.message}`));
    }
    assert.deepEqual(failures, []);
  });
}

test('a Blob, and a source that gives one byte at a time, read the same', async () => {
  for (const name of ['file-and-record', 'frame-splits', 'late-schemas']) {
    const bytes = archive(name);
    const wanted = stringify(await describe(bytes, LEVEL));
    assert.equal(stringify(await describe(new Blob([bytes]), LEVEL)), wanted);
    assert.equal(stringify(await describe(bytes.buffer, LEVEL)), wanted);
    const slow = { size: bytes.length, read: async (offset) => bytes.subarray(offset, offset + 1) };
    assert.equal(stringify(await describe(slow, LEVEL)), wanted);
  }
  const cut = archive('empty').subarray(0, 8000);
  const shrunk = { size: 8345, read: async (offset, length) => cut.subarray(offset, offset + length) };
  assert.equal((await outcome(() => open(shrunk))).code, 'io.read');
});

test('one entry and one stream are read without the others', async () => {
  const opened = await open(archive('file-and-record'));
  assert.equal(new TextDecoder().decode(await opened.read('hello.txt')), 'hello\n');
  assert.equal(await opened.find('nothing'), undefined);
  assert.equal((await outcome(() => opened.read('nothing'))).code, 'usage.no-such-entry');
  assert.equal((await outcome(() => opened.json('nothing').next())).code, 'usage.no-such-stream');
  const records = [];
  for await (const record of opened.json('greetings')) records.push(record);
  assert.deepEqual(records, [{ text: 'hello' }]);
});

// -- Hostile bytes ----------------------------------------------------------------------------------------------------

let seed = 1;
const random = (below) => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % below;
};

/** A copy with some bits flipped, or cut, or with a part of it repeated. */
function damage(bytes) {
  const copy = bytes.slice();
  for (let i = random(3); i >= 0; i--) copy[random(copy.length)] ^= 1 << random(8);
  const [a, b] = [random(copy.length), random(copy.length)];
  if (random(4) === 0) return copy.subarray(0, a);
  if (random(4) > 0) return copy;
  return concat([copy.subarray(0, a), copy.subarray(Math.min(a, b), Math.max(a, b)), copy.subarray(a)]);
}

test('no bit of an archive can change unnoticed', async () => {
  const bytes = archive('file-and-record');
  for (let i = 0; i < bytes.length; i += i < 120 || i > bytes.length - 800 ? 1 : 97) {
    const copy = bytes.slice();
    copy[i] ^= 1 << random(8);
    const found = await outcome(() => describe(copy, LEVEL));
    assert.notEqual(found.code, undefined, `byte ${i}`);
  }
});

test('damaged archives are refused with a code', async () => {
  for (const name of ['streams', 'pages', 'blocks', 'attributes', 'late-schemas', 'unknown-fields']) {
    for (let i = 0; i < 40; i++) await outcome(() => describe(damage(archive(name)), LEVEL));
  }
});

test('parts that a digest vouches for, damaged', async () => {
  await ready();
  const { manifest, schemas } = await open(archive('file-and-record'));
  assert.equal(manifest.schemas.length, 2);
  for (let i = 0; i < 3000; i++) {
    const set = damage(schemas[i % 2].descriptorSet);
    await outcome(() => checkClosure(set));
    await outcome(() => makePool(set).has('rosettar.v1.Manifest'));
  }
  const page = makePool(schemas[0].descriptorSet).type('rosettar.v1.Manifest');
  const record = message([2, 'ab'], [3, [[1, 5], [2, 5]]], [4, [[1, ''], [2, '']]], [5, [[1, 'k'], [2, 'v']]]);
  assert.deepEqual(page.toJson(record, 100).created, '1970-01-01T00:00:05.000000005Z');
  for (let i = 0; i < 3000; i++) await outcome(() => page.toJson(damage(record), 100));
  // Frames of libzstd's making would be better; those of the vectors hold blocks of every type.
  const opened = await open(archive('blocks'));
  for (let number = 3; number < opened.firstPage; number++) {
    if (opened.index.frames.decodedSizes[number] === 0) continue;
    const frame = await opened._frame(number);
    for (let i = 0; i < 300; i++) {
      await outcome(() => {
        const copy = damage(frame);
        const header = frameHeader(copy);
        if (header.content <= 8388608) decodeFrame(copy, header);
      });
    }
  }
});

// -- Records ----------------------------------------------------------------------------------------------------------

/** Protobuf by hand: `[number, value]` where value is a number, text, bytes or such a list. */
function message(...fields) {
  const varint = (value) => (value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]);
  return new Uint8Array(fields.flatMap(([number, value]) => {
    if (typeof value === 'number') return [...varint(number * 8), ...varint(value)];
    const bytes = typeof value === 'string' ? utf8(value) : value instanceof Uint8Array ? value : message(...value);
    return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
  }));
}
const field = (name, number, type, label = 1, ...more) => [2, message([1, name], [3, number], [4, label], [5, type], ...more)];
const file = (...fields) => message([1, message([1, 'a.proto'], [12, 'proto3'], ...fields)]);

test('records as canonical JSON', () => {
  const type = makePool(file([4, message([1, 'M'], field('some_float', 1, 2), field('someFloat2', 2, 1), field('big', 3, 3),
    field('data', 4, 12), field('list', 5, 13, 3), field('same_name', 6, 5), field('sameName', 7, 5))])).type('M');
  const [data, packed] = [new Uint8Array([255, 254]), new Uint8Array([1, 2])];
  const record = concat([new Uint8Array([13, 0xcd, 0xcc, 0xcc, 0x3d]),
    message([3, 2 ** 40], [4, data], [5, packed], [5, 3], [6, 1], [7, 2], [99, 1])]); // 8 fields, and 2 numbers in a packed one
  assert.equal(type.toJson(record, 10).someFloat, Math.fround(0.1));
  assert.deepEqual(type.toJson(record, 10).list, [1, 2, 3]);
  assert.equal(type.toJson(record, 10).big, '1099511627776');
  assert.equal(type.toJson(record, 10).data, '//4=');
  assert.throws(() => type.toJson(record, 9), { code: 'limit.record-values' });
  assert.throws(() => type.toJson(message([1, 1]), 8), { code: 'record.decode' }); // a float with the wire type of an integer
  assert.throws(() => type.toJson(new Uint8Array([0x22, 5, 0]), 8), { code: 'record.decode' });
});

test('hostile descriptor sets', () => {
  const refused = (set, code) => assert.throws(() => makePool(set), { code });
  const nested = (levels) => [4, message([1, 'M'], ...(levels > 1 ? [[3, nested(levels - 1)[1]]] : []))];
  makePool(file(nested(32)));
  refused(file(nested(33)), 'schema.too-large');
  refused(file(nested(500)), 'schema.too-large');
  refused(file([4, message([1, 'M'])], [4, message([1, 'M'])]), 'schema.descriptor');
  refused(file([4, message([1, 'M'], field('f', 1, 11, 1, [6, '.N']))]), 'schema.descriptor');
  refused(file([4, message([1, 'M'], field('f', 0, 5))]), 'schema.descriptor');
  refused(file([14, 1000]), 'schema.edition');
  refused(file([3, message([1, 'x'])], ...Array.from({ length: 1025 }, () => [3, 'a.proto'])), 'schema.too-large');
  refused(message([2, 1]), 'schema.protobuf');
  // A long chain of types is more than the library can compile; it must end in an error, whatever comes later.
  const chain = Array.from({ length: 9999 }, (_, i) => [4, message([1, `M${i}`], field('f', 1, 11, 1, [6, `.M${i + 1}`]))]);
  chain.push([4, message([1, 'M9999'])]);
  const type = makePool(file(...chain)).type('M0');
  assert.throws(() => type.toJson(new Uint8Array(0), 8), RosettarError);
  assert.throws(() => type.toJson(new Uint8Array(0), 8), RosettarError);
});

test('text is compared by its bytes', () => {
  const texts = ['', 'a', 'ab', 'b', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'];
  for (const a of texts) {
    for (const b of texts) assert.equal(Math.sign(compareText(a, b)), Math.sign(Buffer.compare(utf8(a), utf8(b))));
  }
});

test('no module needs Node, and the import map of the example is complete', () => {
  const html = readFileSync(new URL('example.html', import.meta.url), 'utf8');
  const { imports } = JSON.parse(/<script type="importmap">([^]*?)<\/script>/.exec(html)[1]);
  const seen = new Set();
  const visit = (url) => {
    if (seen.has(url)) return;
    seen.add(url);
    const source = readFileSync(fileURLToPath(url), 'utf8');
    for (const [, specifier] of source.matchAll(/(?:^(?:import|export)\s(?:[\w*{}$,\s]*\sfrom\s)?\s*|\bimport\()["']([^"']+)["']/gm)) {
      assert.ok(specifier.startsWith('.') || specifier in imports, `${url} imports ${specifier}`);
      visit(specifier.startsWith('.') ? new URL(specifier, url).href : new URL(imports[specifier], import.meta.url).href);
    }
    assert.doesNotMatch(source, /\brequire\(|["']node:/);
  };
  visit(new URL('rosettar.mjs', import.meta.url).href);
  assert.ok(seen.size > 10);
});
