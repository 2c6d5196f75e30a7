//! From a sequence that fails to a short one that still does.

use super::script::Script;

/// Leaves out operations, ever fewer at a time, for as long as what is left fails, and tries so
/// often at most. The last script for which `fails` said so, or the one that was given.
pub(crate) fn shrink(
    script: &Script,
    tries_max: u32,
    mut fails: impl FnMut(&Script) -> bool,
) -> Script {
    let mut best = script.clone();
    let (mut tries, mut size) = (0, best.steps.len().div_ceil(2));
    while size > 0 {
        let mut from = 0;
        let mut shorter = false;
        while from < best.steps.len() {
            if tries == tries_max {
                return best;
            }
            let mut candidate = best.clone();
            let to = (from + size).min(best.steps.len());
            candidate.steps.drain(from..to);
            tries += 1;
            if fails(&candidate) {
                best = candidate;
                shorter = true;
            } else {
                from = to;
            }
        }
        // What could not go together with one may go with another one gone.
        if !shorter || size > best.steps.len() {
            size = if size == 1 { 0 } else { size.div_ceil(2).min(size - 1) };
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::script::{Operation, Step, Target};
    use super::*;

    fn script(kills: impl IntoIterator<Item = u8>) -> Script {
        let step = |machine| Step {
            wait: std::time::Duration::ZERO,
            operation: Operation::Kill(Target::Machine(machine)),
        };
        let steps = kills.into_iter().map(step).collect();
        Script { nodes: 5, voters: 3, pause: None, steps }
    }

    fn has(script: &Script, machine: u8) -> bool {
        let kill = Operation::Kill(Target::Machine(machine));
        script.steps.iter().any(|step| step.operation == kill)
    }

    #[test]
    fn what_is_not_needed_for_the_failure_goes() {
        let long = script(1..=9);
        let short = shrink(&long, 100, |script| has(script, 3) && has(script, 8));
        assert_eq!(short, script([3, 8]));
        assert_eq!(shrink(&long, 100, |_| true), script([]));
        assert_eq!(shrink(&long, 100, |_| false), long);
    }

    #[test]
    fn no_more_is_tried_than_allowed() {
        let mut tried = 0;
        let long = script(1..=9);
        let short = shrink(&long, 5, |script| {
            tried += 1;
            has(script, 3) && has(script, 8)
        });
        assert_eq!(tried, 5);
        assert!(has(&short, 3) && has(&short, 8));
        assert_eq!(shrink(&long, 0, |_| true), long);
    }
}
