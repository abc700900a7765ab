// SPDX-License-Identifier: Apache-2.0
// A reader of Rosettar archives for Node and browsers, written from spec/FORMAT.md; sections in comments are its sections.
// Read it from top to bottom: opening (11.1, steps 1 to 5), pages, the whole table, payload, records, verification.

import { sha256 } from '@noble/hashes/sha2.js';
import { FOOTER, MAX_CHUNK, SECTION_HEAD, decodeFrame, expectKind, frameHeader, isAncillary, isTableHeader, makeSource, maxStored,
  ready, seekTable, sectionHead, tableRows, tableSize } from './frames.mjs';
import { Framer, WholeTable, checkAttributes, checkFeatures, checkStreams } from './rules.mjs';
import { KIND, checkForm, checkPath, checkTarget, hasContent, headerBytes, isUser, padding } from './tar.mjs';
import { RosettarError, compareText, concat, decode, equal, fail, hex, table, utf8, view } from './wire.mjs';

export { KIND, RosettarError };

// -- Limits (section 11.4) --------------------------------------------------------------------------------------------

const LIMITS = {
  'decoded-bytes': undefined, // the greater of 10 GiB and 100 times the size of the file
  entries: 1048576,
  frames: 4194304,
  streams: 4096,
  schemas: 4096,
  'path-bytes': 4096,
  'component-bytes': 255,
  'path-depth': 64,
  'record-bytes': 67108864,
  'record-values': 1048576,
  'manifest-bytes': 16777216,
  'index-bytes': 268435456,
};

// -- Messages (rosettar/v1/manifest.proto and index.proto) ------------------------------------------------------------

const ANY = table({ typeUrl: [1, 'string'], value: [2, 'bytes'] });
const KEY_VALUE = table({ key: [1, 'string'], value: [2, 'string'] });
const TIMESTAMP = table({ seconds: [1, 'int64'], nanos: [2, 'int32'] });
const STREAM = table({ name: [1, 'string'], type: [2, 'string'], schemaVersion: [3, 'uint32'] });
const SCHEMA = table({ descriptorSet: [1, 'bytes'], streams: [2, [STREAM]] });
const MANIFEST = table({
  requiredFeatures: [1, 'string*'], producer: [2, 'string'], created: [3, TIMESTAMP], annotations: [4, [ANY]],
  attributes: [5, [KEY_VALUE]], schemas: [6, [SCHEMA]],
});
const STREAM_TOTALS = table({
  name: [1, 'string'], type: [2, 'string'], schema: [3, 'uint32'], schemaVersion: [4, 'uint32'], recordCount: [5, 'uint64'],
  size: [6, 'uint64'], digest: [7, 'bytes'], batchCount: [8, 'uint32'],
});
const TOTALS = table({
  files: [1, 'uint64'], directories: [2, 'uint64'], symlinks: [3, 'uint64'], reservedMembers: [4, 'uint64'],
  fileBytes: [5, 'uint64'], records: [6, 'uint64'], tarBytes: [7, 'uint64'],
});
const FRAMES = table({ storedSizes: [1, 'uint32*'], decodedSizes: [2, 'uint32*'], digests: [3, 'bytes'] });
const PAGE = table({
  decodedSize: [1, 'uint32'], entryCount: [2, 'uint32'], tarOffset: [3, 'uint64'], recordCounts: [4, 'uint64*'],
  leastPath: [5, 'string'], greatestPath: [6, 'string'],
});
const INDEX = table({
  manifestDigest: [1, 'bytes'], schemaCount: [2, 'uint32'], lateSchemaFrames: [3, 'uint32*'], lateFeatures: [4, 'string*'],
  lateAttributes: [5, [KEY_VALUE]], lateAnnotations: [6, [ANY]], streams: [7, [STREAM_TOTALS]], totals: [8, TOTALS],
  contentDigest: [9, 'bytes'], frames: [10, FRAMES], pages: [11, [PAGE]],
});
const ENTRY_PAGE = table({
  paths: [1, 'string*'], kinds: [2, 'int32*'], sizes: [3, 'uint64*'], modes: [4, 'uint32*'], mtimes: [5, 'sint64*'],
  nanoseconds: [6, 'uint32*'], targets: [7, 'string*'], digests: [8, 'bytes'], streams: [9, 'uint32*'],
  recordCounts: [10, 'uint64*'],
});

// Decoded messages take more memory than their bytes (section 11.4).
const manifestBudget = () => ({ numbers: 1048576, things: 1048576, code: 'limit.manifest-bytes' });
const indexBudget = () => ({ numbers: 16777216, things: 4194304, code: 'limit.index-bytes' });
const pageBudget = () => ({ numbers: 65536, things: 65536, code: 'entries.columns' });

/** The protobuf library is larger than all the rest, and whoever reads only files does without. */
const loadSchemas = () => import('./schema.mjs');

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const bigSum = (numbers) => numbers.reduce((a, b) => a + b, 0n);

// -- Opening (section 11.1, steps 1 to 5) -----------------------------------------------------------------------------

const FIRST_BYTES = new Uint8Array([
  0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00, // a zstd frame with no content
  0x5a, 0x2a, 0x4d, 0x18, 0x0c, 0x00, 0x00, 0x00, // a skippable frame of 12 bytes
  ...utf8('ROSETTAR'),
]);
const FIRST_FRAMES = 29;
const MAJOR = 1;

/**
 * Opens an archive: a Uint8Array, ArrayBuffer, Blob or File, or `{size, read(offset, length)}`. `limits` replaces defaults by
 * the names of section 11.4. Nothing of the payload has been checked yet: reading checks what it reads, `verify` all.
 */
export async function open(input, { limits = {} } = {}) {
  for (const name of Object.keys(limits)) if (!(name in LIMITS)) fail('usage.option', `no limit is named ${name}`);
  const archive = new Archive(makeSource(input), { ...LIMITS, ...limits });
  await archive._checkFirstFrames();
  await archive._readIndex();
  await archive._readManifest();
  await ready();
  return archive;
}

export class Archive {
  constructor(source, limits) {
    this.source = source;
    this.limits = limits;
    this.limits['decoded-bytes'] ??= Math.max(10 * 2 ** 30, 100 * source.size);
    this.pools = new Map();
    this.chunk = { frame: -1 };
  }

  /** Step 1. */
  async _checkFirstFrames() {
    const start = await this.source.read(0, Math.min(FIRST_FRAMES, this.source.size));
    const magic = start.subarray(0, FIRST_BYTES.length);
    if (!equal(magic, FIRST_BYTES.subarray(0, magic.length))) fail('envelope.unknown-magic', 'this is no Rosettar archive');
    if (start.length < FIRST_FRAMES) fail('envelope.truncated', 'the file ends within its first 29 bytes');
    if (start[25] !== MAJOR) fail('envelope.unsupported-version', `the archive has the major version ${start[25]}`);
    if (start[27] !== 0 || start[28] !== 0) fail('envelope.reserved', 'reserved bytes of the header are not zero');
  }

  /** Steps 2 to 4. What cannot be trusted yet is only used to find bytes that have a digest. */
  async _readIndex() {
    const { size } = this.source;
    const { limits } = this;
    // One read is enough for most archives.
    const tailSize = Math.min(size, 256 * 1024);
    const tail = await this.source.read(size - tailSize, tailSize);
    const at = async (offset, length) => {
      const start = offset - (size - tailSize);
      return start >= 0 ? tail.subarray(start, start + length) : this.source.read(offset, length);
    };

    const rows = tableRows(tail.subarray(tailSize - FOOTER));
    const tableOffset = size - tableSize(rows ?? 0);
    if (!(rows >= 1) || tableOffset < FIRST_FRAMES) fail('seek-table.footer', 'the file does not end in a seek table');
    if (rows > limits.frames) fail('limit.frames', `there are ${rows} frames, and ${limits.frames} are the limit`);
    const stored = view(await at(size - FOOTER - 8, 8)).getUint32(0, true);
    const offset = tableOffset - stored;
    if (stored < SECTION_HEAD || offset < FIRST_FRAMES) fail('seek-table.mismatch', 'the last row places no index');
    if (stored - SECTION_HEAD > limits['index-bytes']) {
      fail('limit.index-bytes', `the index has ${stored - SECTION_HEAD} bytes`);
    }
    if (!isTableHeader(await at(tableOffset, 8), rows)) fail('seek-table.footer', 'the seek table has another header');

    const section = await at(offset, stored);
    const { kind, digest } = sectionHead(section, stored);
    expectKind(kind, 'INDX');
    const body = section.subarray(SECTION_HEAD);
    if (!equal(sha256(body), digest)) fail('index.digest', 'the index does not match its digest');
    this.root = hex(digest); // section 10.1
    this._checkIndex(decode(body, INDEX, 'index.protobuf', indexBudget()), body.length, offset);

    const { storedSizes, decodedSizes } = this.index.frames;
    const wanted = seekTable([...storedSizes, stored], [...decodedSizes, 0]);
    if (tableOffset + wanted.length !== size || !equal(await at(tableOffset, wanted.length), wanted)) {
      fail('seek-table.mismatch', 'the seek table is not the one that the index yields');
    }
  }

  /** The rules of section 8, by their numbers. */
  _checkIndex(index, bodySize, offset) {
    const { limits } = this;
    const { streams, pages, lateSchemaFrames } = index;
    const frames = index.frames ?? FRAMES.empty();
    const totals = index.totals ?? TOTALS.empty();
    const { storedSizes, decodedSizes, digests } = frames;
    const count = storedSizes.length;
    // 1
    const single = [index.manifestDigest, index.contentDigest, ...streams.map((stream) => stream.digest)];
    if (single.some((digest) => digest.length !== 32)) {
      fail('index.protobuf', 'a digest of the index does not have 32 bytes');
    }
    // 2
    checkFeatures(index.lateFeatures);
    // 3
    if (decodedSizes.length !== count || digests.length !== 32 * count) {
      fail('index.frames', 'the columns of frames differ in length');
    }
    // 4
    if (count + 1 > limits.frames) {
      fail('limit.frames', `there are ${count + 1} frames, and ${limits.frames} are the limit`);
    }
    // 5
    const isFirst = (i, size) => storedSizes[i] === size && decodedSizes[i] === 0;
    if (!isFirst(0, 9) || !isFirst(1, 20) || !(count >= 3 && decodedSizes[2] === 0)) {
      fail('index.frames', 'the first frames are others');
    }
    for (let i = 2; i < count; i++) {
      const [stored, decoded] = [storedSizes[i], decodedSizes[i]];
      const isPayload = decoded <= MAX_CHUNK && stored >= 1 && stored <= maxStored(decoded);
      const right = decoded === 0 ? stored >= SECTION_HEAD : isPayload;
      if (!right) fail('index.frames', `frame ${i} has ${stored} bytes and decodes to ${decoded}`);
    }
    // 6
    if (pages.length < 1 || pages.length > count - 3) fail('index.frames', `there are ${pages.length} pages`);
    const lastPayload = count - pages.length - 1;
    const firstPayload = decodedSizes.findIndex((decoded) => decoded > 0);
    if (decodedSizes.slice(lastPayload + 1).some((decoded) => decoded > 0)) {
      fail('index.frames', 'payload stands among the pages');
    }
    if (decodedSizes[lastPayload] !== 1024) fail('index.frames', 'the last payload frame does not decode to 1024 bytes');
    if (firstPayload === lastPayload) fail('index.frames', 'there is only one payload frame');
    // 7, 8, 9: sums of less than 2 to the 21 numbers of 32 bits are exact, and no file is as large as a sum of more
    if (sum(storedSizes) !== offset) fail('index.frame-gap', 'the frames do not end where the index begins');
    const tarBytes = sum(decodedSizes);
    if (BigInt(tarBytes) !== totals.tarBytes || tarBytes % 512 !== 0) fail('index.totals', `the tar has ${tarBytes} bytes`);
    if (tarBytes > limits['decoded-bytes']) fail('limit.decoded-bytes', `the tar has ${tarBytes} bytes`);
    // 10
    if (index.schemaCount - lateSchemaFrames.length < 1) fail('index.streams', 'the manifest has no Schema');
    lateSchemaFrames.forEach((frame, i) => {
      const ascending = i === 0 || lateSchemaFrames[i - 1] < frame;
      if (!ascending || decodedSizes[frame] !== 0 || frame < firstPayload || frame > lastPayload) {
        fail('index.streams', `frame ${frame} is listed as a late Schema`);
      }
    });
    // 11
    if (index.schemaCount > limits.schemas) fail('limit.schemas', `there are ${index.schemaCount} Schemas`);
    if (streams.length > limits.streams) fail('limit.streams', `there are ${streams.length} streams`);
    // 12
    checkStreams(streams, ({ name, schema }, i) => {
      const least = streams[i - 1]?.schema ?? 1;
      if (schema < least || schema >= index.schemaCount) fail('index.streams', `stream ${name} has Schema ${schema}`);
    });
    // 13
    pages.forEach((page, i) => {
      const right = page.entryCount >= 1 && page.entryCount <= 4096 && page.decodedSize >= 1 && page.decodedSize <= MAX_CHUNK
        && (i === 0 ? page.tarOffset === 0n : page.tarOffset > pages[i - 1].tarOffset)
        && page.tarOffset < BigInt(tarBytes - 1024)
        && page.recordCounts.length === streams.length;
      if (!right) fail('index.pages', `what the index says of page ${i} cannot be`);
    });
    // 14
    streams.forEach(({ name, recordCount, batchCount }, i) => {
      if (bigSum(pages.map((page) => page.recordCounts[i])) !== recordCount || (batchCount > 0) !== (recordCount > 0n)) {
        fail('index.streams', `stream ${name} has other records than its pages`);
      }
    });
    // 15, 16
    const entries = sum(pages.map((page) => page.entryCount));
    if (entries > limits.entries) {
      fail('limit.entries', `there are ${entries} entries, and ${limits.entries} are the limit`);
    }
    if (totals.files + totals.directories + totals.symlinks + totals.reservedMembers !== BigInt(entries)
      || bigSum(streams.map((stream) => stream.recordCount)) !== totals.records) {
      fail('index.totals', 'the totals differ from pages or streams');
    }
    // 17
    if (bodySize + sum(pages.map((page) => page.decodedSize)) > limits['index-bytes']) {
      fail('limit.index-bytes', 'index and pages are too large');
    }
    // 18
    checkAttributes(index.lateAttributes);

    this.index = { ...index, frames, totals };
    this.tarBytes = tarBytes;
    this.firstPage = lastPayload + 1;
    // Where each frame stands in the file, and where what it decodes to stands in the tar.
    this.fileOffsets = new Float64Array(count + 1);
    this.tarOffsets = new Float64Array(count + 1);
    for (let i = 0; i < count; i++) {
      this.fileOffsets[i + 1] = this.fileOffsets[i] + storedSizes[i];
      this.tarOffsets[i + 1] = this.tarOffsets[i] + decodedSizes[i];
    }
  }

  /** Step 5. */
  async _readManifest() {
    const { index, limits } = this;
    const sections = [2, ...index.lateSchemaFrames];
    const bytes = sum(sections.map((frame) => index.frames.storedSizes[frame] - SECTION_HEAD));
    if (bytes > limits['manifest-bytes']) fail('limit.manifest-bytes', `manifest and late Schemas have ${bytes} bytes`);
    const { body, digest } = await this._section(2, 'MANI');
    if (!equal(digest, index.manifestDigest)) fail('index.manifest', 'the index is of another manifest');
    const manifest = decode(body, MANIFEST, 'manifest.protobuf', manifestBudget());
    const nanos = manifest.created?.nanos ?? 0;
    if (nanos < 0 || nanos > 999999999) fail('manifest.protobuf', `the time of creation has ${nanos} nanoseconds`);
    checkFeatures(manifest.requiredFeatures);
    checkAttributes(manifest.attributes);
    const { schemas } = manifest;
    if (schemas.length === 0 || schemas[0].streams.length > 0) {
      fail('manifest.schemas', 'there is no Schema 0 without streams');
    }
    if (schemas.length > limits.schemas) fail('limit.schemas', `there are ${schemas.length} Schemas`);
    const declared = schemas.flatMap((schema) => schema.streams);
    checkStreams(declared);
    if (declared.length > limits.streams) fail('limit.streams', `there are ${declared.length} streams`);

    // What manifest and index say together; features were unknown above, so no name can be in both.
    const attributes = [...manifest.attributes, ...index.lateAttributes].sort((a, b) => compareText(a.key, b.key));
    checkAttributes(attributes);
    if (schemas.length !== index.schemaCount - index.lateSchemaFrames.length) {
      fail('index.streams', 'the number of Schemas differs');
    }
    schemas.forEach((schema, number) => this._checkDeclarations(schema, number));
    this.manifestSchemas = schemas.length;
    this.schemas = schemas;
    this.manifest = manifest;
    this.attributes = new Map(attributes.map(({ key, value }) => [key, value]));
    this.annotations = [...manifest.annotations, ...index.lateAnnotations];
    this.content = hex(index.contentDigest);
    this.streams = index.streams.map((stream, number) => ({
      number, name: stream.name, type: stream.type, schema: stream.schema, schemaVersion: stream.schemaVersion,
      records: stream.recordCount, batches: stream.batchCount, size: stream.size, sha256: hex(stream.digest),
    }));
  }

  _checkDeclarations(schema, number) {
    const ours = this.index.streams.filter((stream) => stream.schema === number);
    const same = ours.length === schema.streams.length && ours.every(({ name, type, schemaVersion }, i) => {
      const other = schema.streams[i];
      return name === other.name && type === other.type && schemaVersion === other.schemaVersion;
    });
    if (!same) fail('index.streams', `index and Schema ${number} declare other streams`);
  }

  // -- Frames and sections --------------------------------------------------------------------------------------------

  /** A frame as it is stored, believed only after its digest was compared (section 8). */
  async _frame(number) {
    const stored = this.index.frames.storedSizes[number];
    const bytes = await this.source.read(this.fileOffsets[number], stored);
    this._checkFrameDigest(number, sha256(bytes));
    return bytes;
  }

  _checkFrameDigest(number, digest) {
    if (!equal(digest, this.index.frames.digests.subarray(32 * number, 32 * number + 32))) {
      fail('frame.digest', `frame ${number} does not match the digest that the index states`);
    }
  }

  async _section(number, kind) {
    const frame = await this._frame(number);
    const head = sectionHead(frame, frame.length);
    expectKind(head.kind, kind);
    const body = frame.subarray(SECTION_HEAD);
    if (!equal(sha256(body), head.digest)) fail('section.digest', `section ${kind} does not match its digest`);
    return { body, digest: head.digest };
  }

  /** Step 8: the Schema with a number; late ones are read when they are asked for. */
  async schema(number) {
    if (this.schemas[number] === undefined) {
      const { body } = await this._section(this.index.lateSchemaFrames[number - this.manifestSchemas], 'SCHM');
      const schema = decode(body, SCHEMA, 'manifest.protobuf', manifestBudget());
      checkStreams(schema.streams);
      this._checkDeclarations(schema, number);
      this.schemas[number] = schema;
    }
    return this.schemas[number];
  }

  /** The types of a Schema. Each is its own pool (section 4.2). */
  async pool(number) {
    const { descriptorSet } = await this.schema(number);
    const { makePool } = await loadSchemas();
    if (!this.pools.has(number)) this.pools.set(number, makePool(descriptorSet));
    return this.pools.get(number);
  }

  /** Step 6: the entries of a page, as section 7 has them. */
  async _page(number) {
    const page = this.index.pages[number];
    const frame = this.firstPage + number;
    if (this.index.frames.storedSizes[frame] - SECTION_HEAD > maxStored(MAX_CHUNK)) {
      fail('frame.size', `page ${number} is too large`);
    }
    const { body } = await this._section(frame, 'ENTR');
    const header = frameHeader(body);
    if (header.content < 1 || header.content > MAX_CHUNK) {
      fail('frame.size', `page ${number} decodes to ${header.content} bytes`);
    }
    if (header.content !== page.decodedSize) fail('index.pages', `page ${number} has another size than the index says`);
    if (body.length > maxStored(header.content)) fail('frame.size', `page ${number} has ${body.length} bytes`);
    const columns = decode(decodeFrame(body, header), ENTRY_PAGE, 'entries.protobuf', pageBudget());
    const { paths, kinds, sizes, modes, mtimes, nanoseconds, targets, digests } = columns;
    const bad = (why) => fail('entries.columns', `page ${number}: ${why}`);
    const odd = (why) => fail('index.pages', `page ${number} differs from the index: ${why}`);
    if ([kinds, sizes, modes, mtimes, nanoseconds].some((column) => column.length !== paths.length)) {
      bad('columns differ in length');
    }
    if (paths.length !== page.entryCount) odd('the number of entries');
    for (const kind of kinds) if (kind < 1 || kind > 6) fail('entries.kind', `page ${number} has an entry of kind ${kind}`);
    const links = kinds.filter((kind) => kind === KIND.SYMLINK).length;
    const contents = kinds.filter((kind) => hasContent({ kind })).length;
    const batches = kinds.filter((kind) => kind === KIND.BATCH).length;
    if (targets.length !== links || digests.length !== 32 * contents || columns.streams.length !== batches
      || columns.recordCounts.length !== batches) bad('columns do not fit the kinds');

    const [next, counts] = [{ target: 0, digest: 0, batch: 0 }, this.streams.map(() => 0n)];
    let offset = page.tarOffset;
    let [least, greatest] = [undefined, undefined];
    const entries = paths.map((path, i) => {
      const kind = kinds[i];
      const entry = { path, kind, size: sizes[i], mode: modes[i], mtime: mtimes[i], nanoseconds: nanoseconds[i], offset };
      checkPath(path, this.limits);
      if (kind === KIND.SYMLINK) checkTarget((entry.target = targets[next.target++]), this.limits);
      if (hasContent(entry)) entry.digest = digests.subarray(32 * next.digest, 32 * ++next.digest);
      else if (entry.size !== 0n) bad(`${path} has a size`);
      if (kind === KIND.SYMLINK ? entry.mode !== 0o777 : entry.mode > 0o777) bad(`${path} has mode ${entry.mode}`);
      if (entry.nanoseconds > 999999999) bad(`${path} has ${entry.nanoseconds} nanoseconds`);
      if (!isUser(entry) && (entry.mode !== 0o644 || entry.mtime !== 0n || entry.nanoseconds !== 0)) {
        bad(`${path} has a mode or time`);
      }
      if (kind === KIND.BATCH) {
        entry.stream = columns.streams[next.batch];
        entry.records = columns.recordCounts[next.batch++];
        if (entry.records === 0n) bad(`${path} has no records`);
      }
      checkForm(entry);
      if (kind === KIND.BATCH) {
        if (entry.stream >= counts.length) fail('entries.reserved', `${path} is of stream ${entry.stream}`);
        counts[entry.stream] += entry.records;
      }
      entry.headerSize = headerBytes(entry).length;
      offset += BigInt(entry.headerSize) + entry.size + padding(entry.size);
      if (offset > 0xffffffffffffffffn) odd(`${path} ends too late`);
      if (isUser(entry)) {
        if (least === undefined || compareText(path, least) < 0) least = path;
        if (greatest === undefined || compareText(path, greatest) > 0) greatest = path;
      }
      return entry;
    });
    if (offset !== (this.index.pages[number + 1]?.tarOffset ?? BigInt(this.tarBytes - 1024))) odd('where its members end');
    if ((least ?? '') !== page.leastPath || (greatest ?? '') !== page.greatestPath) odd('its least or greatest path');
    if (counts.some((records, i) => records !== page.recordCounts[i])) odd('its records');
    // All members lie within a tar whose size is exact, so from here on ordinary numbers do.
    for (const entry of entries) [entry.size, entry.offset] = [Number(entry.size), Number(entry.offset)];
    return entries;
  }

  // -- The whole table ------------------------------------------------------------------------------------------------

  /**
   * Lists the archive: yields every member in tar order, reserved ones included where `reserved` is set. What only the whole
   * table shows is checked on the way, and its last error comes at the end: take what was listed before as provisional.
   */
  async *entries({ reserved = false } = {}) {
    for (let number = this.manifestSchemas; number < this.index.schemaCount; number++) await this.schema(number); // step 8
    const whole = new WholeTable(this);
    for (let number = 0; number < this.index.pages.length; number++) {
      for (const entry of await this._page(number)) {
        await whole.add(entry);
        if (reserved || isUser(entry)) yield entry;
      }
    }
    await this._finish(whole);
  }

  async _finish(whole) {
    whole.complete();
    const end = await this._chunk(this.firstPage - 1);
    if (end.some((byte) => byte !== 0)) fail('tar.end', 'the tar does not end in two zero blocks');
    whole.checkTotals();
  }

  /** Finds a user entry by its path; undefined where there is none. Only pages that may have it are read. */
  async find(path) {
    let found;
    for (const [number, { leastPath, greatestPath }] of this.index.pages.entries()) {
      if (compareText(leastPath, path) > 0 || compareText(path, greatestPath) > 0) continue;
      for (const entry of await this._page(number)) {
        if (entry.path !== path || !isUser(entry)) continue;
        if (found !== undefined) fail('path.duplicate', `two entries have the path ${path}`);
        found = entry;
      }
    }
    return found;
  }

  // -- Payload (step 7) -----------------------------------------------------------------------------------------------

  /** What a payload frame decodes to. The last one is kept, as many small members share a frame. */
  async _chunk(number) {
    if (this.chunk.frame !== number) {
      const frame = await this._frame(number);
      const header = frameHeader(frame);
      if (header.content !== this.index.frames.decodedSizes[number]) {
        fail('frame.size', `frame ${number} states another content size`);
      }
      this.chunk = { frame: number, bytes: decodeFrame(frame, header) };
    }
    return this.chunk.bytes;
  }

  /** The bytes of a part of the tar, in pieces. */
  async *_tar(offset, length) {
    const end = offset + length;
    // The last frame that begins at or before the offset: of frames that begin at one offset, the last is the payload.
    let [low, high] = [0, this.tarOffsets.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.tarOffsets[middle] <= offset) low = middle;
      else high = middle;
    }
    for (let frame = low; offset < end; frame++) {
      const [start, stop] = [this.tarOffsets[frame], Math.min(end, this.tarOffsets[frame + 1])];
      if (stop <= offset) continue; // a section
      const chunk = await this._chunk(frame);
      yield chunk.subarray(offset - start, stop - start);
      offset = stop;
    }
  }

  /**
   * Yields the content of an entry in pieces. Its header is compared before the first, and its padding and digest before the
   * end: who sees the end, and no error, has the whole content. Pieces are not to be written to.
   */
  async *pieces(entry) {
    const header = headerBytes({ ...entry, size: BigInt(entry.size) });
    let at = 0;
    for await (const piece of this._tar(entry.offset, header.length)) {
      if (!equal(piece, header.subarray(at, (at += piece.length)))) {
        fail('tar.header', `the header of ${entry.path} is another`);
      }
    }
    const hasher = sha256.create();
    for await (const piece of this._tar(entry.offset + header.length, entry.size)) {
      hasher.update(piece);
      yield piece;
    }
    for await (const piece of this._tar(entry.offset + header.length + entry.size, Number(padding(BigInt(entry.size))))) {
      if (piece.some((byte) => byte !== 0)) fail('tar.padding', `the padding of ${entry.path} is not zero`);
    }
    if (hasContent(entry) && !equal(hasher.digest(), entry.digest)) {
      fail('entry.digest', `${entry.path} does not match its digest`);
    }
  }

  /** The content of a file, by its entry or path. */
  async read(entryOrPath) {
    const entry = typeof entryOrPath === 'string' ? await this.find(entryOrPath) : entryOrPath;
    if (entry === undefined) fail('usage.no-such-entry', `there is no entry ${entryOrPath}`);
    if (!hasContent(entry)) fail('usage.not-a-file', `${entry.path} has no content`);
    const parts = [];
    for await (const piece of this.pieces(entry)) parts.push(piece);
    return concat(parts);
  }

  /** Yields the records of a stream, by its name, as bytes. */
  async *records(name) {
    const stream = this._stream(name);
    for (const [number, page] of this.index.pages.entries()) {
      if (page.recordCounts[stream.number] === 0n) continue;
      for (const batch of await this._page(number)) {
        if (batch.kind === KIND.BATCH && batch.stream === stream.number) yield* this._batch(batch);
      }
    }
  }

  /** Yields the records of a stream as canonical protobuf JSON: values that JSON.stringify takes. */
  async *json(name) {
    const stream = this._stream(name);
    const type = (await this.pool(stream.schema)).type(stream.type);
    for await (const record of this.records(name)) yield type.toJson(record, this.limits['record-values']);
  }

  _stream(name) {
    return this.streams.find((stream) => stream.name === name) ?? fail('usage.no-such-stream', `there is no stream ${name}`);
  }

  /** The last record is held back until the batch was found to end with it, and to have its digest. */
  async *_batch(batch) {
    const framer = new Framer(batch, this.limits['record-bytes']);
    let held;
    for await (const piece of this.pieces(batch)) {
      for (const record of framer.push(piece)) {
        if (held !== undefined) yield held;
        held = record;
      }
    }
    framer.end();
    yield held;
  }

  // -- Verification (steps 9 to 11) -----------------------------------------------------------------------------------

  /** Checks every rule of the format, in the order of section 11.1. Calls `onEntry` with each user entry that was read. */
  async verify({ onEntry = () => {} } = {}) {
    for (let number = 0; number < this.index.schemaCount; number++) await this._verifySchema(number);
    for (let number = 0; number < this.index.frames.storedSizes.length; number++) {
      if (this.index.frames.decodedSizes[number] === 0) await this._verifySection(number);
    }
    const whole = new WholeTable(this);
    const digests = this.streams.map(() => sha256.create());
    const users = [];
    for (let number = 0; number < this.index.pages.length; number++) {
      for (const entry of await this._page(number)) {
        await whole.add(entry);
        await this._verifyContent(entry, digests);
        if (!isUser(entry)) continue;
        users.push(entry);
        onEntry(entry);
      }
    }
    await this._finish(whole);
    for (const [number, stream] of this.streams.entries()) {
      if (hex(digests[number].digest()) !== stream.sha256) {
        fail('stream.digest', `stream ${stream.name} does not match its digest`);
      }
    }
    if (hex(this._contentDigest(users)) !== this.content) fail('content.digest', 'the content digest is another');
  }

  /** Step 9. */
  async _verifySchema(number) {
    const { descriptorSet, streams } = await this.schema(number);
    (await loadSchemas()).checkClosure(descriptorSet);
    const pool = await this.pool(number);
    const own = ['rosettar.v1.Manifest', 'rosettar.v1.Index', 'rosettar.v1.EntryPage'];
    if (number === 0 && !own.every((type) => pool.has(type))) {
      fail('manifest.schemas', 'Schema 0 does not define rosettar.v1');
    }
    for (const { type } of streams) pool.type(type);
  }

  /** Step 10. Ancillary sections may be large, so they are read in pieces. */
  async _verifySection(number) {
    const stored = this.index.frames.storedSizes[number];
    const [frame, body] = [sha256.create(), sha256.create()];
    let head;
    for (let at = 0; at < stored; ) {
      const piece = await this.source.read(this.fileOffsets[number] + at, Math.min(stored - at, 2 ** 20));
      frame.update(piece);
      if (at === 0) head = piece;
      body.update(at === 0 ? piece.subarray(SECTION_HEAD) : piece);
      at += piece.length;
    }
    this._checkFrameDigest(number, frame.digest());
    if (number < 2) return; // compared in step 1
    const { kind, digest } = sectionHead(head, stored);
    if (number === 2) expectKind(kind, 'MANI');
    else if (number >= this.firstPage) expectKind(kind, 'ENTR');
    else if (this.index.lateSchemaFrames.includes(number)) expectKind(kind, 'SCHM');
    else if (kind === 'SCHM') fail('index.streams', `the index does not list the late Schema in frame ${number}`);
    else if (!isAncillary(kind)) expectKind(kind, 'an ancillary section');
    if (!equal(body.digest(), digest)) fail('section.digest', `section ${kind} does not match its digest`);
  }

  /** Step 11. A wrong digest is reported before wrong records. */
  async _verifyContent(entry, digests) {
    const framer = entry.kind === KIND.BATCH ? new Framer(entry, this.limits['record-bytes']) : undefined;
    let fault;
    for await (const piece of this.pieces(entry)) {
      if (framer === undefined) continue;
      digests[entry.stream].update(piece);
      try {
        if (fault === undefined) for (const record of framer.push(piece)) void record;
      } catch (error) {
        fault = error;
      }
    }
    if (fault !== undefined) throw fault;
    framer?.end();
  }

  /** Section 10.2. */
  _contentDigest(users) {
    const hasher = sha256.create();
    const integer = (value, bytes) => {
      const field = new DataView(new ArrayBuffer(8));
      field.setBigUint64(0, BigInt(value), true);
      hasher.update(new Uint8Array(field.buffer, 0, bytes));
    };
    const lp = (value) => {
      const bytes = utf8(value);
      integer(bytes.length, 4);
      hasher.update(bytes);
    };
    hasher.update(utf8('rosettar.content.v1\n'));
    integer(users.length, 4);
    for (const entry of users.sort((a, b) => compareText(a.path, b.path))) {
      lp(entry.path);
      integer(entry.kind, 1);
      integer(entry.mode, 2);
      integer(entry.size, 8);
      lp(entry.target ?? '');
      hasher.update(entry.digest ?? new Uint8Array(32));
    }
    integer(this.streams.length, 4);
    for (const { number, name, type, records } of [...this.streams].sort((a, b) => compareText(a.name, b.name))) {
      lp(name);
      lp(type);
      integer(records, 8);
      hasher.update(this.index.streams[number].digest);
    }
    integer(this.attributes.size, 4);
    for (const [key, value] of this.attributes) {
      lp(key);
      lp(value);
    }
    integer(this.annotations.length, 4);
    for (const { typeUrl, value } of this.annotations) {
      lp(typeUrl);
      hasher.update(sha256(value));
    }
    return hasher.digest();
  }
}
