//! Finding a field by its number, of which 2²⁹ − 1 are possible: looked up, never an index into as much memory.

/// What is known of a field's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is decoded: its place among the fields.
    Field(usize),
    /// The type has it, and nobody asked for it.
    Skipped,
    /// The type does not have it.
    Unknown,
}

const UNKNOWN: u32 = u32::MAX;
const SKIPPED: u32 = u32::MAX - 1;

/// Numbers of fields to their places.
pub(super) struct Lookup {
    /// For small numbers, by number.
    direct: Vec<u32>,
    /// For others, sorted by number.
    sorted: Vec<(u32, u32)>,
}

impl Lookup {
    /// A lookup of these numbers, each with its place or `None` where it is skipped.
    pub(super) fn new(numbers: &[(u32, Option<usize>)]) -> Self {
        // What is indexed grows with the number of fields only.
        let bound = 64 + 4 * numbers.len() as u32;
        let highest = numbers.iter().map(|(number, _)| *number).filter(|number| *number < bound).max();
        let mut direct = vec![UNKNOWN; highest.map_or(0, |highest| highest as usize + 1)];
        let mut sorted = Vec::new();
        for &(number, place) in numbers {
            let place = place.map_or(SKIPPED, |place| place as u32);
            match direct.get_mut(number as usize) {
                Some(slot) => *slot = place,
                None => sorted.push((number, place)),
            }
        }
        sorted.sort_unstable();
        Self { direct, sorted }
    }

    #[inline(always)]
    pub(super) fn find(&self, number: u32) -> Found {
        let place = match self.direct.get(number as usize) {
            Some(place) => *place,
            None => self.far(number),
        };
        match place {
            UNKNOWN => Found::Unknown,
            SKIPPED => Found::Skipped,
            place => Found::Field(place as usize),
        }
    }

    fn far(&self, number: u32) -> u32 {
        self.sorted.binary_search_by_key(&number, |(number, _)| *number).map_or(UNKNOWN, |at| self.sorted[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high_numbers_cost_nothing() {
        let lookup = Lookup::new(&[(1, Some(0)), (536_870_911, Some(1)), (7, None)]);
        assert!(lookup.direct.len() < 100);
        assert_eq!(lookup.find(1), Found::Field(0));
        assert_eq!(lookup.find(536_870_911), Found::Field(1));
        assert_eq!(lookup.find(7), Found::Skipped);
        assert_eq!(lookup.find(2), Found::Unknown);
        assert_eq!(lookup.find(536_870_910), Found::Unknown);
    }
}
