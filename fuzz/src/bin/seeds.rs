//! Writes the inputs that fuzzing begins with: seeds DIRECTORY, which gets a directory for each target.

use std::fs;
use std::path::PathBuf;

fn main() {
    let corpus = PathBuf::from(std::env::args_os().nth(1).expect("usage: seeds DIRECTORY"));
    for (target, name, bytes) in rosettar_fuzz::seeds::all() {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder).expect("a directory of the corpus");
        fs::write(folder.join(name), bytes).expect("a file of the corpus");
    }
}
