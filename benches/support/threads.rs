//! The CPU time of this process' threads, from `/proc`.

/// Number, name (Linux keeps 15 characters of it) and nanoseconds on a core, of every thread that has not ended.
pub fn all() -> impl Iterator<Item = (u32, String, u64)> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc/self/task");
    tasks.filter_map(|task| {
        let id = task.ok()?.file_name().to_str()?.parse().ok()?;
        let read =
            |file: &str| std::fs::read_to_string(format!("/proc/self/task/{id}/{file}")).ok();
        let ns = read("schedstat")?.split(' ').next()?.parse().ok()?;
        Some((id, read("comm")?.trim_end().to_owned(), ns))
    })
}
