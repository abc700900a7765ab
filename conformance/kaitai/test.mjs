// SPDX-License-Identifier: Apache-2.0
// `node --test`: the descriptions spec/rosettar.ksy and spec/c1z.ksy on all vectors, beside the JavaScript reader, of which
// they share nothing. That one needs its own `npm ci`.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import KaitaiStream from 'kaitai-struct/KaitaiStream.js';
import { frameHeader, sectionHead } from '../javascript/frames.mjs';
import { open } from '../javascript/rosettar.mjs';
import { compile, load } from './compile.mjs';

const VECTORS = new URL('../vectors/', import.meta.url);
const C1Z_VECTORS = new URL('../c1z/vectors/', import.meta.url);
const REFUSED = JSON.parse(readFileSync(new URL('refused.json', import.meta.url), 'utf8'));
const LANGUAGES = ['cpp_stl', 'csharp', 'go', 'java', 'javascript', 'lua', 'perl', 'php', 'python', 'ruby', 'rust'];
const PAYLOAD = 0xfd2fb528;

const Rosettar = await load('rosettar');
const C1z = await load('c1z');

const read = (folder, name) => new Uint8Array(readFileSync(new URL(name, folder)));
const facts = (folder) => readdirSync(folder).filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8'))).filter(({ expect }) => expect);
const parse = (Type, bytes) => new Type(new KaitaiStream(bytes.slice().buffer));
const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
const hex = (bytes) => Buffer.from(bytes).toString('hex');

/** Runs a check for each, and fails with all that failed. */
async function each(items, check) {
  const failures = [];
  for (const item of items) {
    const failed = (error) => failures.push(`${item.id ?? item}: ${error.stack}`);
    await (async () => check(item))().catch(failed);
  }
  assert.deepEqual(failures, []);
}

/** The values of the fields of a name in a message; of packed numbers all. */
function values({ fields }, name) {
  return fields.filter((field) => field.name === name).flatMap(({ value }) => {
    if (!value.body) return [value.value];
    return value.body.numbers?.map((number) => number.value) ?? [value.body.value ?? value.body.data ?? value.body];
  });
}

/** Fails unless the frames are those of the index, as the JavaScript reader has it, and those of the file. */
function checkFrames(found, bytes, archive) {
  const { storedSizes, decodedSizes, digests } = archive.index.frames;
  const count = storedSizes.length;
  assert.equal(found.frames.length, count + 1 - 2); // with INDX, without empty frame and header
  found.frames.forEach((frame, i) => {
    const number = i + 2;
    const isIndex = number === count;
    const stored = bytes.subarray(frame.offset, frame.offset + frame.storedSize);
    assert.equal(frame.offset, archive.fileOffsets[number], `offset of frame ${number}`);
    if (!isIndex) {
      assert.equal(frame.storedSize, storedSizes[number], `stored size of frame ${number}`);
      assert.equal(hash(stored), hex(digests.subarray(32 * number, 32 * number + 32)), `digest of frame ${number}`);
    }
    assert.equal(frame.decodedSize, isIndex ? 0 : decodedSizes[number], `decoded size of frame ${number}`);
    assert.equal(frame.isPayload, !isIndex && decodedSizes[number] > 0, `kind of frame ${number}`);
    if (frame.isPayload) checkZstd(frame.body, stored);
    else checkSection(frame, stored);
  });
  assert.equal(found.seekTable.rows.length, count + 1);
  found.seekTable.rows.slice(0, count).forEach((row, i) => {
    assert.deepEqual([row.storedSize, row.decodedSize], [storedSizes[i], decodedSizes[i]], `row ${i}`);
  });
  // The frames and the seek table cover the file, and nothing else does.
  const last = found.frames[found.frames.length - 1];
  assert.equal(found.frames[0].offset, storedSizes[0] + storedSizes[1]);
  assert.equal(last.offsetAfter + 8 * (count + 1) + 17, bytes.length);
  assert.equal(found._io.pos, bytes.length);
}

/** Fails unless the frame's header is as the JavaScript reader has it, and its blocks and checksum fill it. */
function checkZstd(frame, stored) {
  const { size, content, window } = frameHeader(stored);
  assert.deepEqual([frame.headerSize, frame.contentSize, frame.windowSize], [size, content, window]);
  const blocks = frame.blocks.reduce((sum, block) => sum + 3 + block.data.length, 0);
  assert.equal(size + blocks + 4, stored.length);
  assert.equal(frame.checksum, new DataView(stored.buffer, stored.byteOffset + stored.length - 4).getUint32(0, true));
}

function checkSection({ kind, body, storedSize }, stored) {
  const head = sectionHead(stored, storedSize);
  assert.deepEqual([kind, hex(body.digest)], [head.kind, hex(head.digest)]);
  assert.equal(hash(body._raw_body), hex(head.digest), `digest of ${kind}`);
  if (kind === 'ENTR') checkZstd(body.body.frame, stored.subarray(48));
}

/** Fails unless manifest and index have the fields that the JavaScript reader decodes. */
function checkMessages(found, archive) {
  const { FieldName: names } = Rosettar;
  const index = found.index.body;
  const text = (message, name) => values(message, name)[0] ?? '';
  const number = (message, name) => values(message, name).pop() ?? 0;
  const pairs = (message, name) => values(message, name)
    .map((pair) => [text(pair, names.KEY_VALUE_KEY), text(pair, names.KEY_VALUE_VALUE)]);

  assert.equal(hex(found.index.digest), archive.root);
  assert.equal(hex(found.manifest.digest), hex(values(index, names.INDEX_MANIFEST_DIGEST).pop()));
  assert.equal(hex(values(index, names.INDEX_CONTENT_DIGEST).pop()), archive.content);
  assert.equal(number(index, names.INDEX_SCHEMA_COUNT), archive.index.schemaCount);
  assert.deepEqual(values(index, names.INDEX_LATE_SCHEMA_FRAMES), archive.index.lateSchemaFrames);
  const frames = values(index, names.INDEX_FRAMES);
  assert.deepEqual(frames.flatMap((one) => values(one, names.FRAMES_STORED_SIZES)), archive.index.frames.storedSizes);
  assert.deepEqual(frames.flatMap((one) => values(one, names.FRAMES_DECODED_SIZES)), archive.index.frames.decodedSizes);
  assert.equal(number(values(index, names.INDEX_TOTALS).pop(), names.TOTALS_TAR_BYTES), archive.tarBytes);
  const pages = values(index, names.INDEX_PAGES);
  assert.deepEqual(pages.map((page) => [number(page, names.PAGE_ENTRY_COUNT), text(page, names.PAGE_LEAST_PATH)]),
    archive.index.pages.map((page) => [page.entryCount, page.leastPath]));
  const streams = values(index, names.INDEX_STREAMS);
  assert.deepEqual(streams.map((stream) => [text(stream, names.STREAM_TOTALS_NAME), text(stream, names.STREAM_TOTALS_TYPE)]),
    archive.streams.map(({ name, type }) => [name, type]));
  const manifest = found.manifest.body;
  const attributes = [...pairs(manifest, names.MANIFEST_ATTRIBUTES), ...pairs(index, names.INDEX_LATE_ATTRIBUTES)];
  assert.deepEqual(new Map(attributes), new Map(archive.attributes)); // in any order
  const schemas = values(manifest, names.MANIFEST_SCHEMAS);
  assert.deepEqual(schemas.map((schema) => hex(values(schema, names.SCHEMA_DESCRIPTOR_SET).pop())),
    archive.schemas.slice(0, archive.manifestSchemas).map((schema) => hex(schema.descriptorSet)));
}

test('every archive to accept parses, and is as the JavaScript reader finds it', async () => {
  const accepted = facts(VECTORS).filter(({ expect }) => expect === 'accept');
  assert.ok(accepted.length >= 80, `${accepted.length} archives`);
  await each(accepted, async ({ id, limits }) => {
    const bytes = read(VECTORS, `${id}.rtar`);
    const archive = await open(bytes, { limits });
    const found = parse(Rosettar, bytes);
    checkFrames(found, bytes, archive);
    checkMessages(found, archive);
  });
});

test('windows are those that the JavaScript reader computes', async () => {
  const bytes = read(VECTORS, 'frame-headers.rtar');
  const { offset, storedSize } = parse(Rosettar, bytes).frames.find((frame) => frame.body.windowDescriptor !== undefined);
  let legal = 0;
  for (let descriptor = 0; descriptor < 256; descriptor++) {
    bytes[offset + 5] = descriptor;
    const frame = bytes.subarray(offset, offset + storedSize);
    if (descriptor > 0x68) {
      assert.throws(() => frameHeader(frame), { code: 'frame.header' });
      assert.throws(() => parse(Rosettar, bytes), { name: /^Validation/ });
      continue;
    }
    const found = parse(Rosettar, bytes).frames.find((one) => one.offset === offset);
    assert.equal(found.body.windowSize, frameHeader(frame).window);
    legal++;
  }
  assert.equal(legal, 105);
});

/** Fails unless all are refused, by a check of the description or because bytes are missing. */
async function checkRefused(refused, folder, suffix, Type, least) {
  const codes = new Map(facts(folder).map(({ id, code }) => [id, code]));
  const listed = Object.entries(refused).flatMap(([code, ids]) => ids.map((id) => ({ id, code })));
  assert.ok(listed.length >= least, `${listed.length} are listed`);
  await each(listed, ({ id, code }) => {
    assert.equal(codes.get(id), code);
    assert.throws(() => parse(Type, read(folder, id + suffix)), { name: /^(EOFError|Validation\w+Error)$/ });
  });
}

test('archives to refuse, where the description sees why, do not parse', () =>
  checkRefused(REFUSED.rosettar, VECTORS, '.rtar', Rosettar, 180));

test('no archive parses that is cut, or has another byte where the description knows which', async () => {
  const bytes = read(VECTORS, 'empty.rtar');
  for (let size = 0; size < bytes.length; size += size < 200 || size > 7700 ? 1 : 97) {
    assert.throws(() => parse(Rosettar, bytes.subarray(0, size)), `${size} bytes`);
  }
  const { index, frames } = parse(Rosettar, bytes);
  const range = (from, length) => [...Array(length).keys()].map((i) => from + i);
  const heads = frames.filter((frame) => !frame.isPayload).flatMap(({ offset }) => range(offset, 16));
  const table = bytes.length - (8 * (frames.length + 2) + 17);
  assert.equal(index.length + 8, table - frames[frames.length - 1].offset);
  const known = [...range(0, 26), 27, 28, ...heads, ...range(table, bytes.length - table)]; // any minor version is right
  for (const at of known) {
    const copy = bytes.slice();
    copy[at] ^= 0x80;
    assert.throws(() => parse(Rosettar, copy), `byte ${at}`);
  }
});

test('C1Z files to accept parse, with the entries that they have', async () => {
  const accepted = facts(C1Z_VECTORS).filter(({ expect }) => expect === 'accept');
  assert.ok(accepted.length >= 16, `${accepted.length} files`);
  await each(accepted, ({ id, version, manifest, entries }) => {
    const bytes = read(C1Z_VECTORS, `${id}.c1z`);
    const { FieldName: names, PayloadEncoding: encodings } = C1z;
    const found = parse(C1z, bytes);
    assert.equal(found.version, bytes[3]);
    assert.equal(C1z.FileVersion[found.version], `V${version}`);
    if (version === 1) return;
    assert.equal(values(found.body.manifest, names.MANIFEST_ENGINE).pop(), manifest.engine);
    assert.equal(encodings[found.body.manifest.payloadEncoding].toLowerCase(), manifest.encoding);
    if (manifest.encoding !== 'indexed_zstd') return;
    const { payload } = found.body;
    const listed = values(payload.index, names.INDEX_ENTRIES).map((entry) => ({
      path: values(entry, names.ENTRY_NAME)[0],
      size: values(entry, names.ENTRY_RAW_SIZE)[0] ?? 0,
      offset: values(entry, names.ENTRY_FRAME_OFFSET)[0],
    }));
    const byPath = (a, b) => (a.path < b.path ? -1 : 1);
    assert.deepEqual(listed.map(({ path, size }) => ({ path, size })).sort(byPath),
      entries.map(({ path, size }) => ({ path, size })).sort(byPath));
    assert.equal(payload.frames.frames.length, entries.length);
    for (const { offset } of listed) assert.equal(new DataView(bytes.buffer).getUint32(offset, true), PAYLOAD);
  });
});

test('C1Z files to refuse, where the description sees why, do not parse', () =>
  checkRefused(REFUSED.c1z, C1Z_VECTORS, '.c1z', C1z, 18));

test('both descriptions compile to other languages', async () => {
  await each(['rosettar', 'c1z'], async (name) => {
    for (const language of LANGUAGES) {
      const sources = Object.values(await compile(name, language));
      assert.ok(sources.join('').length > 10000, language);
    }
  });
});
