// SPDX-License-Identifier: Apache-2.0
// Descriptor sets (section 4.2 of spec/FORMAT.md), and records as canonical protobuf JSON by what they define.
//
// A descriptor set comes from whoever made the archive. So it is decoded here, within bounds, and only what was found right is
// handed to the protobuf library: names, numbers and types, without options, source positions and services, which decoding
// does not need. This reader knows no editions; they would need options.

import { create, createFileRegistry, fromBinary, ScalarType, toJson } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { RosettarError, Wire, compareText, concat, decode, fail, table, utf8 } from './wire.mjs';

// -- google/protobuf/descriptor.proto ---------------------------------------------------------------------------------

const FIELD = table({
  name: [1, 'string'], extendee: [2, 'string'], number: [3, 'int32'], label: [4, 'int32?'], type: [5, 'int32?'],
  typeName: [6, 'string'], defaultValue: [7, 'string?'], options: [8, 'bytes*'], oneofIndex: [9, 'int32?'],
  jsonName: [10, 'string?'], proto3Optional: [17, 'bool'],
});
const RANGE = table({ start: [1, 'int32'], end: [2, 'int32'], options: [3, 'bytes*'] });
const VALUE = table({ name: [1, 'string'], number: [2, 'int32'], options: [3, 'bytes*'] });
const ENUM = table({
  name: [1, 'string'], value: [2, [VALUE]], options: [3, 'bytes*'], reservedRange: [4, [RANGE]], reservedName: [5, 'string*'],
});
const ONEOF = table({ name: [1, 'string'], options: [2, 'bytes*'] });
const MESSAGE = table({
  name: [1, 'string'], field: [2, [FIELD]], enumType: [4, [ENUM]], extensionRange: [5, [RANGE]], extension: [6, [FIELD]],
  options: [7, 'bytes*'], oneofDecl: [8, [ONEOF]], reservedRange: [9, [RANGE]], reservedName: [10, 'string*'],
});
MESSAGE.byNumber.set(3, { name: 'nestedType', many: true, type: MESSAGE });
const METHOD = table({ name: [1, 'string'], options: [4, 'bytes*'] });
const SERVICE = table({ name: [1, 'string'], method: [2, [METHOD]], options: [3, 'bytes*'] });
const FILE = table({
  name: [1, 'string'], package: [2, 'string'], dependency: [3, 'string*'], messageType: [4, [MESSAGE]], enumType: [5, [ENUM]],
  service: [6, [SERVICE]], extension: [7, [FIELD]], options: [8, 'bytes*'], sourceCodeInfo: [9, 'bytes*'],
  syntax: [12, 'string'], edition: [14, 'int32?'],
});
const LOCATION = table({
  path: [1, 'int32*'], span: [2, 'int32*'], leadingComments: [3, 'string'], trailingComments: [4, 'string'],
  detachedComments: [6, 'string*'],
});
const SET = table({ file: [1, 'bytes*'] });
SET.closed = true; // "with nothing in it but files"
const IMPORTS = table({ name: [1, 'string'], dependency: [3, 'string*'] });
const MESSAGE_OPTIONS = table({ mapEntry: [7, 'bool'] });

// -- Bounds (section 4.2) ---------------------------------------------------------------------------------------------

const MAX_FILES = 4096;
const MAX_IMPORTS = 65536;
const MAX_FILE_IMPORTS = 1024;
const MAX_SYMBOLS = 65536;
const MAX_RESERVED = 65536;
const MAX_NAME_PART = 255;
const MAX_LEVELS = 32;
const MAX_NAMES = 16777216;
const MAX_OPTIONS = 1048576;
const MAX_EXTENSIONS = 4096;

const tooLarge = (why) => fail('schema.too-large', `a descriptor set has ${why}`);
const wrong = (why) => fail('schema.descriptor', `a descriptor set is malformed: ${why}`);
// More than a set within the bounds has. Messages nest in a set, a file, `MAX_LEVELS` messages and a field with options.
const budget = () => ({ numbers: 1048576, things: 1048576, depth: MAX_LEVELS + 2, code: 'schema.too-large' });

const splitSet = (bytes) => decode(bytes, SET, 'schema.protobuf', budget()).file;

/** That a descriptor set is closed and in order. Only names and imports are looked at. */
export function checkClosure(descriptorSet) {
  const cost = budget();
  const files = splitSet(descriptorSet).map((file) => decode(file, IMPORTS, 'schema.protobuf', cost));
  if (files.some(({ name }) => name === '')) wrong('a file has no path');
  const paths = new Set(files.map(({ name }) => name));
  if (paths.size !== files.length) fail('schema.order', 'a path occurs twice');
  const importers = new Map(files.map(({ name }) => [name, []]));
  const waiting = new Map();
  for (const file of files) {
    const imports = new Set(file.dependency);
    for (const path of imports) {
      if (!importers.has(path)) fail('schema.closure', `${file.name} imports ${path}, which is missing`);
      importers.get(path).push(file.name);
    }
    waiting.set(file.name, imports.size);
  }
  if (files.length > MAX_FILES) tooLarge(`${files.length} files`);
  // Take, again and again, the least path of those whose imports were all taken.
  const free = [...waiting].filter(([, count]) => count === 0).map(([name]) => name);
  const order = [];
  while (order.length < files.length) {
    if (free.length === 0) fail('schema.cycle', 'files import each other in a cycle');
    const least = free.reduce((a, b) => (compareText(a, b) < 0 ? a : b));
    order.push(least);
    free.splice(free.indexOf(least), 1);
    for (const importer of importers.get(least)) {
      waiting.set(importer, waiting.get(importer) - 1);
      if (waiting.get(importer) === 0) free.push(importer);
    }
  }
  files.forEach(({ name }, i) => {
    if (name !== order[i]) fail('schema.order', `${name} stands where ${order[i]} must`);
  });
}

// -- The pool of types ------------------------------------------------------------------------------------------------

/** Parses a descriptor set within the bounds. */
export function makePool(descriptorSet) {
  const files = splitSet(descriptorSet);
  if (files.length > MAX_FILES) tooLarge(`${files.length} files`);
  const cost = budget();
  const decoded = files.map((file) => decode(file, FILE, 'schema.protobuf', cost));
  const judge = new Judge();
  for (const file of decoded) judge.file(file);
  for (const file of decoded) judge.fields(file);
  try {
    const set = { file: decoded.map((file) => libraryFile(file)) };
    return new Pool(createFileRegistry(create(FileDescriptorSetSchema, set)));
  } catch (error) {
    return fail('schema.descriptor', `the protobuf library refuses a descriptor set: ${error.message}`, error);
  }
}

/** That source positions decode: there may be many, and nothing of them is kept. */
function skimSourceInfo(bytes) {
  for (const wire = new Wire(bytes, 'schema.protobuf'); wire.next(); ) {
    const cost = { ...budget(), numbers: MAX_NAMES, things: MAX_NAMES };
    if (wire.number === 1 && wire.type === 2) decode(wire.bytes(), LOCATION, 'schema.protobuf', cost);
    else wire.skip();
  }
}

const full = (scope, name) => (scope === '' ? name : `${scope}.${name}`);

/** Judges descriptors: bounds first, as the library has none, then names, numbers and references. */
class Judge {
  constructor() {
    Object.assign(this, { symbols: new Map(), extensions: new Map() });
    Object.assign(this, { count: 0, names: 0, reserved: 0, imports: 0, importNames: 0 });
  }

  symbol(scope, name, kind) {
    const whole = full(scope, name);
    if (kind !== 'package' && ++this.count > MAX_SYMBOLS) tooLarge('too many symbols');
    if ((this.names += whole.length) > MAX_NAMES) tooLarge('too long full names');
    if (name.length > MAX_NAME_PART) tooLarge('a name that is too long');
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) wrong(`${JSON.stringify(name)} is no name`);
    if (this.symbols.has(whole)) wrong(`${whole} is defined twice`);
    this.symbols.set(whole, kind);
    return whole;
  }

  options({ options }, code = 'schema.protobuf') {
    if (options.reduce((sum, part) => sum + part.length, 0) > MAX_OPTIONS) tooLarge('too large options');
    for (const part of options) for (const wire = new Wire(part, code); wire.next(); ) wire.skip();
  }

  file(file) {
    if (file.edition !== undefined || file.syntax === 'editions') fail('schema.edition', `${file.name} uses an edition`);
    if (!['', 'proto2', 'proto3'].includes(file.syntax)) wrong(`the syntax ${JSON.stringify(file.syntax)} is unknown`);
    if (file.dependency.length > MAX_FILE_IMPORTS || (this.imports += file.dependency.length) > MAX_IMPORTS) {
      tooLarge('too many imports');
    }
    if ((this.importNames += file.dependency.reduce((sum, path) => sum + utf8(path).length, 0)) > MAX_NAMES) {
      tooLarge('too long imports');
    }
    this.options(file);
    file.sourceCodeInfo.forEach(skimSourceInfo);
    const parts = file.package === '' ? [] : file.package.split('.');
    if (parts.length > MAX_LEVELS) tooLarge('a package of too many parts');
    let scope = '';
    for (const part of parts) {
      if (this.symbols.get(full(scope, part)) === 'package') scope = full(scope, part);
      else scope = this.symbol(scope, part, 'package');
    }
    for (const message of file.messageType) this.message(message, scope, 1, file.syntax);
    for (const type of file.enumType) this.enum(type, scope, file.syntax);
    for (const extension of file.extension) this.symbol(scope, extension.name, 'field');
    for (const service of file.service) {
      this.options(service);
      const name = this.symbol(scope, service.name, 'service');
      for (const method of service.method) {
        this.symbol(name, method.name, 'method');
        this.options(method);
      }
    }
  }

  message(message, scope, level, syntax) {
    if (level > MAX_LEVELS) tooLarge('messages that are nested too deep');
    this.options(message);
    const name = this.symbol(scope, message.name, 'message');
    this.ranges(message, [...message.extensionRange, ...message.reservedRange]);
    for (const field of [...message.field, ...message.extension]) this.symbol(name, field.name, 'field');
    for (const oneof of message.oneofDecl) {
      this.symbol(name, oneof.name, 'oneof');
      this.options(oneof);
    }
    for (const type of message.enumType) this.enum(type, name, syntax);
    for (const nested of message.nestedType) this.message(nested, name, level + 1, syntax);
  }

  /** The values of an enum are symbols of the scope around it. */
  enum(type, scope, syntax) {
    this.options(type);
    this.symbol(scope, type.name, 'enum');
    this.ranges(type, type.reservedRange);
    if (type.value.length === 0) wrong(`the enum ${type.name} has no value`);
    if (syntax === 'proto3' && type.value[0].number !== 0) wrong(`the enum ${type.name} does not begin with 0`);
    for (const value of type.value) {
      this.symbol(scope, value.name, 'value');
      this.options(value);
    }
  }

  ranges({ reservedName }, ranges) {
    this.reserved += ranges.length + reservedName.length;
    if (this.reserved > MAX_RESERVED) tooLarge('too many ranges and reserved names');
    for (const range of ranges) this.options(range);
  }

  /** Once all symbols are known: what fields refer to. */
  fields(file) {
    for (const extension of file.extension) this.extension(extension);
    const messages = [...file.messageType];
    while (messages.length > 0) {
      const message = messages.pop();
      messages.push(...message.nestedType);
      for (const extension of message.extension) this.extension(extension);
      const numbers = new Set();
      for (const field of message.field) {
        this.field(field);
        if (file.syntax === 'proto3' && field.label === LABEL_REQUIRED) wrong(`${field.name} is required`);
        if (numbers.has(field.number)) wrong(`${message.name} has two fields of number ${field.number}`);
        numbers.add(field.number);
        if (field.extendee !== '') wrong(`the field ${field.name} extends something`);
        if (field.oneofIndex !== undefined && !(field.oneofIndex in message.oneofDecl)) {
          wrong(`${field.name} is of a oneof that is missing`);
        }
      }
    }
  }

  extension(field) {
    this.field(field);
    if (this.symbols.get(field.extendee.slice(1)) !== 'message' || field.extendee[0] !== '.') {
      wrong(`${field.name} extends no message`);
    }
    if (!this.extensions.has(field.extendee)) this.extensions.set(field.extendee, new Set());
    const numbers = this.extensions.get(field.extendee);
    if (numbers.has(field.number)) wrong(`${field.extendee} has two extensions of number ${field.number}`);
    numbers.add(field.number);
    if (numbers.size > MAX_EXTENSIONS) tooLarge('too many extensions of a message');
  }

  field(field) {
    this.options(field);
    if (field.jsonName !== undefined && utf8(field.jsonName).length > MAX_NAME_PART) tooLarge('a JSON name that is too long');
    if (field.number < 1 || field.number > 536870911) wrong(`${field.name} has number ${field.number}`);
    if (field.label !== undefined && !(field.label >= 1 && field.label <= 3)) {
      wrong(`${field.name} has label ${field.label}`);
    }
    const kind = this.symbols.get(field.typeName.slice(1));
    field.type ??= kind === 'enum' ? TYPE.ENUM : TYPE.MESSAGE; // need not be set where there is a type name
    const wanted = { [TYPE.ENUM]: 'enum', [TYPE.MESSAGE]: 'message', [TYPE.GROUP]: 'message' }[field.type];
    if (!(field.type >= 1 && field.type <= 18) || (wanted === undefined) !== (field.typeName === '')) {
      wrong(`${field.name} has no type`);
    }
    if (wanted !== undefined && (kind !== wanted || field.typeName[0] !== '.')) {
      wrong(`${field.name} has the type ${field.typeName}`);
    }
  }
}

const OPEN = 1;
const LABEL_REQUIRED = 2;
const TYPE = { GROUP: 10, MESSAGE: 11, ENUM: 14 };

/** What the compiler takes for a JSON name where none is stated. */
const jsonName = (name) => name.replace(/_+(.?)/g, (_, letter) => letter.toUpperCase());

/**
 * The descriptor of a file as the library is to see it. The library stores fields under names in camel case, where two may
 * become one; so they are named by their numbers, but for types whose names the library knows. All enums are open: in a
 * list, the library takes a closed one for open, and elsewhere it tries all values one by one.
 */
function libraryFile(file) {
  const known = file.package === 'google.protobuf';
  const field = (proto, name = proto.name) => ({
    name, number: proto.number, label: proto.label ?? 1, type: proto.type, typeName: proto.typeName, extendee: proto.extendee,
    oneofIndex: proto.oneofIndex, proto3Optional: proto.proto3Optional, jsonName: proto.jsonName ?? jsonName(proto.name),
  });
  const enumType = ({ name, value }) => ({
    name, value: value.map((one) => ({ name: one.name, number: one.number })), options: { features: { enumType: OPEN } },
  });
  const message = (proto) => {
    const { mapEntry } = decode(concat(proto.options), MESSAGE_OPTIONS, 'schema.protobuf', budget());
    return {
      name: proto.name,
      field: proto.field.map((one) => field(one, known || mapEntry ? one.name : `f${one.number}`)),
      oneofDecl: proto.oneofDecl.map((one, i) => ({ name: known ? one.name : `o${i}` })),
      extension: proto.extension.map((one) => field(one)),
      nestedType: proto.nestedType.map(message),
      enumType: proto.enumType.map(enumType),
      options: { mapEntry },
    };
  };
  return {
    name: file.name, package: file.package, dependency: file.dependency, syntax: file.syntax,
    messageType: file.messageType.map(message), enumType: file.enumType.map(enumType),
    extension: file.extension.map((one) => field(one)),
  };
}

class Pool {
  constructor(registry) {
    this.registry = registry;
    this.types = new Map();
  }

  has(name) {
    return this.registry.getMessage(name) !== undefined;
  }

  /** The message type of a stream. */
  type(name) {
    if (!this.has(name)) fail('schema.type', `the descriptor set does not define the message ${name}`);
    if (!this.types.has(name)) this.types.set(name, new RecordType(this, this.registry.getMessage(name)));
    return this.types.get(name);
  }
}

// -- Records ----------------------------------------------------------------------------------------------------------

const MAX_DEPTH = 101; // the record itself, and 100 messages in it, as the libraries of Google have it
const ANY = 'google.protobuf.Any';

class RecordType {
  constructor(pool, desc) {
    Object.assign(this, { pool, registry: pool.registry, desc });
  }

  /** A record as canonical protobuf JSON. `maxValues` bounds it before a message is built (section 6). */
  toJson(bytes, maxValues) {
    if (this.pool.broken) fail('schema.descriptor', 'types refer to each other too deep for the protobuf library');
    try {
      this._walk(this.desc, new Wire(bytes, 'record.decode'), { left: maxValues }, 1);
      const message = fromBinary(this.desc, bytes, { recursionLimit: MAX_DEPTH });
      return toJson(this.desc, message, { registry: this.registry });
    } catch (error) {
      if (error instanceof RosettarError) throw error;
      // The stack was too small for the types. What the library remembers of them is incomplete now.
      if (error instanceof RangeError) this.pool.broken = true;
      return fail('record.decode', `a record does not decode: ${error.message}`, error);
    }
  }

  /**
   * Counts the values of a message: each occurrence of a field, and each number in a packed one. The library takes no notice
   * of wire types, nor of a message that ends in the middle of a field, so those are refused here.
   */
  _walk(desc, wire, cost, depth, group = 0) {
    if (depth > MAX_DEPTH) wire.bad('it is nested too deep');
    const fields = (number) => fieldOf(desc, number) ?? this.registry.getExtensionFor(desc, number);
    const values = this._walkFields(fields, wire, cost, depth, group);
    if (desc.typeName !== ANY || values[2] === undefined) return;
    // JSON shows what is in an Any.
    const held = this.registry.getMessage((values[1] ?? '').replace(/^.*\//s, ''));
    if (held !== undefined) this._walk(held, new Wire(values[2], 'record.decode'), cost, depth + 1);
  }

  /** Returns text and bytes that are the values of fields, by the numbers of these. */
  _walkFields(fields, wire, cost, depth, group) {
    const values = {};
    while (wire.next()) {
      if (wire.type === 4 && wire.number === group) return values;
      this._count(cost);
      const field = fields(wire.number);
      if (field === undefined) wire.skip();
      else if (field.fieldKind === 'map' && wire.type === 2) {
        const { mapKey, scalar, message } = field;
        const entry = { 1: { scalar: mapKey }, 2: { scalar, message } };
        this._walkFields((number) => entry[number], inner(wire), cost, depth, 0);
      } else if (field.message && field.delimitedEncoding && wire.type === 3) {
        this._walk(field.message, wire, cost, depth + 1, field.number);
      } else if (field.message && !field.delimitedEncoding && wire.type === 2) {
        this._walk(field.message, inner(wire), cost, depth + 1);
      } else values[wire.number] = this._scalar(field, wire, cost);
    }
    if (group !== 0) wire.bad('a group does not end');
    return values;
  }

  /** Reads a value that is no message, or many that are packed. An enum is a number of which `scalar` is not set. */
  _scalar({ scalar, message, fieldKind }, wire, cost) {
    const type = WIRE_TYPES[scalar] ?? 0;
    if (wire.type === 2 && type !== 2 && fieldKind === 'list' && !message) {
      for (const packed = inner(wire); packed.at < packed.all.length; Object.assign(packed, { type }).skip()) this._count(cost);
      return undefined;
    }
    if (wire.type !== type || message) wire.bad('a field has another wire type');
    if (scalar === ScalarType.STRING) return wire.string();
    if (scalar === ScalarType.BYTES) return wire.bytes();
    return wire.skip();
  }

  _count(cost) {
    if (--cost.left < 0) fail('limit.record-values', 'a record has too many values');
  }
}

const inner = (wire) => new Wire(wire.bytes(), 'record.decode');

const WIRE_TYPES = {
  [ScalarType.DOUBLE]: 1, [ScalarType.FIXED64]: 1, [ScalarType.SFIXED64]: 1, [ScalarType.FLOAT]: 5, [ScalarType.FIXED32]: 5,
  [ScalarType.SFIXED32]: 5, [ScalarType.STRING]: 2, [ScalarType.BYTES]: 2,
};

const fieldMaps = new WeakMap();

function fieldOf(desc, number) {
  if (!fieldMaps.has(desc)) fieldMaps.set(desc, new Map(desc.fields.map((field) => [field.number, field])));
  return fieldMaps.get(desc).get(number);
}
