//! Records of Rosettar archives as Apache Arrow, and Arrow tables as records.
