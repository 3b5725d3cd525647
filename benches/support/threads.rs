//! The CPU time of a process' threads, from `/proc`.

/// A thread that has not ended.
pub struct Thread {
    pub id: u32,
    /// Linux keeps 15 characters of it.
    pub name: String,
    /// Nanoseconds on a core.
    pub ns: u64,
    /// How often it was put on one.
    pub wakes: u64,
}

/// Those of a process, which is a number or `self`.
pub fn of(process: &str) -> impl Iterator<Item = Thread> {
    let folder = format!("/proc/{process}/task");
    let tasks = std::fs::read_dir(&folder).expect("the process's threads");
    tasks.filter_map(move |task| {
        let id = task.ok()?.file_name().to_str()?.parse().ok()?;
        let read = |file: &str| std::fs::read_to_string(format!("{folder}/{id}/{file}")).ok();
        let sums = read("schedstat")?;
        // On a core, waiting for one, how often.
        let mut sums = sums.split_whitespace().map_while(|sum| sum.parse().ok());
        Some(Thread {
            id,
            name: read("comm")?.trim_end().to_owned(),
            ns: sums.next()?,
            wakes: sums.nth(1)?,
        })
    })
}
