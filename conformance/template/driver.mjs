// SPDX-License-Identifier: Apache-2.0
// The beginning of a driver for conformance/run, in JavaScript (Node). It checks the first 29 bytes of an archive; the
// rest is yours. README.md has the protocol, FORMAT.md the format.
//
//     conformance/run --levels 0 node driver.mjs
//
// Numbers: sizes and times need 64 bits. Keep them as BigInt, and print them as JSON numbers with their digits (see
// `print` below); JSON.stringify of a number beyond 2^53 would round it.

import { closeSync, openSync, readSync } from "node:fs";

class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

class NotImplementedYet extends Error {} // the runner counts it as skipped

const FIRST = Buffer.concat([Buffer.from("28B52FFD20000100005A2A4D180C000000", "hex"), Buffer.from("ROSETTAR")]);

// FORMAT.md, section 3.1.
function checkFirstBytes(data) {
  const start = data.subarray(0, 25);
  if (!start.equals(FIRST.subarray(0, start.length))) {
    throw new Refused("envelope.unknown-magic", "this is no Rosettar archive");
  }
  if (data.length < 29) throw new Refused("envelope.truncated", "the file ends within its header");
  if (data[25] !== 1) throw new Refused("envelope.unsupported-version", `major version ${data[25]}`);
  if (data[27] || data[28]) throw new Refused("envelope.reserved", "reserved bytes are not zero");
}

function readAt(file, offset, length) {
  const data = Buffer.alloc(length);
  return data.subarray(0, readSync(file, data, 0, length, offset));
}

function list(path, limits) {
  const file = openSync(path);
  try {
    checkFirstBytes(readAt(file, 0, 29));
    // Section 11.1 goes on:
    // 2. the end of the file: the seek table's footer, and with it the place of INDX (section 9)
    // 3. INDX: head, digest, the rules of section 8 in the order of their table
    // 4. the seek table, rebuilt from the index and compared
    // 5. the manifest (section 4)
    // then, for one who lists: late Schemas (step 8); the pages of the entry table (step 6, section 7), and entry by
    // entry what only all of them together show (step 11); the last payload frame
    throw new NotImplementedYet();
    // return { entries: [...], streams: [...], attributes: {...}, root: "..." };
    // an entry: path, kind ("file", "directory", "symlink"), size, mode, mtime, nanoseconds, target (null but for links)
  } finally {
    closeSync(file);
  }
}

function run(action, args) {
  if (action === "about") return { name: "mine", version: "0", levels: [0], writer: false };
  if (action === "list") return list(args[0], Object.fromEntries(args.slice(1).map((each) => each.split("="))));
  throw new NotImplementedYet();
}

// JSON in which a BigInt is a number.
function print(value) {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(print).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}:${print(each)}`).join(",")}}`;
}

try {
  console.log(print(run(process.argv[2], process.argv.slice(3))));
} catch (error) {
  if (error instanceof Refused) {
    console.log(print({ code: error.code, message: error.message }));
    process.exitCode = 1;
  } else if (error instanceof NotImplementedYet) {
    process.exitCode = 2;
  } else {
    console.error(error);
    process.exitCode = 3; // Node's own exit code for it is 1, which would say "refused"
  }
}
