# SPDX-License-Identifier: Apache-2.0
meta:
  id: c1z
  title: C1Z file, versions 1 and 3
  file-extension: c1z
  license: Apache-2.0
  ks-version: '0.10'
  endian: be
doc: |
  The envelope of a C1Z file: the manifest and an index by the wire format of protobuf, and zstd frames down to their blocks.
  C1Z.md says what the files are. Nothing is decompressed or hashed here, and no tar or database described.
doc-ref: C1Z.md, section 1
seq:
  - id: magic
    contents: C1Z
  - id: version
    type: u1
    enum: file_version
    valid:
      any-of: [file_version::v1, file_version::v3]
  - id: zero
    contents: [0x00]
  - id: body
    type:
      switch-on: version
      cases:
        file_version::v1: single_frame
        file_version::v3: body_v3
instances:
  footer_size:
    value: 28
types:
  single_frame:
    doc: One zstd frame, which nothing follows. In version 1 it decodes to a database, else to a tar.
    doc-ref: C1Z.md, sections 1 and 2
    seq:
      - id: frame
        type: zstd_frame
      - id: nothing
        size-eos: true
        valid:
          expr: _.length == 0
  body_v3:
    doc-ref: C1Z.md, section 1
    seq:
      - id: len_manifest
        type: u4
        valid:
          max: 16777216
      - id: manifest
        size: len_manifest
        type: manifest
      - id: payload
        size-eos: true
        type:
          switch-on: manifest.payload_encoding
          cases:
            payload_encoding::tar_zstd: single_frame
            payload_encoding::tar: raw
            payload_encoding::indexed_zstd: indexed_payload(9 + len_manifest)
    doc: Version 3, after the magic number.
  manifest:
    doc: A `c1.c1z.v3.C1ZManifestV3`.
    doc-ref: C1Z.md, section 3, and c1z/manifest.proto
    seq:
      - id: fields
        type: 'field(message_type::manifest, 0, (_index == 0 ? 0 : fields[_index - 1].encoding).as<u8>)'
        repeat: eos
      - id: check
        size: 0
        valid:
          expr: >-
            payload_encoding == payload_encoding::tar_zstd or payload_encoding == payload_encoding::tar
            or payload_encoding == payload_encoding::indexed_zstd
        doc: No byte. There is a payload encoding, and it is a known one.
    instances:
      payload_encoding:
        value: '(fields.size == 0 ? 0 : fields.last.encoding).as<u8>'
        enum: payload_encoding
        doc: The last one that the manifest states.
  indexed_payload:
    doc: Frames, each a file, and behind them an index.
    doc-ref: C1Z.md, section 5
    params:
      - id: offset
        type: u8
        doc: Where the payload begins in the file.
    seq:
      - id: frames
        size: (footer.index_offset - offset).as<u8>
        type: frame_list
      - id: index
        size: footer.len_index
        type: message(message_type::index)
    instances:
      footer:
        pos: _io.size - _root.footer_size
        type: footer(offset + _io.size - _root.footer_size)
  frame_list:
    seq:
      - id: frames
        type: zstd_frame
        repeat: eos
  footer:
    doc-ref: C1Z.md, section 5
    params:
      - id: offset
        type: u8
        doc: Where it begins in the file.
    seq:
      - id: index_offset
        type: u8
        doc: Where the index begins in the file.
      - id: len_index
        type: u4
        valid:
          expr: _ <= 67108864 and index_offset + _ == offset
        doc: The index ends where the footer begins.
      - id: index_checksum
        type: u8
        doc: XXH64 of the index.
      - id: magic
        contents: ["C1ZIDX1", 0x00]
  zstd_frame:
    doc: A zstd frame without dictionary.
    doc-ref: C1Z.md, section 2, and RFC 8878, section 3.1.1
    seq:
      - id: magic
        contents: [0x28, 0xb5, 0x2f, 0xfd]
      - id: content_size_flag
        type: b2
      - id: is_single_segment
        type: b1
      - id: unused
        type: b1
      - id: reserved
        type: b1
        valid: false
      - id: has_checksum
        type: b1
      - id: dictionary_id_flag
        type: b2
        valid: 0
      - id: window_descriptor
        type: u1
        if: not is_single_segment
        valid:
          max: 0x88
        doc: Five bits of exponent above three of mantissa; 0x88 is 128 MiB, the largest window.
      - id: stated_content_size
        type:
          switch-on: content_size_flag
          cases:
            0: u1
            1: u2le
            2: u4le
            3: u8le
        if: is_single_segment or content_size_flag != 0
        valid:
          expr: not is_single_segment or content_size <= 134217728
        doc: Of two bytes it is less by 256 than what it means.
      - id: blocks
        type: 'block((_index == 0 ? 0 : blocks[_index - 1].offset_after).as<u8>)'
        repeat: until
        repeat-until: _.is_last
      - id: checksum
        type: u4le
        if: has_checksum
    instances:
      content_size:
        value: '(content_size_flag == 1 ? stated_content_size + 256 : stated_content_size).as<u8>'
        if: is_single_segment or content_size_flag != 0
  block:
    doc: A block of a zstd frame.
    doc-ref: RFC 8878, section 3.1.1.2
    params:
      - id: offset
        type: u8
        doc: Where it begins, counted from the end of the frame header.
    seq:
      - id: is_last
        type: b1le
      - id: block_type
        type: b2le
        enum: block_type
        valid:
          any-of: [block_type::raw, block_type::rle, block_type::compressed]
      - id: size
        type: b21le
        valid:
          max: 131072
        doc: Of the stored bytes, but of an RLE block that of what it decodes to.
      - id: data
        size: stored_size
    instances:
      stored_size:
        value: 'block_type == block_type::rle ? 1 : size'
      offset_after:
        value: (offset + 3 + stored_size).as<u8>
  message:
    doc: A protobuf message by its wire format. Messages in it are read as such; a field of an unknown number is bytes.
    doc-ref: c1z/manifest.proto
    params:
      - id: message_type
        type: u1
        enum: message_type
    seq:
      - id: fields
        type: field(message_type, 0, 0)
        repeat: eos
  field:
    doc: A field of a protobuf message.
    doc-ref: FORMAT.md, section 1
    params:
      - id: message_type
        type: u1
        enum: message_type
      - id: group_number
        type: u8
        doc: The number of the group that the field is in, or 0.
      - id: encoding_before
        type: u8
        doc: The payload encoding by the fields before.
    seq:
      - id: key
        type: varint
        valid:
          expr: >-
            _.value >= 8 and _.value <= 4294967295 and _.value % 8 <= 5
            and (_.value % 8 != 4 or _.value / 8 == group_number)
        doc: Eight times the number of the field, plus its wire type. What ends a group has the number of the group.
      - id: value
        type:
          switch-on: wire_type
          cases:
            wire_type::varint: varint
            wire_type::i64: fixed_64
            wire_type::len: delimited(name)
            wire_type::group: group(number)
            wire_type::i32: fixed_32
            wire_type::end_group: empty
    instances:
      number:
        value: key.value / 8
      wire_type:
        value: key.value % 8
        enum: wire_type
      name:
        value: 'message_type.to_i * 256 + (number < 256 ? number : 0)'
        enum: field_name
        doc: The message and the field; a number without a name where the field is not known.
      encoding:
        value: >-
          (name == field_name::manifest_payload_encoding and wire_type == wire_type::varint
          ? value.as<varint>.value : encoding_before).as<u8>
        doc: The payload encoding by the fields so far.
  empty:
    doc: The value of the end of a group, which has none.
    seq: []
  group:
    doc: A group, which no message of C1Z has; as an unknown field it is legal.
    doc-ref: C1Z.md, section 3
    params:
      - id: number
        type: u8
    seq:
      - id: fields
        type: field(message_type::group, number, 0)
        repeat: until
        repeat-until: _.wire_type == wire_type::end_group
  delimited:
    doc: A string, bytes or a message, with the length before it.
    params:
      - id: name
        type: u4
        enum: field_name
    seq:
      - id: length
        type: varint
      - id: body
        size: length.value
        type:
          switch-on: name
          cases:
            field_name::manifest_engine: text
            field_name::manifest_engine_config: message(message_type::any)
            field_name::manifest_record_types: message(message_type::record_type)
            field_name::manifest_sync_runs: message(message_type::sync_run)
            field_name::manifest_grant_digest_root: message(message_type::grant_digest_root)
            field_name::any_type_url: text
            field_name::record_type_full_name: text
            field_name::sync_run_sync_id: text
            field_name::sync_run_started_at: message(message_type::timestamp)
            field_name::sync_run_ended_at: message(message_type::timestamp)
            field_name::sync_run_parent_sync_id: text
            field_name::index_entries: message(message_type::entry)
            field_name::entry_name: text
            _: raw
  raw:
    doc: Bytes that are not taken apart.
    seq:
      - id: data
        size-eos: true
  fixed_64:
    seq:
      - id: value
        type: u8le
  fixed_32:
    seq:
      - id: value
        type: u4le
  text:
    seq:
      - id: value
        type: str
        size-eos: true
        encoding: UTF-8
  varint:
    doc: A number of protobuf, seven bits a byte, the lowest first.
    doc-ref: FORMAT.md, section 1
    seq:
      - id: groups
        type: >-
          varint_byte(_index, (_index == 0 ? 1 : groups[_index - 1].factor * 128).as<u8>,
          (_index == 0 ? 0 : groups[_index - 1].sum).as<u8>)
        repeat: until
        repeat-until: not _.has_more
    instances:
      value:
        value: groups.last.sum
        doc: Inexact beyond 2⁵³ in languages whose numbers are.
  varint_byte:
    params:
      - id: i
        type: s4
      - id: factor
        type: u8
      - id: before
        type: u8
    seq:
      - id: has_more
        type: b1
        valid:
          expr: not _ or i < 9
        doc: At most ten bytes.
      - id: bits
        type: b7
    instances:
      sum:
        value: '(before + bits * factor).as<u8>'
        doc: Of these bits and those before.
enums:
  file_version:
    0x46: v1
    0x33: v3
  payload_encoding:
    1: tar_zstd
    2: tar
    5: indexed_zstd
  block_type:
    0: raw
    1: rle
    2: compressed
    3: reserved
  wire_type:
    0: varint
    1: i64
    2: len
    3: group
    4: end_group
    5: i32
  message_type:
    0: group
    1: manifest
    2: any
    3: timestamp
    4: record_type
    5: sync_run
    6: grant_digest_root
    7: index
    8: entry
  # 256 times the number of the message type, plus the number of the field.
  field_name:
    0x101: manifest_engine
    0x102: manifest_engine_schema_version
    0x103: manifest_engine_config
    0x104: manifest_payload_encoding
    0x10a: manifest_descriptors
    0x10b: manifest_record_types
    0x128: manifest_sync_runs
    0x129: manifest_fold_dead_bytes
    0x12a: manifest_pebble_id_index_format
    0x12b: manifest_grant_digest_root
    0x201: any_type_url
    0x202: any_value
    0x301: timestamp_seconds
    0x302: timestamp_nanos
    0x401: record_type_full_name
    0x402: record_type_schema_version
    0x403: record_type_estimated_count
    0x501: sync_run_sync_id
    0x502: sync_run_type
    0x503: sync_run_started_at
    0x504: sync_run_ended_at
    0x505: sync_run_parent_sync_id
    0x506: sync_run_stats
    0x601: grant_digest_root_xor_digest
    0x602: grant_digest_root_count
    0x603: grant_digest_root_abi_version
    0x701: index_entries
    0x702: index_total_raw_size
    0x703: index_total_compressed_size
    0x704: index_manifest_xxh64
    0x801: entry_name
    0x802: entry_frame_offset
    0x803: entry_compressed_size
    0x804: entry_raw_size
    0x805: entry_raw_xxh64
    0x806: entry_raw_sha256
