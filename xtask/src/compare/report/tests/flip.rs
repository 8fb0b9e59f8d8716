//! Verdicts follow from the samples and from nothing else: swapped samples give swapped verdicts.

use std::mem;

use crate::compare::{
    judge::{CLAIMS, Comparison, Finding, Judgement, Metric, Test, judge},
    record::{Cell, Phase, Run, Sample},
};

use super::fixture::classic;

/// Swaps the judged samples and the faults of two lanes wherever both have some, and judges.
fn flipped(run: &Run, a: &str, b: &str) -> Run {
    let mut run = run.clone();
    for index in 0..run.cells.len() {
        let of_a = &run.cells[index];
        let is_b = |cell: &Cell| {
            (&cell.workload, &cell.point, &*cell.lane) == (&of_a.workload, &of_a.point, b)
        };
        let Some(other) = run.cells.iter().position(is_b).filter(|_| of_a.lane == a) else {
            continue;
        };
        if !(of_a.is_verified() && run.cells[other].is_verified()) {
            continue;
        }
        let [of_a, of_b] = run.cells.get_disjoint_mut([index, other]).expect("two cells");
        mem::swap(&mut of_a.fault, &mut of_b.fault);
        swap_judged(&mut of_a.samples, &mut of_b.samples);
    }
    judge(&mut run);
    run
}

/// Swaps judged samples; controls stay, for they say how noisy the machine is.
fn swap_judged(a: &mut Vec<Sample>, b: &mut Vec<Sample>) {
    let take = |samples: &mut Vec<Sample>| -> Vec<Sample> {
        samples.extract_if(.., |sample| sample.phase == Phase::Judged).collect()
    };
    let (of_a, of_b) = (take(a), take(b));
    a.extend(of_b);
    b.extend(of_a);
}

/// The opposite of a judgement.
fn opposite(judgement: Judgement) -> Judgement {
    match judgement {
        Judgement::Faster => Judgement::Slower,
        Judgement::Slower => Judgement::Faster,
        even => even,
    }
}

#[test]
fn every_claim_flips_with_the_samples() {
    let run = classic();
    for (index, claim) in CLAIMS.iter().enumerate() {
        let before = &run.claims[index];
        assert_eq!(before.finding, Finding::Holds, "{}: {}", claim.says, before.evidence);
        let (a, b) = match claim.test {
            Test::Compare { a, b, .. } => (a, b),
            Test::Survives { lane: "threads", .. } => ("threads", "processes"),
            Test::Survives { lane: "processes", .. } => ("processes", "threads"),
            Test::Survives { lane, .. } => (lane, "py-threads"),
        };
        let after = &flipped(&run, a, b).claims[index];
        assert_eq!(after.finding, Finding::Refuted, "{}: {}", claim.says, after.evidence);
        assert_ne!(after.evidence, before.evidence);
        let judgement = |comparison: &Option<Comparison>| comparison.map(|seen| seen.judgement);
        assert_eq!(
            judgement(&after.comparison),
            judgement(&before.comparison).map(opposite),
            "{}",
            claim.says
        );
    }
}

#[test]
fn every_answer_flips_with_the_samples() {
    let run = classic();
    let timed = || run.answers.iter().filter(|answer| !answer.rivals.is_empty());
    assert_eq!(timed().count(), 12, "every timed point has an answer");
    for answer in timed() {
        let chosen = answer.lane.as_deref().unwrap();
        for rival in &answer.rivals {
            assert_eq!(rival.wall.judgement, Judgement::Faster, "{}: {}", answer.text, rival.lane);
            let flipped = flipped(&run, chosen, &rival.lane);
            let place = (&*answer.workload, &*answer.point);
            let against =
                Comparison::between(&flipped, place, Metric::Wall, chosen, &rival.lane).unwrap();
            assert_eq!(against.judgement, Judgement::Slower, "{place:?} {}", rival.lane);
            let same =
                |other: &&crate::compare::judge::Answer| (&*other.workload, &*other.point) == place;
            let after = flipped.answers.iter().find(same).unwrap();
            assert_eq!(after.lane.as_deref(), Some(&*rival.lane), "{}", after.text);
            assert_ne!(after.text, answer.text);
        }
    }
}

#[test]
fn the_answer_about_faults_flips_too() {
    let run = classic();
    let lane = |run: &Run| run.answers.last().unwrap().lane.clone();
    assert_eq!(lane(&run).as_deref(), Some("processes"));
    assert_eq!(lane(&flipped(&run, "processes", "threads")).as_deref(), Some("threads"));
}
