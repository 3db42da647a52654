//! A recording, as `sim replay` reads it: it says what is wrong with it, and a replica lives through the rest.

use std::mem::discriminant;

use syncd_core::recording::{self, Damage, Stop};

use super::life;
use crate::corpus;
use crate::seen::Seen;

/// What the lives of the corpus leave behind. Not in files: they would be of the version that wrote them.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let lives = corpus::read("life").expect("it is in the tree");
    lives.iter().map(|(_, life)| life::live(life, &mut Seen::default())).collect()
}

pub(super) fn run(bytes: &[u8], seen: &mut Seen) {
    let mut entries = 0;
    match recording::replay(bytes, |_| entries += 1) {
        Ok(played) => seen.note(played.ended),
        Err(Stop::Different(difference)) => {
            assert_ne!(difference.recorded, difference.replayed);
            seen.note(difference.turn);
        }
        Err(Stop::Damaged(damage)) => {
            let plain = if let Damage::Version(_) = damage { Damage::NoRecording } else { damage };
            seen.note(discriminant(&plain));
        }
    }
    seen.much(entries);
}
