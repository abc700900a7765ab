//! Tests of the command as a program: what it prints, what it leaves on the disk, how it exits.

mod archives;
mod c1z;
mod changing;
mod conformance;
#[cfg(target_os = "linux")]
mod crash;
mod diff;
mod errors;
mod explain;
mod help;
mod hostile;
mod interrupt;
mod json;
mod pack;
#[cfg(unix)]
mod pipe;
mod reading;
mod records;
mod recover;
mod support;
