//! "did you mean ...?": the name that somebody who mistyped may have meant.

/// Says that nothing is called `name`, what was probably meant, if anything, and what there is.
pub fn unknown_name<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let hint = nearest(name, known.iter().copied())
        .map_or(String::new(), |nearest| format!("; did you mean {nearest}?"));
    format!("no {what} is called {name}{hint} (there are: {})", known.join(", "))
}

/// The nearest of the known names; `None` when none is near enough to have been meant.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .filter_map(|known| Some((distance(&name, known)?, known)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How far a name is from a known one, or from the part of it after its family (`crawl` of
/// `real.crawl`), whichever is nearer; `None` when it is too far.
fn distance(name: &str, known: &str) -> Option<usize> {
    let short = known.split_once('.').map_or(known, |(_, short)| short);
    [known, short].into_iter().filter_map(|known| edits(name, known)).min()
}

/// Letters to insert, leave out, replace or swap with their neighbour to get from a name to a known
/// one; `None` when that is more than one in three of the longer of the two, and more than one. A
/// part of three letters or more of the known name counts as meant however much is missing.
fn edits(name: &str, known: &str) -> Option<usize> {
    /// Letters below which a part says nothing.
    const PART: usize = 3;
    let edits = strsim::osa_distance(name, known);
    let longer = name.chars().count().max(known.chars().count());
    let is_part = name.chars().count() >= PART && known.contains(name);
    (edits <= (longer / 3).max(1) || is_part).then_some(edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of each kind that there is.
    const KNOWN: [&str; 14] = [
        "real.tree-hash",
        "real.access-log",
        "real.crawl",
        "cpu.coarse",
        "cpu.fine",
        "io.wait",
        "dummy.hang",
        "processes",
        "evented",
        "evented+offload",
        "py-asyncio",
        "aa",
        "csv",
        "md",
    ];

    #[test]
    fn only_what_may_have_been_meant_is_offered() {
        for (name, meant) in [
            // Slips of the fingers.
            ("real.craw1", Some("real.crawl")),
            ("io.wiat", Some("io.wait")),
            ("cvs", Some("csv")),
            ("CPU.Corse", Some("cpu.coarse")),
            ("evented-offload", Some("evented+offload")),
            ("procceses", Some("processes")),
            // Without the family, or only part of the name.
            ("treehash", Some("real.tree-hash")),
            ("fine", Some("cpu.fine")),
            ("hang", Some("dummy.hang")),
            ("acess-log", Some("real.access-log")),
            ("asyncio", Some("py-asyncio")),
            ("proc", Some("processes")),
            ("offload", Some("evented+offload")),
            // Nothing that there is.
            ("tokio", None),
            ("rayon", None),
            ("database", None),
            ("xml", None),
            ("zz", None),
            ("", None),
            ("quicksort.parallel", None),
        ] {
            assert_eq!(nearest(name, KNOWN.into_iter()), meant, "{name}");
        }
    }

    #[test]
    fn what_there_is_is_always_said() {
        let said = |name| unknown_name("lane", name, ["seq", "threads"].into_iter());
        assert_eq!(
            said("thraeds"),
            "no lane is called thraeds; did you mean threads? (there are: seq, threads)"
        );
        assert_eq!(said("tokio"), "no lane is called tokio (there are: seq, threads)");
    }
}
