//! A power cut: the file system is shut down at any moment, and mounted again.
//!
//! What was not made durable is gone then. What the command said is done has to be there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::{Ended, Expected, SCENARIOS, Scenario, command_of, command_with};
use crate::support;

/// File systems and the sizes of their disks in MiB; none of XFS is smaller.
const KINDS: [(&str, u64); 2] = [("ext4", 48), ("xfs", 320)];

#[test]
fn power_cuts() {
    cut_power("power_cuts", 6);
}

#[test]
#[ignore = "slow: run by make test-slow"]
fn many_power_cuts() {
    cut_power("many_power_cuts", 40);
}

/// So many cuts in each scenario, on each kind of file system.
fn cut_power(test: &str, cuts: u32) {
    for (kind, mib) in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = match Disk::new(kind, mib, folder.path()) {
            Ok(disk) => disk,
            Err(why) => {
                support::skip(test, &format!("loop-mount: {why}"));
                continue;
            }
        };
        let start = Instant::now();
        let (mut trials, mut old, mut new, mut done) = (0, 0, 0, 0);
        for scenario in SCENARIOS.iter().filter(|scenario| is_durable(scenario)) {
            let expected = Expected::of(scenario);
            let whole = (0..3).map(|_| duration(&expected, &disk)).min().unwrap();
            for cut in 0..cuts {
                // Spread over the run, and some after it.
                let part = f64::from(cut) * 0.618_034 % 1.0;
                let delay = whole.mul_f64(1.3 * part);
                let folder = expected.prepared.copy_to(Folder::inside(&disk.mount));
                disk.sync();
                let mut command = command_of(&folder, scenario);
                let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                std::thread::sleep(delay);
                // What it says until then is true; later it may find out that the disk is gone.
                let said = child.try_wait().unwrap();
                disk.shut_down(cut % 4 == 3);
                let output = child.wait_with_output().unwrap();
                disk.mount_again();
                let ended = Ended { what: format!("{kind}, power cut after {delay:?} of {whole:?}"), output };
                let (state, _) = expected.state_of(&folder);
                if said.is_some_and(|status| status.success()) {
                    assert!(state == expected.new, "it was done: {}", expected.told(&folder, &ended));
                    done += 1;
                }
                old += u32::from(state == expected.old);
                new += u32::from(state == expected.new);
                trials += 1;
                check_archives(&folder, &expected, &ended);
                expected.check_killed(&folder, &ended);
            }
        }
        println!(
            "{kind}: {trials} power cuts in {:?}: {old} left the old state, {new} the new one ({done} after the end)",
            start.elapsed()
        );
        assert!(old > 0 && new > 0 && trials > old + new - 1);
    }
}

/// Extraction promises something about power cuts only with `--sync`.
fn is_durable(scenario: &Scenario) -> bool {
    !scenario.args.starts_with("extract") || scenario.args.contains("--sync")
}

/// How long the scenario takes on this disk.
fn duration(expected: &Expected<'_>, disk: &Disk) -> Duration {
    let folder = expected.prepared.copy_to(Folder::inside(&disk.mount));
    let start = Instant::now();
    assert!(command_of(&folder, expected.scenario).output().unwrap().status.success());
    start.elapsed()
}

/// `verify` agrees about every archive that is there.
#[track_caller]
fn check_archives(folder: &Folder, expected: &Expected<'_>, ended: &Ended) {
    for name in support::names(&folder.path) {
        if name.ends_with(".rtar") && !name.starts_with('.') {
            let output = command_with(folder, expected.scenario, &format!("verify -q @/{name}")).output().unwrap();
            assert!(output.status.success(), "{output:?}: {}", expected.told(folder, ended));
        }
    }
}

/// A disk in a file, which can lose its power.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
    /// Calls what Rust has no safe way to call; started beforehand, so that it is quick.
    switch: Child,
}

impl Disk {
    fn new(kind: &str, mib: u64, folder: &Path) -> Result<Self, String> {
        // In memory, where there is such a place: what is tested is the order of writes, not a disk.
        let memory = Path::new("/dev/shm");
        let image =
            if memory.is_dir() { memory } else { folder }.join(format!("rosettar-{}-{kind}", std::process::id()));
        let mount = folder.join("disk");
        std::fs::create_dir(&mount).unwrap();
        std::fs::File::create(&image).and_then(|file| file.set_len(mib << 20)).map_err(|error| error.to_string())?;
        let made =
            attempt(Command::new(format!("mkfs.{kind}")).arg("-q").arg(&image)).and_then(|()| mount_at(&image, &mount));
        if let Err(error) = made {
            let _ = std::fs::remove_file(&image);
            return Err(error);
        }
        // FS_IOC_SHUTDOWN of linux/fs.h; 1 flushes the journal first, 2 does not.
        let script = "import fcntl, os, struct, sys\n\
            for line in sys.stdin:\n    how, path = line.split()\n    fd = os.open(path, os.O_RDONLY)\n    \
            fcntl.ioctl(fd, 0x8004587D, struct.pack('I', int(how)))\n    os.close(fd)\n    print(flush=True)";
        let mut python = Command::new("python3");
        python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let switch = python.spawn().map_err(|error| format!("python3: {error}"));
        match switch {
            Ok(switch) => Ok(Self { image, mount, switch }),
            Err(error) => {
                let _ = Command::new("umount").arg(&mount).status();
                let _ = std::fs::remove_file(&image);
                Err(error)
            }
        }
    }

    /// Everything so far is durable.
    fn sync(&self) {
        attempt(Command::new("sync").arg("-f").arg(&self.mount)).unwrap();
    }

    /// Nothing reaches the disk any more.
    fn shut_down(&mut self, flushes_journal: bool) {
        let how = if flushes_journal { 1 } else { 2 };
        writeln!(self.switch.stdin.as_mut().unwrap(), "{how} {}", self.mount.display()).unwrap();
        let mut line = String::new();
        BufReader::new(self.switch.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "\n", "the file system cannot be shut down");
    }

    fn mount_again(&self) {
        attempt(Command::new("umount").arg(&self.mount)).unwrap();
        mount_at(&self.image, &self.mount).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.switch.kill();
        let _ = self.switch.wait();
        let _ = Command::new("umount").arg(&self.mount).status();
        let _ = std::fs::remove_file(&self.image);
    }
}

fn mount_at(image: &Path, mount: &Path) -> Result<(), String> {
    attempt(Command::new("mount").args(["-o", "loop"]).arg(image).arg(mount))
}

fn attempt(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{program}: {error}")),
    }
}
