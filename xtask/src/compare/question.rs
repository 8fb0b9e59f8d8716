//! The questions of a comparison: which lanes are worth showing for which workload.

/// Where the lanes of a workload come from when the user names none.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The workload.
    pub workload: &'static str,
    /// What to call it in an answer: "to ...".
    pub task: &'static str,
    /// What to call it at a point whose label ends in a number, for which `{}` stands.
    pub counted: Option<&'static str>,
    /// The lanes of the smoke and quick tiers; the full tier takes all there are.
    pub lanes: &'static [&'static str],
    /// Its share of the time budget, relative to those of the others: about the seconds that it
    /// needs for an interval worth having.
    pub weight: u32,
}

/// The lane whose control `aa` is: the same lane under another name.
pub const CONTROLLED: &str = "threads";

/// The control lane.
pub const CONTROL: &str = "aa";

/// How many of the [`QUESTIONS`] the quick tier asks; those behind take longer, or need to be asked
/// by name.
pub const QUICK: usize = 6;

/// The questions, in the order in which they are asked.
pub const QUESTIONS: [Question; 11] = [
    Question {
        workload: "real.tree-hash",
        task: "hash a tree of files",
        counted: None,
        lanes: &["seq", "threads", "processes", "evented", "evented+offload", "aa"],
        weight: 10,
    },
    Question {
        workload: "real.access-log",
        task: "parse a log",
        counted: None,
        lanes: &["seq", "threads", "processes", "evented+offload", "aa"],
        weight: 14,
    },
    Question {
        workload: "real.crawl",
        task: "crawl a web site",
        counted: None,
        lanes: &["threads", "processes", "evented", "evented x threads", "aa"],
        weight: 16,
    },
    Question {
        workload: "cpu.coarse",
        task: "compute",
        counted: None,
        lanes: &[
            "seq",
            "threads",
            "processes",
            "evented",
            "evented x threads",
            "gil",
            "aa",
            "py-seq",
            "py-threads",
            "py-mp",
        ],
        weight: 45,
    },
    Question {
        workload: "io.wait",
        task: "wait for many things at once",
        counted: Some("wait for {} things at once"),
        lanes: &[
            "seq",
            "threads",
            "processes",
            "evented",
            "gil",
            "aa",
            "py-seq",
            "py-threads",
            "py-asyncio",
        ],
        weight: 60,
    },
    Question {
        workload: "fault.matrix",
        task: "survive what goes wrong",
        counted: None,
        lanes: &["threads", "processes", "evented", "evented+offload", "py-threads", "py-mp"],
        weight: 14,
    },
    Question {
        workload: "cpu.fine",
        task: "run many small tasks",
        counted: None,
        lanes: &["seq", "threads", "processes", "evented", "aa"],
        weight: 45,
    },
    Question {
        workload: "cpu.tree",
        task: "divide work in two, again and again",
        counted: None,
        lanes: &["seq", "threads", "processes", "evented", "aa"],
        weight: 30,
    },
    Question {
        workload: "cpu.stencil",
        task: "share loops over memory out",
        counted: None,
        lanes: &["seq", "threads", "processes", "evented", "aa"],
        weight: 25,
    },
    Question {
        workload: "spawn.tree",
        task: "run tasks that lead to other tasks",
        counted: None,
        lanes: &["seq", "threads", "processes", "evented", "evented x threads", "aa"],
        weight: 25,
    },
    Question {
        workload: "data.payload",
        task: "hand data to another worker",
        counted: Some("hand {} bytes to another worker"),
        lanes: &["threads", "processes", "evented", "aa"],
        weight: 40,
    },
];

impl Question {
    /// What to call it in an answer about one of its points.
    pub fn task_at(&self, point: &str) -> String {
        let number = || point.split_once('=')?.1.parse().ok();
        match (self.counted, number()) {
            (Some(words), Some(number)) => words.replace("{}", &grouped(number)),
            _ => self.task.into(),
        }
    }
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let (rest, last) = (number / 1_000, number % 1_000);
    if rest == 0 { last.to_string() } else { format!("{},{last:03}", grouped(rest)) }
}

/// The question about a workload, if there is one: the dummies have none.
pub fn about(workload: &str) -> Option<&'static Question> {
    QUESTIONS.iter().find(|question| question.workload == workload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_names_its_point() {
        let at = |workload, point: &str| about(workload).unwrap().task_at(point);
        for (point, number) in [("10", "10"), ("1000", "1,000"), ("1000050", "1,000,050")] {
            let wanted = format!("wait for {number} things at once");
            assert_eq!(at("io.wait", &format!("waits={point}")), wanted);
        }
        assert_eq!(at("io.wait", ""), "wait for many things at once");
        assert_eq!(at("cpu.coarse", "uniform"), "compute");
    }
}
