// SPDX-License-Identifier: Apache-2.0
// The tar profile (section 5 of spec/FORMAT.md): there is one way to write each header, so a reader writes it and compares.

import { concat, fail, utf8 } from './wire.mjs';

export const KIND = { FILE: 1, DIRECTORY: 2, SYMLINK: 3, SCHEMA: 4, STREAM: 5, BATCH: 6 };
export const isUser = (entry) => entry.kind <= KIND.SYMLINK;
export const hasContent = (entry) => entry.kind !== KIND.DIRECTORY && entry.kind !== KIND.SYMLINK;

const BLOCK = 512n;
const MAX_FIELD = 8589934592n; // 8 to the 11

/** How many zero bytes follow so many bytes. */
export const padding = (size) => (BLOCK - (size % BLOCK)) % BLOCK;

const isLong = (bytes) => bytes.length > 100 || bytes.some((byte) => byte >= 0x80);

/** The field form (section 5.2): what a tar that knows no PAX header sees. */
function fieldForm(bytes) {
  if (!isLong(bytes)) return bytes;
  const field = bytes.slice(0, 100).map((byte) => (byte >= 0x80 ? 0x5f : byte));
  if (field[99] === 0x2f) field[99] = 0x5f;
  return field;
}

/** A PAX record counts its own length, digits included; the least number that fits (section 5.3). */
function paxRecord(key, value) {
  const rest = concat([utf8(` ${key}=`), value, utf8('\n')]);
  let digits = 1;
  while (String(rest.length + digits).length !== digits) digits++;
  return concat([utf8(String(rest.length + digits)), rest]);
}

function headerBlock({ name, mode, size, mtime, type, linkname }) {
  const block = new Uint8Array(512);
  const put = (offset, value) => block.set(typeof value === 'string' ? utf8(value) : value, offset);
  const octal = (value, digits) => value.toString(8).padStart(digits, '0');
  put(0, fieldForm(name));
  put(100, octal(mode, 7));
  put(108, '0000000');
  put(116, '0000000');
  put(124, octal(size, 11));
  put(136, octal(mtime, 11));
  put(148, '        ');
  put(156, type);
  put(157, fieldForm(linkname));
  put(257, 'ustar\x0000');
  put(329, '0000000');
  put(337, '0000000');
  put(148, `${octal(block.reduce((sum, byte) => sum + byte, 0), 6)}\0 `);
  return block;
}

const NOTHING = new Uint8Array(0);

/** The header of an entry: PAX header and records where it needs them (section 5.3), and the header block (section 5.2). */
export function headerBytes(entry) {
  const name = utf8(entry.kind === KIND.DIRECTORY ? `${entry.path}/` : entry.path);
  const linkname = entry.kind === KIND.SYMLINK ? utf8(entry.target) : NOTHING;
  const largeSize = entry.size >= MAX_FIELD;
  const largeTime = entry.mtime < 0n || entry.mtime >= MAX_FIELD;
  const records = [];
  if (isLong(name)) records.push(paxRecord('path', name));
  if (isLong(linkname)) records.push(paxRecord('linkpath', linkname));
  if (largeSize) records.push(paxRecord('size', utf8(String(entry.size))));
  if (largeTime) records.push(paxRecord('mtime', utf8(String(entry.mtime))));
  const parts = [];
  if (records.length > 0) {
    const pax = concat(records);
    const size = BigInt(pax.length);
    parts.push(headerBlock({ name: utf8('PaxHeader'), mode: 0o644, size, mtime: 0n, type: 'x', linkname: NOTHING }));
    parts.push(pax, new Uint8Array(Number(padding(size))));
  }
  const type = entry.kind === KIND.DIRECTORY ? '5' : entry.kind === KIND.SYMLINK ? '2' : '0';
  const [size, mtime] = [largeSize ? 0n : entry.size, largeTime ? 0n : entry.mtime];
  parts.push(headerBlock({ name, mode: entry.mode, size, mtime, type, linkname }));
  return concat(parts);
}

// -- Paths (section 5.1) ----------------------------------------------------------------------------------------------

// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

export function checkPath(path, limits) {
  const parts = path.split('/');
  if (CONTROL.test(path) || parts.some((part) => part === '' || part === '.' || part === '..')) {
    fail('path.invalid', `${JSON.stringify(path)} is no path`);
  }
  if (utf8(path).length > limits['path-bytes']) {
    fail('limit.path-bytes', `a path has more than ${limits['path-bytes']} bytes`);
  }
  if (parts.some((part) => utf8(part).length > limits['component-bytes'])) {
    fail('limit.component-bytes', `a component has more than ${limits['component-bytes']} bytes`);
  }
  if (parts.length > limits['path-depth']) {
    fail('limit.path-depth', `a path has more than ${limits['path-depth']} components`);
  }
}

export function checkTarget(target, limits) {
  if (target === '' || CONTROL.test(target)) fail('path.invalid', `${JSON.stringify(target)} is no target of a link`);
  if (utf8(target).length > limits['path-bytes']) {
    fail('limit.path-bytes', `a target has more than ${limits['path-bytes']} bytes`);
  }
}

const FORMS = {
  [KIND.SCHEMA]: /^\.rosettar\/schemas\/\d{8}\.binpb$/,
  [KIND.STREAM]: /^\.rosettar\/streams\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\/stream\.txt$/,
  [KIND.BATCH]: /^\.rosettar\/streams\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\/\d{8}\.binpb$/,
};

/** Whether a kind may have a path of this form (sections 5.1 and 5.5). */
export function checkForm(entry) {
  if (!isUser(entry)) {
    if (!FORMS[entry.kind].test(entry.path)) fail('entries.reserved', `a reserved member has the path ${entry.path}`);
  } else if (/^\.rosettar(\/|$)/i.test(entry.path)) fail('path.reserved', `${entry.path} is kept for the format`);
}

