#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Runs the reader as a process: `driver.mjs ACTION FILE [LIMIT=NUMBER ...]`. Prints one JSON object; exits with 0 when done,
// 1 when the archive was refused, 2 for an action that is not implemented.

import { open as openFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { KIND, RosettarError, open } from './rosettar.mjs';

const LEVELS = { list: 0, read: 1, records: 2 };
const NAMES = { [KIND.FILE]: 'file', [KIND.DIRECTORY]: 'directory', [KIND.SYMLINK]: 'symlink' };

/** JSON.stringify that prints every BigInt as the number it is, takes a Map for an object, and keeps the sign of -0. */
export function stringify(value) {
  if (typeof value === 'bigint') return String(value);
  if (Object.is(value, -0)) return '-0.0';
  if (Array.isArray(value)) return `[${value.map(stringify).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = value instanceof Map ? [...value] : Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${stringify(field)}`).join(',')}}`;
}

/** What the conformance tests compare: everything that an archive says, up to the level that was asked for. */
export async function describe(source, level, limits = {}) {
  const archive = await open(source, { limits });
  const entries = [];
  const onEntry = (entry) => entries.push({
    path: entry.path, kind: NAMES[entry.kind], size: entry.size,
    mode: entry.mode, mtime: entry.mtime, nanoseconds: entry.nanoseconds,
    sha256: level < LEVELS.read ? undefined : entry.kind === KIND.FILE ? Buffer.from(entry.digest).toString('hex') : null,
    target: entry.target ?? null,
  });
  if (level === LEVELS.list) for await (const entry of archive.entries()) onEntry(entry);
  else await archive.verify({ onEntry });
  const streams = [];
  for (const { name, type, records, sha256 } of archive.streams) {
    const stream = { name, type, records };
    if (level >= LEVELS.read) stream.sha256 = sha256;
    if (level >= LEVELS.records) {
      stream.json = [];
      for await (const record of archive.json(name)) stream.json.push(record);
    }
    streams.push(stream);
  }
  const content = level < LEVELS.read ? undefined : archive.content;
  return { entries, streams, attributes: archive.attributes, root: archive.root, content };
}

async function main([action, path, ...rest]) {
  if (action === 'about') {
    console.log(stringify({ name: 'rosettar-javascript', version: '1.0.0', levels: [0, 1, 2], writer: false }));
    return 0;
  }
  if (!Object.hasOwn(LEVELS, action ?? '')) return 2;
  try {
    const limits = Object.fromEntries(rest.map((setting) => [setting.split('=')[0], Number(setting.split('=')[1])]));
    const file = await openFile(path).catch((error) => {
      throw new RosettarError('io.file', error.message);
    });
    const { size } = await file.stat();
    const read = async (offset, length) => {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(length, 2 ** 20)), { position: offset });
      return new Uint8Array(buffer.buffer, buffer.byteOffset, bytesRead);
    };
    console.log(stringify(await describe({ size, read }, LEVELS[action], limits)));
    return 0;
  } catch (error) {
    if (!(error instanceof RosettarError)) throw error;
    console.log(stringify({ code: error.code, kind: error.kind, message: error.message }));
    return 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main(process.argv.slice(2));
