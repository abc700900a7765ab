//! What the tests share.

use std::path::{Path, PathBuf};

/// The root of the project.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Compares the file at `path` with `expected`; with `ROSETTAR_BLESS=1` in the environment writes it instead.
pub fn assert_file_is(path: &Path, expected: &[u8]) {
    if std::env::var_os("ROSETTAR_BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let found = std::fs::read(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what its source yields; run the tests once with ROSETTAR_BLESS=1 to write it anew",
        path.display()
    );
}
