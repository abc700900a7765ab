//! Reads a stream of an archive as Arrow, several times, and says how long that took: `rows ARCHIVE STREAM [THREADS [COLUMNS]]`.

use std::time::Instant;

use rosettar::ReadOptions;
use rosettar_arrow::{ArrowOptions, read};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [archive, stream, rest @ ..] = &arguments[..] else {
        return Err("expected the path of an archive and the name of a stream".into());
    };
    let threads = rest.first().map_or(Ok(1), |text| text.parse())?;
    let columns = rest.get(1).map_or(Vec::new(), |text| text.split(',').map(str::to_owned).collect());
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..9 {
        let started = Instant::now();
        let archive = ReadOptions::new().threads(threads).open_path(archive)?;
        let stream = archive.stream(stream)?;
        let options = ArrowOptions::new().columns(columns.clone());
        rows = 0;
        for batch in read(&stream, 0..stream.len(), &options)? {
            rows += batch?.num_rows();
        }
        times.push(started.elapsed());
    }
    times.sort();
    println!("{rows} rows in {:.1} ms (median of {})", times[times.len() / 2].as_secs_f64() * 1e3, times.len());
    Ok(())
}
