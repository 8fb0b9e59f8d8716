//! The questions of a comparison: which lanes are worth showing for which workload.

/// Where the lanes of a workload come from when the user names none.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The workload.
    pub workload: &'static str,
    /// What to call it in an answer: "to ...".
    pub task: &'static str,
    /// The lanes of the smoke and quick tiers; the full tier takes all there are.
    pub lanes: &'static [&'static str],
    /// Its share of the time budget, relative to those of the others: about the seconds that six
    /// rounds take.
    pub weight: u32,
}

/// The lane whose control `aa` is: the same lane under another name.
pub const CONTROLLED: &str = "threads";

/// The control lane.
pub const CONTROL: &str = "aa";

/// The questions, in the order in which they are asked.
pub const QUESTIONS: [Question; 7] = [
    Question {
        workload: "real.tree-hash",
        task: "hash a tree of files",
        lanes: &["seq", "threads", "processes", "evented", "evented+offload", "aa"],
        weight: 6,
    },
    Question {
        workload: "real.access-log",
        task: "parse a log",
        lanes: &["seq", "threads", "processes", "evented+offload", "aa"],
        weight: 8,
    },
    Question {
        workload: "real.crawl",
        task: "crawl a web site",
        lanes: &["threads", "processes", "evented", "evented x threads", "aa"],
        weight: 15,
    },
    Question {
        workload: "cpu.coarse",
        task: "compute",
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
        weight: 30,
    },
    Question {
        workload: "io.wait",
        task: "wait for 10,000 things at once",
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
        lanes: &["threads", "processes", "evented", "evented+offload", "py-threads", "py-mp"],
        weight: 20,
    },
    Question {
        workload: "cpu.fine",
        task: "run many small tasks",
        lanes: &["seq", "threads", "processes", "evented", "aa"],
        weight: 30,
    },
];

/// The question about a workload, if there is one: the dummies have none.
pub fn about(workload: &str) -> Option<&'static Question> {
    QUESTIONS.iter().find(|question| question.workload == workload)
}
