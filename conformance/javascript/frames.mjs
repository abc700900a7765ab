// SPDX-License-Identifier: Apache-2.0
// Frames and sections (sections 3 and 9 of spec/FORMAT.md).

import { ZSTDDecoder } from 'zstddec';
import { concat, fail, view } from './wire.mjs';

export const MAX_CHUNK = 8388608;
const MAX_WINDOW = 8388608;
const MAX_BLOCK = 128 * 1024;
export const SECTION_HEAD = 48;
const SECTION_MAGIC = 0x184d2a5a;
const ZSTD_MAGIC = 0xfd2fb528;

// -- zstd frames (section 3.2) ----------------------------------------------------------------------------------------

const zstd = new ZSTDDecoder();

/** Has to be awaited once, before the first frame is decoded. */
export const ready = () => zstd.init();

/** The largest that a frame of so many decoded bytes may be. */
export const maxStored = (decoded) => decoded + Math.floor(decoded / 128) + 1024;

/** Reads the header of a zstd frame (RFC 8878, 3.1.1.1) and refuses what section 3.2 refuses about it. */
export function frameHeader(frame) {
  const bad = (why) => fail('frame.header', `a zstd frame ${why}`);
  if (frame.length < 5 || view(frame).getUint32(0, true) !== ZSTD_MAGIC) bad('has another magic number');
  const descriptor = frame[4];
  const single = (descriptor & 0x20) !== 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  if (sizeBytes === 0) bad('does not state its content size');
  if (descriptor & 0x08) bad('has its reserved bit set');
  if (!(descriptor & 0x04)) bad('has no checksum');
  if (descriptor & 0x03) bad('has a dictionary ID');
  const size = (single ? 5 : 6) + sizeBytes;
  if (frame.length < size) bad('is shorter than its header');
  const field = view(frame.subarray(size - sizeBytes, size));
  let content = field.getUint8(0);
  if (sizeBytes === 2) content = field.getUint16(0, true) + 256;
  else if (sizeBytes === 4) content = field.getUint32(0, true);
  else if (sizeBytes === 8) content = Number(field.getBigUint64(0, true)); // inexact only far above any limit
  const base = 2 ** (10 + (frame[5] >> 3));
  const window = single ? content : base + (base / 8) * (frame[5] & 7);
  if (window > MAX_WINDOW) bad(`has a window of ${window} bytes`);
  return { size, content, window };
}

/**
 * Decodes a frame whose header and sizes were judged. The library is libzstd, compiled to WebAssembly: it refuses what RFC
 * 8878 forbids within blocks, and compares the checksum. What it lets pass is found first, by walking from block to block: a
 * second frame, or bytes after the checksum. Its wrapper answers every error with an empty array, and no content is empty.
 */
export function decodeFrame(frame, { size, content, window }) {
  const bad = (why) => fail('frame.decode', `a zstd frame does not decode: ${why}`);
  const maxBlock = Math.min(window, MAX_BLOCK);
  let at = size;
  for (let last = false; !last; ) {
    if (at + 3 > frame.length) bad('it ends before its last block');
    const header = frame[at] | (frame[at + 1] << 8) | (frame[at + 2] << 16);
    const type = (header >> 1) & 3;
    last = (header & 1) === 1;
    if (type === 3) bad('a block has the reserved type');
    if (header >> 3 > maxBlock) bad('a block is too large');
    at += 3 + (type === 1 ? 1 : header >> 3);
  }
  if (at + 4 !== frame.length) bad('it does not end with its checksum');
  let chunk;
  try {
    chunk = zstd.decode(frame, content);
  } catch (error) {
    fail('frame.decode', 'the zstd decoder failed', error);
  }
  if (chunk.length !== content) bad('blocks, size or checksum are wrong');
  return chunk;
}

// -- Sections (section 3.3) -------------------------------------------------------------------------------------------

const KINDS = ['MANI', 'SCHM', 'ENTR', 'INDX'];

/** Reads the head of a section in a frame of `stored` bytes. */
export function sectionHead(head, stored) {
  const bad = (why) => fail('section.head', `a section ${why}`);
  if (head.length < SECTION_HEAD || stored < SECTION_HEAD) bad('is too short');
  const fields = view(head);
  if (fields.getUint32(0, true) !== SECTION_MAGIC) bad('has another magic number');
  if (fields.getUint32(4, true) !== stored - 8) bad('states another length');
  const kind = String.fromCharCode(...head.subarray(8, 12));
  if (!/^[A-Za-z]{4}$/.test(kind)) bad('has no kind');
  if (fields.getUint32(12, true) !== 0) bad('has reserved bytes that are not zero');
  return { kind, digest: head.slice(16, SECTION_HEAD) };
}

/** A lower-case first letter says that a reader may ignore a section that it does not know. */
export const isAncillary = (kind) => !KINDS.includes(kind) && /^[a-z]/.test(kind);

export function expectKind(kind, wanted) {
  if (kind === wanted) return;
  if (!KINDS.includes(kind) && !isAncillary(kind)) fail('section.unknown-kind', `a section of the unknown kind ${kind}`);
  fail('section.misplaced', `a section ${kind} stands where only ${wanted} may`);
}

// -- The seek table (section 9) ---------------------------------------------------------------------------------------

const TABLE_MAGIC = 0x184d2a5e;
const FOOTER_MAGIC = 0x8f92eab1;
export const FOOTER = 9;

/** The number of rows, by the last 9 bytes of the file; undefined where they are no footer. */
export function tableRows(footer) {
  const fields = view(footer);
  return fields.getUint8(4) === 0 && fields.getUint32(5, true) === FOOTER_MAGIC ? fields.getUint32(0, true) : undefined;
}

export const tableSize = (rows) => 8 * rows + 17;

export function isTableHeader(bytes, rows) {
  return view(bytes).getUint32(0, true) === TABLE_MAGIC && view(bytes).getUint32(4, true) === 8 * rows + FOOTER;
}

/** The only seek table that an archive of these frames may have. */
export function seekTable(storedSizes, decodedSizes) {
  const rows = storedSizes.length;
  const bytes = new Uint8Array(tableSize(rows));
  const fields = view(bytes);
  fields.setUint32(0, TABLE_MAGIC, true);
  fields.setUint32(4, 8 * rows + FOOTER, true);
  for (let i = 0; i < rows; i++) {
    fields.setUint32(8 + 8 * i, storedSizes[i], true);
    fields.setUint32(12 + 8 * i, decodedSizes[i], true);
  }
  fields.setUint32(8 + 8 * rows, rows, true);
  fields.setUint32(13 + 8 * rows, FOOTER_MAGIC, true);
  return bytes;
}

// -- Sources ----------------------------------------------------------------------------------------------------------

/**
 * Makes a source of a Uint8Array, an ArrayBuffer, a Blob or File, or of `{size, read(offset, length)}`, whose `read` may
 * return fewer bytes than asked for. Nothing is allocated by a length that the file does not have.
 */
export function makeSource(input) {
  let source = input;
  if (input instanceof ArrayBuffer) source = makeSource(new Uint8Array(input));
  else if (input instanceof Uint8Array) {
    source = { size: input.length, read: async (offset, length) => input.subarray(offset, offset + length) };
  } else if (typeof Blob !== 'undefined' && input instanceof Blob) {
    const read = async (offset, length) => new Uint8Array(await input.slice(offset, offset + length).arrayBuffer());
    source = { size: input.size, read };
  }
  const read = async (offset, length) => {
    const parts = [];
    for (let done = 0; done < length; done += parts[parts.length - 1].length) {
      let part;
      try {
        part = await source.read(offset + done, length - done);
      } catch (error) {
        fail('io.read', `reading at ${offset + done} failed: ${error.message}`, error);
      }
      if (part.length === 0) fail('io.read', `the source ends at ${offset + done}, although it has ${source.size} bytes`);
      parts.push(part);
    }
    return parts.length === 1 ? parts[0] : concat(parts);
  };
  return { size: source.size, read };
}

