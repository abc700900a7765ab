//! What the tests of this crate share.

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// A schema with a field of every kind, used by the tests of every reader and writer.
const ALL: &str = r#"
syntax = "proto3";
package t;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Color { COLOR_UNSET = 0; RED = 1; BLUE = -2; }
message Inner { int32 n = 1; string text = 2; Deep deep = 3; repeated int32 list = 4; }
message Deep { optional double x = 1; }
message Tree { string name = 1; Tree left = 2; repeated Tree more = 3; }
message Empty {}
message All {
  int32 i32 = 1; int64 i64 = 2; uint32 u32 = 3; uint64 u64 = 4; sint32 s32 = 5; sint64 s64 = 6;
  fixed32 f32 = 7; fixed64 f64 = 8; sfixed32 sf32 = 9; sfixed64 sf64 = 10; float f = 11; double d = 12;
  bool ok = 13; string s = 14; bytes b = 15; Color color = 16;
  optional int32 opt_i32 = 17; optional string opt_s = 18; optional Color opt_color = 19; optional double opt_d = 36;
  repeated int32 ints = 20; repeated string strings = 21; map<string, int32> by_name = 22; map<int64, Inner> by_id = 23;
  Inner inner = 24; Tree tree = 25; Empty empty = 37; repeated Inner inners = 38;
  oneof choice { int32 left = 26; string right = 27; Inner either = 28; }
  google.protobuf.Timestamp when = 29; google.protobuf.Duration took = 30; google.protobuf.Int64Value count = 31;
  google.protobuf.StringValue label = 32; google.protobuf.Any any = 33; google.protobuf.Struct extra = 34;
  google.protobuf.FieldMask mask = 35; google.protobuf.BytesValue blob = 39; google.protobuf.Value anything = 40;
}
message One { string only = 1; }
message Flight {
  int32 year = 1; int32 month = 2; int32 day = 3; optional int32 dep_time = 4; int32 sched_dep_time = 5;
  optional int32 dep_delay = 6; optional int32 arr_time = 7; int32 sched_arr_time = 8; optional int32 arr_delay = 9;
  string carrier = 10; int32 flight = 11; string tailnum = 12; string origin = 13; string dest = 14;
  optional double air_time = 15; double distance = 16; int32 hour = 17; int32 minute = 18;
  google.protobuf.Timestamp time_hour = 19;
}
"#;

const OLD: &str = r#"
syntax = "proto2";
package p2;
enum Level { LOW = 1; HIGH = 2; }
message Old {
  required int32 id = 1; optional Level level = 2 [default = HIGH]; optional group Part = 3 { optional int32 x = 1; }
  optional Need need = 4; extensions 100 to 199;
}
message Need { required string must = 1; optional string may = 2; }
extend Old { optional string note = 100; }
"#;

/// A message of the test schemas, by its full name.
pub(crate) fn all_types(name: &str) -> MessageDescriptor {
    use std::sync::OnceLock;
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("all.proto"), ALL).unwrap();
        std::fs::write(dir.path().join("old.proto"), OLD).unwrap();
        let set = protox::compile(["all.proto", "old.proto"], [dir.path()]).unwrap();
        DescriptorPool::from_file_descriptor_set(set).unwrap()
    })
    .get_message_by_name(name)
    .unwrap()
}
