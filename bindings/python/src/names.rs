//! Names near to one that is not there.

/// How many names are looked at.
pub const MOST: usize = 1 << 16;
/// How many are named.
const NAMED: usize = 3;
/// Longer names are compared by their first characters.
const COMPARED: usize = 256;

/// The names nearest to `wanted`, the nearest first; none that has little in common with it.
pub fn near(wanted: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let wanted_lower = wanted.to_lowercase();
    let most = (wanted.chars().count() / 3).max(2);
    let mut scored: Vec<(usize, String)> = Vec::new();
    for name in names {
        let lower = name.to_lowercase();
        let last = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let score = if lower == wanted_lower || lower == wanted_lower.trim_matches('/') {
            0
        } else if last(&lower) == last(&wanted_lower) {
            1
        } else {
            let distance = distance(&wanted_lower, &lower, most);
            if distance > most {
                continue;
            }
            distance + 1
        };
        scored.push((score, name));
        if scored.len() > 4 * NAMED {
            scored.sort();
            scored.truncate(NAMED);
        }
    }
    scored.sort();
    scored.truncate(NAMED);
    scored.into_iter().map(|(_, name)| name).collect()
}

/// What to add to a message; `otherwise` says where all names are.
pub fn hint(near: &[String], otherwise: &str) -> String {
    if near.is_empty() {
        return format!("; {otherwise}");
    }
    let quoted: Vec<String> = near.iter().map(|name| format!("{name:?}")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}

/// How many characters to change, add or remove, as far as that is at most `most`.
fn distance(left: &str, right: &str, most: usize) -> usize {
    let left: Vec<char> = left.chars().take(COMPARED).collect();
    let right: Vec<char> = right.chars().take(COMPARED).collect();
    if left.len().abs_diff(right.len()) > most {
        return most + 1;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let cost = (diagonal + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
        if row.iter().all(|cost| *cost > most) {
            return most + 1;
        }
    }
    row[right.len()]
}
