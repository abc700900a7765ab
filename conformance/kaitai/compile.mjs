// SPDX-License-Identifier: Apache-2.0
// Compiles a description of ../../spec: `node compile.mjs rosettar|c1z LANGUAGE FOLDER` writes source files into the folder.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import compiler from 'kaitai-struct-compiler';
import { parse } from 'yaml';

/** The source files that the compiler makes of a description, by their names. */
export function compile(name, language) {
  const text = readFileSync(new URL(`../../spec/${name}.ksy`, import.meta.url), 'utf8');
  return compiler.compile(language, parse(text), null, false);
}

/** The class that reads what is described, compiled to JavaScript in memory. */
export async function load(name) {
  const files = Object.values(await compile(name, 'javascript'));
  const exports = {};
  new Function('exports', 'require', files[0])(exports, createRequire(import.meta.url));
  return Object.values(exports)[0];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name, language, folder] = process.argv.slice(2);
  const files = await compile(name, language);
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, basename(path)), text);
}
