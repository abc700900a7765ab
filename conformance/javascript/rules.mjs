// SPDX-License-Identifier: Apache-2.0
// Rules that do not depend on where the bytes come from: declarations, the whole entry table, and the framing of records.
// Sections are those of spec/FORMAT.md.

import { sha256 } from '@noble/hashes/sha2.js';
import { KIND, isUser } from './tar.mjs';
import { compareText, concat, equal, fail, utf8 } from './wire.mjs';

const MAX_IMPLIED_DIRECTORIES = 1048576; // section 5.1
const bigSum = (numbers) => numbers.reduce((a, b) => a + b, 0n);
const isSorted = (texts) => texts.every((text, i) => text !== '' && (i === 0 || compareText(texts[i - 1], text) < 0));

// -- Rules that manifest and index share ------------------------------------------------------------------------------

/** Section 4.4. Version 1.0 defines no feature, so any is unknown. */
export function checkFeatures(names) {
  if (!isSorted(names)) fail('manifest.features', 'features are unsorted, repeated or empty');
  if (names.length > 0) fail('feature.unknown', `the archive requires the feature ${JSON.stringify(names[0])}`);
}

/** Section 4.1. */
export function checkAttributes(attributes) {
  if (!isSorted(attributes.map(({ key }) => key))) {
    fail('manifest.attributes', 'attributes are unsorted, repeated or without key');
  }
}

/** Section 4.3. Calls `further` with each stream that was found right, and its number. */
export function checkStreams(streams, further = () => {}) {
  const names = new Set();
  for (const [number, stream] of streams.entries()) {
    const { name, type } = stream;
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/.test(name)) {
      fail('manifest.streams', `${JSON.stringify(name)} is no name of a stream`);
    }
    if (names.has(name.toLowerCase())) fail('manifest.streams', `two streams are named ${name}`);
    names.add(name.toLowerCase());
    if (type.length > 1024 || !/^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/.test(type)) {
      fail('manifest.streams', `${JSON.stringify(type)} is no name of a type`);
    }
    further(stream, number);
  }
}

// -- What only the whole table shows (sections 5.1, 5.5 and 8) --------------------------------------------------------

export class WholeTable {
  constructor(archive) {
    this.archive = archive;
    this.kinds = new Map(); // by path
    this.implied = new Set(); // directories above entries, be they entries or not
    this.schemas = 0;
    this.counts = [undefined, 0n, 0n, 0n, 0n, 0n, 0n]; // by kind
    this.fileBytes = 0;
    this.streams = archive.streams.map(() => ({ described: false, batches: 0, size: 0n }));
  }

  async add(entry) {
    if (this.schemas < this.archive.manifestSchemas && entry.kind !== KIND.SCHEMA) {
      fail('entries.reserved', `${entry.path} stands before the Schemas of the manifest`);
    }
    if (isUser(entry)) this._addPath(entry);
    else await this._addReserved(entry);
    this.counts[entry.kind] += 1n;
    if (entry.kind === KIND.FILE) this.fileBytes += entry.size;
  }

  /** Section 5.1. Reserved members have a folder of their own, so their paths meet only each other. */
  _addPath({ path, kind }) {
    if (this.kinds.has(path)) fail('path.duplicate', `two entries have the path ${path}`);
    if (kind !== KIND.DIRECTORY && this.implied.has(path)) fail('path.parent', `an entry is below ${path}`);
    this.kinds.set(path, kind);
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = path.slice(0, end);
      if ((this.kinds.get(parent) ?? KIND.DIRECTORY) !== KIND.DIRECTORY) fail('path.parent', `${path} is below ${parent}`);
      if (this.implied.has(parent)) break; // all above it are known, too
      this.implied.add(parent);
    }
    if (this.implied.size > MAX_IMPLIED_DIRECTORIES + this.kinds.size) {
      fail('limit.entries', 'paths imply too many directories');
    }
  }

  async _addReserved(entry) {
    const { archive } = this;
    const bad = (why) => fail('entries.reserved', `${entry.path} ${why}`);
    if (entry.kind === KIND.SCHEMA) {
      const number = this.schemas++;
      if (number >= archive.index.schemaCount || !entry.path.endsWith(`/${pad(number)}.binpb`)) {
        bad('is not the next Schema');
      }
      const frame = archive.index.lateSchemaFrames[number - archive.manifestSchemas];
      if (frame !== undefined && archive.tarOffsets[frame] !== entry.offset) {
        fail('section.misplaced', `Schema ${number} is not declared right before its member`);
      }
      this._compareContent(entry, (await archive.schema(number)).descriptorSet);
    } else if (entry.kind === KIND.STREAM) {
      const name = entry.path.split('/')[2];
      const stream = archive.streams.find((other) => other.name === name);
      if (stream === undefined || stream.schema >= this.schemas) bad('describes no stream that was declared');
      const state = this.streams[stream.number];
      if (state.described) bad('describes a stream again');
      state.described = true;
      const text = `type ${stream.type}\nschema ${pad(stream.schema)}\nversion ${stream.schemaVersion}\n`;
      this._compareContent(entry, utf8(text));
    } else if (entry.kind === KIND.BATCH) {
      const state = this.streams[entry.stream];
      const { name } = archive.streams[entry.stream];
      if (!state.described) bad('precedes the description of its stream');
      if (entry.path !== `.rosettar/streams/${name}/${pad(state.batches)}.binpb`) {
        bad('is not the next batch of its stream');
      }
      state.batches += 1;
      state.size += BigInt(entry.size);
    }
  }

  _compareContent(entry, wanted) {
    if (entry.size !== wanted.length || !equal(sha256(wanted), entry.digest)) {
      fail('entries.reserved', `${entry.path} has another content than the sections say`);
    }
  }

  complete() {
    if (this.schemas !== this.archive.index.schemaCount) fail('entries.reserved', 'the member of a Schema is missing');
    if (this.streams.some(({ described }) => !described)) {
      fail('entries.reserved', 'the description of a stream is missing');
    }
  }

  checkTotals() {
    const { totals, streams } = this.archive.index;
    const [, files, directories, symlinks, ...reserved] = this.counts;
    const right = files === totals.files && directories === totals.directories && symlinks === totals.symlinks
      && bigSum(reserved) === totals.reservedMembers && BigInt(this.fileBytes) === totals.fileBytes
      && streams.every((stream, i) => stream.size === this.streams[i].size && stream.batchCount === this.streams[i].batches);
    if (!right) fail('index.totals', 'a total is not the total of what it counts');
  }
}

const pad = (number) => String(number).padStart(8, '0');

// -- Records (section 6) ----------------------------------------------------------------------------------------------

/** Cuts the content of a batch, which comes in pieces, into records. */
export class Framer {
  constructor(batch, limit) {
    Object.assign(this, { batch, limit, left: batch.size, count: 0n, length: 0, digits: 0, parts: [], missing: -1 });
  }

  *push(piece) {
    for (let at = 0; at < piece.length; ) {
      if (this.missing < 0) {
        this.left -= 1;
        if (!this._digit(piece[at++])) continue;
        if (this.length > this.limit) fail('limit.record-bytes', `a record has ${this.length} bytes`);
        if (this.length > this.left) this._bad('a record ends behind its batch');
        this.missing = this.length;
      }
      const part = piece.subarray(at, at + this.missing);
      at += part.length;
      this.left -= part.length;
      this.missing -= part.length;
      this.parts.push(part);
      if (this.missing > 0) continue;
      yield this.parts.length === 1 ? part : concat(this.parts);
      Object.assign(this, { count: this.count + 1n, length: 0, digits: 0, parts: [], missing: -1 });
    }
  }

  /** Takes a byte of a length; true if it was the last. */
  _digit(byte) {
    const last = byte < 0x80;
    if (this.digits === 9 && byte > 1) this._bad('a length is too large or too long');
    if (last && byte === 0 && this.digits > 0) this._bad('a length is not minimal');
    this.length += (byte & 0x7f) * 2 ** (7 * this.digits++);
    return last;
  }

  _bad(why) {
    fail('record.framing', `${this.batch.path}: ${why}`);
  }

  end() {
    if (this.missing >= 0 || this.digits > 0) this._bad('it ends within a record');
    if (this.count !== this.batch.records) {
      fail('record.count', `${this.batch.path} has ${this.count} records, not ${this.batch.records}`);
    }
  }
}
