// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What the system knows of this process (proc(5)), under the names every Prometheus client uses.
enum ProcessGauges {
    private static let start = time(nil)

    static func exposition() -> String {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let cpu =
            Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
        var text = PrometheusText.head("process_cpu_seconds_total", "counter") + "process_cpu_seconds_total \(cpu)\n"
        text += PrometheusText.head("process_resident_memory_bytes", "gauge")
        text += "process_resident_memory_bytes \(residentBytes())\n"
        text += PrometheusText.head("process_open_fds", "gauge") + "process_open_fds \(openFiles())\n"
        text += PrometheusText.head("process_start_time_seconds", "gauge") + "process_start_time_seconds \(start)\n"
        return text
    }

    private static func residentBytes() -> Int {
        var bytes = [UInt8](repeating: 0, count: 128)
        let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        let count = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
        let fields = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
    }

    private static func openFiles() -> Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Itself and its parent are entries; the folder being read is a file too.
        return max(0, count - 3)
    }
}
