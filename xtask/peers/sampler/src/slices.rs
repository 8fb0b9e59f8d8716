//! Contenders by turns in one process: what differs little is told where everything else is the same.
//!
//! Two samples in processes of their own differ by more than what their contenders do: where the system
//! has put the program and what it works on, how fast the processor is just then, what others do beside
//! it. In slices of some milliseconds, one contender right after the other, all of that is nearly the
//! same, and what is not is as likely to meet one contender as the other.

use crate::{
    metric::{Contender, Metric},
    sample::Sample,
};

/// The samples of each of these contenders, in their order: so many of so many units each. All take a
/// turn before, which is not among them.
///
/// # Errors
/// When the metric has no such contender.
pub(crate) fn take(
    metric: &Metric,
    names: &[String],
    units: u64,
    slices: usize,
) -> Result<Vec<Vec<Sample>>, String> {
    let contender = |name: &String| {
        let found = metric.contender(name);
        found.ok_or_else(|| format!("{} has no contender {name}", metric.name))
    };
    let contenders: Vec<&Contender> = names.iter().map(contender).collect::<Result<_, _>>()?;
    for contender in &contenders {
        contender.run(units);
    }
    let mut taken: Vec<Vec<Sample>> = contenders.iter().map(|_| Vec::new()).collect();
    for turn in 0..slices {
        for place in order(contenders.len(), turn) {
            taken[place].push(contenders[place].run(units));
        }
    }
    Ok(taken)
}

/// In which order contenders come in this turn: each begins as often as the others, and comes after each
/// of its neighbours as often as before it.
fn order(contenders: usize, turn: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..contenders).collect();
    order.rotate_left(turn % contenders.max(1));
    if (turn / contenders.max(1)) % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;
    use crate::{
        metric::{Amount, Cost},
        sample::Tally,
        stopwatch::Times,
    };

    /// A metric whose contenders write down that they ran.
    fn metric(ran: &Rc<RefCell<Vec<&'static str>>>) -> Metric {
        let contender = |name| {
            let ran = Rc::clone(ran);
            Contender::new(name, move |units| {
                ran.borrow_mut().push(name);
                let times = Times { wall_ns: 1, cpu_ns: ran.borrow().len() as u64 };
                Sample::new(units, times, Tally::of_count(units), Tally::of_count(units))
            })
        };
        Metric {
            name: "m".into(),
            about: String::new(),
            unit: "unit",
            cost: Cost::Cpu,
            amount: Amount::Sliced { first: 1, step: 1, slices: 6 },
            named_only: true,
            ours: contender("a"),
            peers: vec![contender("b").peer(), contender("z").peer()],
            baseline: Some(contender("c")),
        }
    }

    #[test]
    fn contenders_come_by_turns_and_nobody_is_always_first() {
        let ran = Rc::default();
        let names = ["a", "b", "c"].map(String::from);
        let taken = take(&metric(&ran), &names, 7, 6).unwrap();
        assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [6; 3]);
        assert!(taken.iter().flatten().all(|sample| sample.units == 7));
        let ran: Vec<String> = ran.borrow().chunks(3).map(<[&str]>::concat).collect();
        assert_eq!(ran, ["abc", "abc", "bca", "cab", "cba", "acb", "bac"]);
        // What was written down belongs to who was asked: the third turn begins with "b".
        assert_eq!([taken[0][1].cpu_ns, taken[1][1].cpu_ns, taken[2][1].cpu_ns], [9, 7, 8]);
    }

    #[test]
    fn a_contender_that_is_not_there_is_named() {
        let names = ["a", "nobody"].map(String::from);
        let error = take(&metric(&Rc::default()), &names, 1, 1).unwrap_err();
        assert_eq!(error, "m has no contender nobody");
    }
}
