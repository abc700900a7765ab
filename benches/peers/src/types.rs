//! The messages of the data sets as Rust types, for peers that cannot take protobuf: with serde, and an Avro schema each.
//!
//! Where protobuf says `optional`, Avro has a union with null; a time is a `timestamp-micros`, and an enum its number, which
//! is what costs Avro least.

use std::collections::BTreeMap;

use prost::{Message, Name};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A message of a data set.
pub trait Record: Message + Name + Default + Clone + PartialEq + Serialize + DeserializeOwned {
    const AVRO: &'static str;
}

/// `google.protobuf.Timestamp`
#[derive(Clone, PartialEq, Message)]
pub struct Time {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.seconds * 1_000_000 + i64::from(self.nanos / 1000))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let micros = i64::deserialize(deserializer)?;
        Ok(Self { seconds: micros.div_euclid(1_000_000), nanos: micros.rem_euclid(1_000_000) as i32 * 1000 })
    }
}

/// A message that is always there: prost has it as an `Option`.
mod always {
    use super::*;

    pub fn serialize<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().ok_or_else(|| serde::ser::Error::custom("a message is missing"))?.serialize(serializer)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
        T::deserialize(from).map(Some)
    }
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub struct Flight {
    #[prost(int32, tag = "1")]
    pub year: i32,
    #[prost(int32, tag = "2")]
    pub month: i32,
    #[prost(int32, tag = "3")]
    pub day: i32,
    #[prost(int32, optional, tag = "4")]
    pub dep_time: Option<i32>,
    #[prost(int32, tag = "5")]
    pub sched_dep_time: i32,
    #[prost(int32, optional, tag = "6")]
    pub dep_delay: Option<i32>,
    #[prost(int32, optional, tag = "7")]
    pub arr_time: Option<i32>,
    #[prost(int32, tag = "8")]
    pub sched_arr_time: i32,
    #[prost(int32, optional, tag = "9")]
    pub arr_delay: Option<i32>,
    #[prost(string, tag = "10")]
    pub carrier: String,
    #[prost(int32, tag = "11")]
    pub flight: i32,
    #[prost(string, optional, tag = "12")]
    pub tailnum: Option<String>,
    #[prost(string, tag = "13")]
    pub origin: String,
    #[prost(string, tag = "14")]
    pub dest: String,
    #[prost(int32, optional, tag = "15")]
    pub air_time: Option<i32>,
    #[prost(int32, tag = "16")]
    pub distance: i32,
    #[prost(int32, tag = "17")]
    pub hour: i32,
    #[prost(int32, tag = "18")]
    pub minute: i32,
    #[prost(message, optional, tag = "19")]
    #[serde(with = "always")]
    pub time_hour: Option<Time>,
}

impl Name for Flight {
    const PACKAGE: &'static str = "nycflights13.v1";
    const NAME: &'static str = "Flight";
}

impl Record for Flight {
    const AVRO: &'static str = r#"{"type": "record", "name": "Flight", "fields": [
        {"name": "year", "type": "int"}, {"name": "month", "type": "int"}, {"name": "day", "type": "int"},
        {"name": "dep_time", "type": ["null", "int"]}, {"name": "sched_dep_time", "type": "int"},
        {"name": "dep_delay", "type": ["null", "int"]}, {"name": "arr_time", "type": ["null", "int"]},
        {"name": "sched_arr_time", "type": "int"}, {"name": "arr_delay", "type": ["null", "int"]},
        {"name": "carrier", "type": "string"}, {"name": "flight", "type": "int"},
        {"name": "tailnum", "type": ["null", "string"]}, {"name": "origin", "type": "string"},
        {"name": "dest", "type": "string"}, {"name": "air_time", "type": ["null", "int"]},
        {"name": "distance", "type": "int"}, {"name": "hour", "type": "int"}, {"name": "minute", "type": "int"},
        {"name": "time_hour", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}"#;
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub struct Order {
    #[prost(int64, tag = "1")]
    pub id: i64,
    #[prost(message, optional, tag = "2")]
    #[serde(with = "always")]
    pub placed: Option<Time>,
    #[prost(int32, tag = "3")]
    pub status: i32,
    #[prost(message, optional, tag = "4")]
    #[serde(with = "always")]
    pub customer: Option<Customer>,
    #[prost(message, repeated, tag = "5")]
    pub items: Vec<Item>,
    #[prost(string, repeated, tag = "6")]
    pub tags: Vec<String>,
    #[prost(btree_map = "string, string", tag = "7")]
    pub labels: BTreeMap<String, String>,
    #[prost(string, optional, tag = "8")]
    pub note: Option<String>,
    #[prost(message, optional, tag = "9")]
    pub sent: Option<Time>,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub struct Customer {
    #[prost(int64, tag = "1")]
    pub id: i64,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(string, optional, tag = "3")]
    pub email: Option<String>,
    #[prost(message, optional, tag = "4")]
    #[serde(with = "always")]
    pub address: Option<Address>,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub struct Address {
    #[prost(string, tag = "1")]
    pub street: String,
    #[prost(string, tag = "2")]
    pub city: String,
    #[prost(string, tag = "3")]
    pub postcode: String,
    #[prost(string, tag = "4")]
    pub country: String,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub struct Item {
    #[prost(message, optional, tag = "1")]
    #[serde(with = "always")]
    pub product: Option<Product>,
    #[prost(int32, tag = "2")]
    pub quantity: i32,
    #[prost(double, tag = "3")]
    pub price: f64,
    #[prost(double, optional, tag = "4")]
    pub discount: Option<f64>,
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub struct Product {
    #[prost(string, tag = "1")]
    pub sku: String,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(int32, tag = "3")]
    pub category: i32,
    #[prost(double, repeated, tag = "4")]
    pub dimensions: Vec<f64>,
}

impl Name for Order {
    const PACKAGE: &'static str = "orders.v1";
    const NAME: &'static str = "Order";
}

impl Record for Order {
    const AVRO: &'static str = r#"{"type": "record", "name": "Order", "fields": [
        {"name": "id", "type": "long"}, {"name": "placed", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "status", "type": "int"},
        {"name": "customer", "type": {"type": "record", "name": "Customer", "fields": [
            {"name": "id", "type": "long"}, {"name": "name", "type": "string"},
            {"name": "email", "type": ["null", "string"]},
            {"name": "address", "type": {"type": "record", "name": "Address", "fields": [
                {"name": "street", "type": "string"}, {"name": "city", "type": "string"},
                {"name": "postcode", "type": "string"}, {"name": "country", "type": "string"}]}}]}},
        {"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "Item", "fields": [
            {"name": "product", "type": {"type": "record", "name": "Product", "fields": [
                {"name": "sku", "type": "string"}, {"name": "name", "type": "string"},
                {"name": "category", "type": "int"},
                {"name": "dimensions", "type": {"type": "array", "items": "double"}}]}},
            {"name": "quantity", "type": "int"}, {"name": "price", "type": "double"},
            {"name": "discount", "type": ["null", "double"]}]}}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "labels", "type": {"type": "map", "values": "string"}},
        {"name": "note", "type": ["null", "string"]},
        {"name": "sent", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]}]}"#;
}

#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
pub struct Sample {
    // Avro has no unsigned numbers; these stay below 2^63.
    #[prost(int64, tag = "1")]
    pub sequence: i64,
    #[prost(sfixed64, tag = "2")]
    pub time: i64,
    #[prost(string, tag = "3")]
    pub host: String,
    #[prost(string, tag = "4")]
    pub metric: String,
    #[prost(double, tag = "5")]
    pub value: f64,
    #[prost(string, tag = "6")]
    pub unit: String,
    #[prost(bytes = "vec", tag = "7")]
    #[serde(with = "apache_avro::serde::bytes")]
    pub trace: Vec<u8>,
    #[prost(int32, tag = "8")]
    pub flags: i32,
    #[prost(string, tag = "9")]
    pub note: String,
}

impl Name for Sample {
    const PACKAGE: &'static str = "small.v1";
    const NAME: &'static str = "Sample";
}

impl Record for Sample {
    const AVRO: &'static str = r#"{"type": "record", "name": "Sample", "fields": [
        {"name": "sequence", "type": "long"}, {"name": "time", "type": "long"}, {"name": "host", "type": "string"},
        {"name": "metric", "type": "string"}, {"name": "value", "type": "double"}, {"name": "unit", "type": "string"},
        {"name": "trace", "type": "bytes"}, {"name": "flags", "type": "int"}, {"name": "note", "type": "string"}]}"#;
}
