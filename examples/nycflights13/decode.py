# SPDX-License-Identifier: Apache-2.0
"""Prints the first record of a batch as JSON, with nothing of Rosettar: decode.py DESCRIPTOR_SET TYPE BATCH"""

import sys

from google.protobuf import descriptor_pb2, json_format, message_factory, proto

descriptor_set, type_name, batch = sys.argv[1:]
with open(descriptor_set, "rb") as file:
    files = descriptor_pb2.FileDescriptorSet.FromString(file.read()).file
message = message_factory.GetMessages(files)[type_name]
with open(batch, "rb") as file:
    # It reads the length that precedes each record; called again, it returns the next record, and None at the end.
    print(json_format.MessageToJson(proto.parse_length_prefixed(message, file), indent=None))
