# SPDX-License-Identifier: Apache-2.0
meta:
  id: rosettar
  title: Rosettar archive, version 1
  file-extension: rtar
  xref:
    mime: application/vnd.rosettar
  license: Apache-2.0
  ks-version: '0.10'
  endian: le
doc: |
  An archive byte for byte, for programs that read Kaitai Struct: frames, sections, zstd frames down to their blocks, the
  protobuf messages of manifest and index by their wire format, and the seek table. FORMAT.md is the authority, and this
  file follows it. What the description sees, it checks: numbers, sizes, the order of frames, and the seek table.

  It does not decompress and does not hash. So digests and checksums are shown and not compared, and neither the tar nor
  the pages of the entry table are described. Nor does it check what a message says: a file that parses may still be one
  that a reader must refuse.
doc-ref: FORMAT.md, section 2
seq:
  - id: empty_frame
    contents: [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00]
    doc: A zstd frame that decodes to nothing.
    doc-ref: FORMAT.md, section 3.1
  - id: header
    type: header_frame
    doc-ref: FORMAT.md, section 3.1
  - id: frames
    type: >-
      frame((_index == 0 ? 29 : frames[_index - 1].offset_after).as<u8>,
      _index == 0 ? place::manifest : frames[_index - 1].place_after)
    repeat: until
    repeat-until: _.kind == "INDX"
    doc: All frames from the manifest to the index. The first of them is frame 2 of the index and of the seek table.
    doc-ref: FORMAT.md, section 2
  - id: seek_table
    type: seek_table_frame
    doc-ref: FORMAT.md, section 9
  - id: nothing
    size-eos: true
    valid:
      expr: _.length == 0
    doc: Nothing follows the seek table.
    doc-ref: FORMAT.md, section 2
instances:
  manifest:
    value: frames[0].body.as<section>
    doc-ref: FORMAT.md, section 4
  index:
    value: frames.last.body.as<section>
    doc: Its digest is the root digest of the archive.
    doc-ref: FORMAT.md, sections 8 and 10.1
  num_frames:
    value: frames.size + 2
    doc: How many frames the seek table lists; all but itself.
    doc-ref: FORMAT.md, section 9
types:
  header_frame:
    doc: The skippable frame with the version.
    doc-ref: FORMAT.md, section 3.1
    seq:
      - id: magic
        contents: [0x5a, 0x2a, 0x4d, 0x18]
      - id: length
        contents: [0x0c, 0x00, 0x00, 0x00]
        doc: 12, the size of what follows.
      - id: name
        contents: ROSETTAR
        doc: Up to here, bytes 0 to 24 of the file, nothing changes in any version.
      - id: major
        type: u1
        valid: 1
        doc: A reader refuses a major version that it does not know.
      - id: minor
        type: u1
        doc: A reader accepts every minor version.
      - id: reserved
        contents: [0x00, 0x00]
  frame:
    doc: A payload frame or a section.
    doc-ref: FORMAT.md, sections 2 and 3
    params:
      - id: offset
        type: u8
        doc: Where it begins in the file.
      - id: place
        type: u1
        enum: place
        doc: What may stand here.
    seq:
      - id: magic
        type: u4
        enum: frame_magic
        valid:
          expr: >-
            _ == frame_magic::section
            or (_ == frame_magic::zstd and place != place::manifest and place != place::pages)
        doc: No other skippable frame occurs here; payload frames stand between the manifest and the first page.
        doc-ref: FORMAT.md, section 3
      - id: body
        type:
          switch-on: magic
          cases:
            frame_magic::zstd: zstd_frame
            frame_magic::section: section(place)
    instances:
      is_payload:
        value: magic == frame_magic::zstd
      kind:
        value: 'is_payload ? "" : body.as<section>.kind'
        doc: The kind of a section; empty for payload.
      stored_size:
        value: '(is_payload ? body.as<zstd_frame>.stored_size : body.as<section>.stored_size).as<u8>'
      decoded_size:
        value: '(is_payload ? body.as<zstd_frame>.content_size : 0).as<u8>'
        doc: 0 for a section.
      offset_after:
        value: (offset + stored_size).as<u8>
      place_after:
        value: >-
          kind == "ENTR" ? place::pages :
          place == place::manifest ? place::opening :
          is_payload and place != place::opening and decoded_size == 1024 ? place::closing :
          is_payload or place != place::opening ? place::tar :
          place::opening
        doc: What may stand after it.
        doc-ref: FORMAT.md, section 2
  section:
    doc: A section, from its length on.
    doc-ref: FORMAT.md, section 3.3
    params:
      - id: place
        type: u1
        enum: place
    seq:
      - id: length
        type: u4
        valid:
          min: 40
        doc: Of what follows, 40 and the length of the body.
      - id: kind
        type: str
        size: 4
        encoding: ASCII
        valid:
          expr: >-
            _ == "MANI" ? place == place::manifest :
            _ == "SCHM" ? place == place::tar or place == place::closing :
            _ == "ENTR" ? place == place::closing or place == place::pages :
            _ == "INDX" ? place == place::pages :
            is_ancillary and (place == place::opening or place == place::tar or place == place::closing)
        doc: |
          Four ASCII letters. The manifest comes first, a late Schema (`SCHM`) between two payload frames, pages (`ENTR`)
          after the payload, the index last. One that is not known is ancillary if its first letter is lower case, and
          stands before the last payload frame.
      - id: reserved
        type: u4
        valid: 0
      - id: digest
        size: 32
        doc: The SHA-256 of the body.
      - id: body
        size: length - 40
        type:
          switch-on: kind
          cases:
            '"MANI"': message(message_type::manifest)
            '"SCHM"': message(message_type::schema)
            '"ENTR"': page
            '"INDX"': message(message_type::index)
            _: raw
    instances:
      stored_size:
        value: (length + 8).as<u8>
      is_ancillary:
        value: >-
          kind.substring(0, 1) >= "a" and kind.substring(0, 1) <= "z"
          and (kind.substring(1, 2) >= "a" and kind.substring(1, 2) <= "z"
            or kind.substring(1, 2) >= "A" and kind.substring(1, 2) <= "Z")
          and (kind.substring(2, 3) >= "a" and kind.substring(2, 3) <= "z"
            or kind.substring(2, 3) >= "A" and kind.substring(2, 3) <= "Z")
          and (kind.substring(3, 4) >= "a" and kind.substring(3, 4) <= "z"
            or kind.substring(3, 4) >= "A" and kind.substring(3, 4) <= "Z")
  page:
    doc: The body of a section `ENTR`, one zstd frame that decodes to a `rosettar.v1.EntryPage`.
    doc-ref: FORMAT.md, sections 3.3 and 7
    seq:
      - id: magic
        contents: [0x28, 0xb5, 0x2f, 0xfd]
      - id: frame
        type: zstd_frame
      - id: nothing
        size-eos: true
        valid:
          expr: _.length == 0
        doc: Nothing follows the frame.
  zstd_frame:
    doc: A zstd frame, from the byte after its magic number on, with what Rosettar restricts.
    doc-ref: FORMAT.md, section 3.2, and RFC 8878, section 3.1.1
    seq:
      - id: content_size_flag
        type: b2
        doc: The first of the bits of the frame header descriptor; it tells the length of the content size.
        doc-ref: RFC 8878, section 3.1.1.1.1
      - id: is_single_segment
        type: b1
        valid:
          expr: _ or content_size_flag != 0
        doc: Whether there is no window descriptor. A frame that is none and has the flag 0 would not state its content size.
      - id: unused
        type: b1
        doc: Ignored.
      - id: reserved
        type: b1
        valid: false
      - id: has_checksum
        type: b1
        valid: true
      - id: dictionary_id_flag
        type: b2
        valid: 0
      - id: window_descriptor
        type: u1
        if: not is_single_segment
        valid:
          max: 0x68
        doc: Five bits of exponent above three of mantissa; 0x68 is 8 MiB, the largest window.
        doc-ref: FORMAT.md, section 3.2, and RFC 8878, section 3.1.1.1.2
      - id: stated_content_size
        type:
          switch-on: content_size_flag
          cases:
            0: u1
            1: u2
            2: u4
            3: u8
        valid:
          expr: content_size >= 1 and content_size <= 8388608
        doc: Of two bytes it is less by 256 than what it means.
        doc-ref: FORMAT.md, section 3.2, and RFC 8878, section 3.1.1.1.4
      - id: blocks
        type: 'block((_index == 0 ? 0 : blocks[_index - 1].offset_after).as<u8>)'
        repeat: until
        repeat-until: _.is_last
        doc-ref: RFC 8878, section 3.1.1.2
      - id: checksum
        type: u4
        valid:
          expr: stored_size <= content_size + content_size / 128 + 1024
        doc: The low four bytes of the XXH64 of the content. The frame ends here, and its stored size is within bounds.
        doc-ref: FORMAT.md, section 3.2
    instances:
      content_size:
        value: '(content_size_flag == 1 ? stated_content_size + 256 : stated_content_size).as<u8>'
        doc: How many bytes the frame decodes to.
      window_size:
        value: >-
          (is_single_segment ? content_size :
          (1 << (10 + (window_descriptor >> 3))) + (1 << (7 + (window_descriptor >> 3))) * (window_descriptor & 7)).as<u8>
      header_size:
        value: >-
          5 + (is_single_segment ? 0 : 1)
          + (content_size_flag == 0 ? 1 : content_size_flag == 1 ? 2 : content_size_flag == 2 ? 4 : 8)
        doc: With the magic number.
      stored_size:
        value: (header_size + blocks.last.offset_after + 4).as<u8>
        doc: With the magic number.
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
  seek_table_frame:
    doc: The seek table of the zstd seekable format, as it follows from the frames.
    doc-ref: FORMAT.md, section 9
    seq:
      - id: magic
        contents: [0x5e, 0x2a, 0x4d, 0x18]
      - id: length
        type: u4
        valid: 8 * _root.num_frames + 9
      - id: rows
        type: seek_row(_index)
        repeat: expr
        repeat-expr: _root.num_frames
      - id: num_rows
        type: u4
        valid: _root.num_frames
      - id: descriptor
        type: u1
        valid: 0
        doc: No checksums, no reserved bits.
      - id: footer_magic
        contents: [0xb1, 0xea, 0x92, 0x8f]
  seek_row:
    doc: A frame, as the seek table has it.
    doc-ref: FORMAT.md, section 9
    params:
      - id: i
        type: s4
    seq:
      - id: stored_size
        type: u4
        valid: '(i == 0 ? 9 : i == 1 ? 20 : _root.frames[i - 2].stored_size).as<u8>'
      - id: decoded_size
        type: u4
        valid: '(i < 2 ? 0 : _root.frames[i - 2].decoded_size).as<u8>'
  message:
    doc: A protobuf message by its wire format. Messages in it are read as such; a field of an unknown number is bytes.
    doc-ref: FORMAT.md, section 1, and rosettar/v1/manifest.proto, index.proto
    params:
      - id: message_type
        type: u1
        enum: message_type
    seq:
      - id: fields
        type: field(message_type, 0)
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
  empty:
    doc: The value of the end of a group, which has none.
    seq: []
  group:
    doc: A group, which no message of Rosettar has; as an unknown field it is legal.
    doc-ref: FORMAT.md, section 1
    params:
      - id: number
        type: u8
    seq:
      - id: fields
        type: field(message_type::group, number)
        repeat: until
        repeat-until: _.wire_type == wire_type::end_group
  delimited:
    doc: A string, bytes, a message or packed numbers, with the length before it.
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
            field_name::manifest_required_features: text
            field_name::manifest_producer: text
            field_name::manifest_created: message(message_type::timestamp)
            field_name::manifest_annotations: message(message_type::any)
            field_name::manifest_attributes: message(message_type::key_value)
            field_name::manifest_schemas: message(message_type::schema)
            field_name::any_type_url: text
            field_name::key_value_key: text
            field_name::key_value_value: text
            field_name::schema_streams: message(message_type::stream)
            field_name::stream_name: text
            field_name::stream_type: text
            field_name::index_late_schema_frames: packed
            field_name::index_late_features: text
            field_name::index_late_attributes: message(message_type::key_value)
            field_name::index_late_annotations: message(message_type::any)
            field_name::index_streams: message(message_type::stream_totals)
            field_name::index_totals: message(message_type::totals)
            field_name::index_frames: message(message_type::frames)
            field_name::index_pages: message(message_type::page)
            field_name::stream_totals_name: text
            field_name::stream_totals_type: text
            field_name::frames_stored_sizes: packed
            field_name::frames_decoded_sizes: packed
            field_name::page_record_counts: packed
            field_name::page_least_path: text
            field_name::page_greatest_path: text
            _: raw
  raw:
    doc: Bytes that are not taken apart.
    seq:
      - id: data
        size-eos: true
  fixed_64:
    seq:
      - id: value
        type: u8
  fixed_32:
    seq:
      - id: value
        type: u4
  text:
    seq:
      - id: value
        type: str
        size-eos: true
        encoding: UTF-8
  packed:
    doc: The numbers of a repeated field in one.
    seq:
      - id: numbers
        type: varint
        repeat: eos
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
  frame_magic:
    0xfd2fb528: zstd
    0x184d2a5a: section
  place:
    0:
      id: manifest
      doc: At offset 29.
    1:
      id: opening
      doc: After the manifest, no payload frame has come.
    2:
      id: tar
      doc: Payload has come.
    3:
      id: closing
      doc: The frame before may be the last payload frame, as it decodes to 1 024 bytes and is not the only one.
    4:
      id: pages
      doc: A page has come.
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
    2: key_value
    3: schema
    4: stream
    5: timestamp
    6: any
    7: index
    8: stream_totals
    9: totals
    10: frames
    11: page
  # 256 times the number of the message type, plus the number of the field.
  field_name:
    0x101: manifest_required_features
    0x102: manifest_producer
    0x103: manifest_created
    0x104: manifest_annotations
    0x105: manifest_attributes
    0x106: manifest_schemas
    0x201: key_value_key
    0x202: key_value_value
    0x301: schema_descriptor_set
    0x302: schema_streams
    0x401: stream_name
    0x402: stream_type
    0x403: stream_schema_version
    0x501: timestamp_seconds
    0x502: timestamp_nanos
    0x601: any_type_url
    0x602: any_value
    0x701: index_manifest_digest
    0x702: index_schema_count
    0x703: index_late_schema_frames
    0x704: index_late_features
    0x705: index_late_attributes
    0x706: index_late_annotations
    0x707: index_streams
    0x708: index_totals
    0x709: index_content_digest
    0x70a: index_frames
    0x70b: index_pages
    0x801: stream_totals_name
    0x802: stream_totals_type
    0x803: stream_totals_schema
    0x804: stream_totals_schema_version
    0x805: stream_totals_record_count
    0x806: stream_totals_size
    0x807: stream_totals_digest
    0x808: stream_totals_batch_count
    0x901: totals_files
    0x902: totals_directories
    0x903: totals_symlinks
    0x904: totals_reserved_members
    0x905: totals_file_bytes
    0x906: totals_records
    0x907: totals_tar_bytes
    0xa01: frames_stored_sizes
    0xa02: frames_decoded_sizes
    0xa03: frames_digests
    0xb01: page_decoded_size
    0xb02: page_entry_count
    0xb03: page_tar_offset
    0xb04: page_record_counts
    0xb05: page_least_path
    0xb06: page_greatest_path
