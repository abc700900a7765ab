// SPDX-License-Identifier: Apache-2.0
// What every other module needs: errors, bytes, and protobuf's wire format. Sections are those of spec/FORMAT.md.

// -- Errors (spec/ERRORS.md) ------------------------------------------------------------------------------------------

const UNSUPPORTED = ['envelope.unsupported-version', 'section.unknown-kind', 'feature.unknown', 'entries.kind'];
const INTEGRITY = ['index.manifest', 'tar.header', 'tar.padding', 'tar.end'];

function kindOf(code) {
  const [area, fault] = code.split('.');
  if (UNSUPPORTED.includes(code)) return 'unsupported';
  if (fault === 'digest' || INTEGRITY.includes(code)) return 'integrity';
  if (code === 'record.decode') return 'schema';
  return ['limit', 'policy', 'schema', 'usage', 'io'].includes(area) ? area : 'malformed';
}

/** Every refusal is one of these; `code` and `kind` are those of ERRORS.md. */
export class RosettarError extends Error {
  constructor(code, message, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RosettarError';
    this.code = code;
    this.kind = kindOf(code);
  }
}

export function fail(code, message, cause) {
  throw new RosettarError(code, message, cause);
}

// -- Bytes and text (section 1) ---------------------------------------------------------------------------------------

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const utf8 = (text) => encoder.encode(text);

/** Throws a TypeError where the bytes are not UTF-8. */
export const text = (bytes) => decoder.decode(bytes);

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export function equal(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function concat(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Bytewise order of the UTF-8 of two strings, which is that of code points. JavaScript's own is that of UTF-16. */
export function compareText(a, b) {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return a.codePointAt(i) - b.codePointAt(i);
  }
  return a.length - b.length;
}

// -- Protobuf's wire format (section 1) -------------------------------------------------------------------------------

const MAX_GROUPS = 100;

/** Reads fields one by one; anything that does not decode is refused with `code`. */
export class Wire {
  constructor(bytes, code) {
    this.all = bytes;
    this.at = 0;
    this.code = code;
    this.number = 0;
    this.type = 0;
    this.low = 0;
    this.high = 0;
  }

  bad(why) {
    fail(this.code, `no protobuf message: ${why}`);
  }

  /** Reads a varint into `low` and `high`, 32 bits each. */
  varint() {
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      if (this.at >= this.all.length) this.bad('it ends within a number');
      const byte = this.all[this.at++];
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) [low, high] = [low | (bits << 28), bits >>> 4];
      else if (shift < 63 || bits <= 1) high |= bits << (shift - 32);
      else this.bad('a number is too large');
      if (byte < 0x80) break;
      if (shift === 63) this.bad('a number is too long');
    }
    this.low = low >>> 0;
    this.high = high >>> 0;
  }

  /** Moves to the next field and sets `number` and `type`; false at the end. */
  next() {
    if (this.at === this.all.length) return false;
    this.varint();
    this.number = this.low >>> 3;
    this.type = this.low & 7;
    if (this.high !== 0 || this.number === 0) this.bad('a field number is out of range');
    return true;
  }

  take(length) {
    if (length > this.all.length - this.at) this.bad('it ends within a field');
    this.at += length;
    return this.all.subarray(this.at - length, this.at);
  }

  bytes() {
    this.varint();
    return this.take(this.high > 0 ? Infinity : this.low);
  }

  string() {
    try {
      return text(this.bytes());
    } catch (error) {
      if (error instanceof RosettarError) throw error;
      return this.bad('text is not UTF-8');
    }
  }

  skip() {
    const groups = [];
    do {
      if (this.type === 0) this.varint();
      else if (this.type === 1) this.take(8);
      else if (this.type === 2) this.bytes();
      else if (this.type === 5) this.take(4);
      else if (this.type === 3 && groups.length < MAX_GROUPS) groups.push(this.number);
      else if (this.type !== 4 || groups.pop() !== this.number) this.bad(`a field has wire type ${this.type}`);
      if (groups.length > 0 && !this.next()) this.bad('a group does not end');
    } while (groups.length > 0);
  }
}

const u64 = (wire) => (BigInt(wire.high) << 32n) | BigInt(wire.low);

// How a varint becomes a value, by the type of the field.
const NUMBERS = {
  uint32: (wire) => wire.low,
  int32: (wire) => wire.low | 0,
  bool: (wire) => wire.low !== 0 || wire.high !== 0,
  uint64: u64,
  int64: (wire) => BigInt.asIntN(64, u64(wire)),
  sint64: (wire) => (u64(wire) >> 1n) ^ -(u64(wire) & 1n),
};
const DEFAULTS = { string: '', bytes: new Uint8Array(0), bool: false, uint32: 0, int32: 0 };

/**
 * A message type: `{name: [number, type]}`, where type is the name of a scalar or such a table. A repeated field has `*` after
 * the scalar, or brackets around the table; `?` after a scalar leaves the field undefined, instead of 0, where it is absent.
 */
export function table(fields) {
  const byNumber = new Map();
  const empty = () => {
    const message = {};
    for (const field of byNumber.values()) {
      if (field.many) message[field.name] = [];
      else if (field.optional || typeof field.type !== 'string') message[field.name] = undefined;
      else message[field.name] = DEFAULTS[field.type] ?? 0n;
    }
    return message;
  };
  for (const [name, [number, type]] of Object.entries(fields)) {
    const [, scalar, mark] = typeof type === 'string' ? /^(\w+)([*?]?)$/.exec(type) : [];
    const many = Array.isArray(type) || mark === '*';
    byNumber.set(number, { name, many, optional: mark === '?', type: scalar ?? (many ? type[0] : type) });
  }
  return { byNumber, empty };
}

/**
 * Decodes a message. `budget` bounds what it costs (section 11.4): `numbers` and `things` (strings and messages) count down,
 * `depth` is how deep messages may nest, `code` is the error for each.
 */
export function decode(bytes, type, code, budget, message = type.empty(), depth = 0) {
  if (depth > (budget.depth ?? 16)) fail(budget.code, 'messages are nested too deep');
  const wire = new Wire(bytes, code);
  const count = (what) => {
    if (--budget[what] < 0) fail(budget.code, `there are too many ${what}`);
  };
  while (wire.next()) {
    const field = type.byNumber.get(wire.number);
    if (field === undefined) {
      if (type.closed) wire.bad(`field ${wire.number} is unknown`);
      wire.skip();
      continue;
    }
    let value;
    if (field.type in NUMBERS) {
      const number = NUMBERS[field.type];
      if (wire.type === 2 && field.many) {
        const packed = new Wire(wire.bytes(), code);
        while (packed.at < packed.all.length) {
          packed.varint();
          count('numbers');
          message[field.name].push(number(packed));
        }
        continue;
      }
      if (wire.type !== 0) wire.bad(`${field.name} has wire type ${wire.type}`);
      wire.varint();
      count('numbers');
      value = number(wire);
    } else {
      if (wire.type !== 2) wire.bad(`${field.name} has wire type ${wire.type}`);
      count('things');
      const before = field.many ? undefined : message[field.name];
      if (field.type === 'string') value = wire.string();
      else if (field.type === 'bytes') value = wire.bytes();
      else value = decode(wire.bytes(), field.type, code, budget, before ?? field.type.empty(), depth + 1);
    }
    if (field.many) message[field.name].push(value);
    else message[field.name] = value;
  }
  return message;
}
