//! The columns of the tables.

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Answers, echoes or handshakes in a second, with one worker.
    PerSecond,
    /// Processor time of the proxies for each of them.
    CpuUs,
    /// Latency at a fixed rate: median.
    P50,
    /// The same: 99 of 100.
    P99,
    /// The same: 999 of 1,000.
    P999,
    /// Bytes.
    GigabytesPerSecond,
    /// Processor time of the proxy for them.
    CpuMsPerGigabyte,
    /// Resident memory after start.
    IdleMegabytes,
    /// Resident memory under load.
    LoadMegabytes,
    /// Resident memory after load, before a burst.
    BeforeMegabytes,
    /// Resident memory that an idle connection adds.
    KilobytesPerConnection,
    /// Resident memory after a burst.
    AfterMegabytes,
    /// The same as a ratio.
    AfterToBefore,
    /// Start to the first answer.
    StartMs,
    /// Processor time for that.
    CpuMsToStart,
    /// From the connection to the control plane until all is served.
    FirstLoadS,
    /// Processor time for that.
    CpuSToLoad,
    /// Resident memory of a cluster.
    BytesPerCluster,
    /// Resident memory of an endpoint.
    BytesPerEndpoint,
    /// One change until it is in force.
    DeltaMs,
    /// Longest request while everything changes.
    StallMs,
    /// From the start of a control plane until every proxy has accepted everything.
    ConvergeS,
    /// Processor time for that.
    CpuSToConverge,
    /// Resident memory of the control plane that a proxy adds, its connection with it.
    KilobytesPerProxy,
    /// From the request that changes an endpoint to the last acknowledgement: median.
    ChangeP50Ms,
    /// The same: 99 of 100.
    ChangeP99Ms,
    /// Processor time of the control plane for a change.
    CpuMsPerChange,
    /// Bytes that were sent to proxies which a change does not concern, all changes together.
    UninterestedBytes,
}

impl Metric {
    /// In the order of the columns.
    pub const ALL: [Metric; 28] = [
        Metric::PerSecond,
        Metric::CpuUs,
        Metric::P50,
        Metric::P99,
        Metric::P999,
        Metric::GigabytesPerSecond,
        Metric::CpuMsPerGigabyte,
        Metric::IdleMegabytes,
        Metric::LoadMegabytes,
        Metric::BeforeMegabytes,
        Metric::KilobytesPerConnection,
        Metric::AfterMegabytes,
        Metric::AfterToBefore,
        Metric::StartMs,
        Metric::CpuMsToStart,
        Metric::FirstLoadS,
        Metric::CpuSToLoad,
        Metric::BytesPerCluster,
        Metric::BytesPerEndpoint,
        Metric::DeltaMs,
        Metric::StallMs,
        Metric::ConvergeS,
        Metric::CpuSToConverge,
        Metric::KilobytesPerProxy,
        Metric::ChangeP50Ms,
        Metric::ChangeP99Ms,
        Metric::CpuMsPerChange,
        Metric::UninterestedBytes,
    ];

    /// Head of its column, with the unit.
    pub fn label(self) -> &'static str {
        match self {
            Metric::PerSecond => "per second",
            Metric::CpuUs => "CPU µs each",
            Metric::P50 => "p50 µs",
            Metric::P99 => "p99 µs",
            Metric::P999 => "p99.9 µs",
            Metric::GigabytesPerSecond => "GB/s",
            Metric::CpuMsPerGigabyte => "CPU ms per GB",
            Metric::IdleMegabytes => "MB after start",
            Metric::LoadMegabytes => "MB under load",
            Metric::BeforeMegabytes => "MB before the burst",
            Metric::KilobytesPerConnection => "KB a connection",
            Metric::AfterMegabytes => "MB after the burst",
            Metric::AfterToBefore => "after/before",
            Metric::StartMs => "ms",
            Metric::CpuMsToStart => "CPU ms",
            Metric::FirstLoadS => "s to serve all",
            Metric::CpuSToLoad => "CPU s",
            Metric::BytesPerCluster => "B a cluster",
            Metric::BytesPerEndpoint => "B an endpoint",
            Metric::DeltaMs => "ms for one change",
            Metric::StallMs => "ms longest stall",
            Metric::ConvergeS => "s to converge",
            Metric::CpuSToConverge => "CPU s to converge",
            Metric::KilobytesPerProxy => "KB a proxy",
            Metric::ChangeP50Ms => "change p50 ms",
            Metric::ChangeP99Ms => "change p99 ms",
            Metric::CpuMsPerChange => "CPU ms per change",
            Metric::UninterestedBytes => "B to others",
        }
    }

    /// A value with as many digits as mean something.
    pub fn show(self, value: f64) -> String {
        let digits = match value.abs() {
            small if small < 1.0 => 3,
            small if small < 10.0 => 2,
            middle if middle < 1000.0 => 1,
            _ => 0,
        };
        let plain = format!("{value:.digits$}");
        if digits > 0 {
            return plain;
        }
        let mut grouped = String::new();
        for (place, digit) in plain.chars().enumerate() {
            if place > 0 && (plain.len() - place) % 3 == 0 && !grouped.ends_with('-') {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let shown = [0.123_4, 1.234, 12.34, 1234.5, 1_234_567.0].map(|value| Metric::CpuUs.show(value));
        assert_eq!(shown, ["0.123", "1.23", "12.3", "1,234", "1,234,567"]);
    }
}
