// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Glibc
import Modbus

/// What the system allows the gateway: descriptors and threads. With too few of them it would stop in the middle of its work,
/// or poll and send nothing, so it does not start.
enum SystemLimits {
    /// libmodbus watches sockets with `select`, and aborts the process if one is numbered 1024 or higher (measured with
    /// 3.1.6). With the limit there the next link gets an error instead.
    private static let mostFiles: rlim_t = 1_024

    static func prove(_ configuration: Configuration) throws(StartError) {
        try proveFiles(configuration)
        try proveThreads(configuration)
    }

    // MARK: Descriptors

    /// Log, outbox, admin address and what the libraries have open: 34 were counted of a gateway without links and outputs.
    private static let ownFiles = 64
    private static let filesPerLink = 2
    /// The port, the connection in use, and those that wait.
    private static let filesPerListener = 6
    private static let filesPerOutput = 8

    private static func neededFiles(_ configuration: Configuration) -> Int {
        let links = configuration.links.reduce(0) { $0 + ($1.isDialledIn ? filesPerListener : filesPerLink) }
        return ownFiles + links + configuration.outputs.count * filesPerOutput
    }

    /// How many descriptors there are beside those that links and outputs need.
    static func spareFiles(_ configuration: Configuration) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return Int(min(limit.rlim_cur, mostFiles)) - neededFiles(configuration)
    }

    private static func proveFiles(_ configuration: Configuration) throws(StartError) {
        let needed = rlim_t(neededFiles(configuration))
        var limit = rlimit()
        let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(files, &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, mostFiles)
        setrlimit(files, &limit)
        guard limit.rlim_cur < needed else { return }
        throw StartError(
            .systemLimit,
            "the system allows \(limit.rlim_cur) open files, and this configuration needs \(needed): "
                + (needed > mostFiles
                    ? "use fewer links" : "raise the limit (ulimit -n, LimitNOFILE= of systemd)"))
    }

    // MARK: Threads

    /// Of the Swift runtime, the admin address and the outbox.
    private static let ownThreads = 12
    private static let threadsPerOutput = 4

    private static func proveThreads(_ configuration: Configuration) throws(StartError) {
        let needed = ownThreads + configuration.links.count + configuration.outputs.count * threadsPerOutput
        let started = ThreadProbe.start(needed)
        guard started < needed else { return }
        throw StartError(
            .systemLimit,
            "the system allows \(started) more threads, and this configuration needs \(needed): "
                + "raise the limit (ulimit -u, TasksMax= of systemd, pids of the container)")
    }
}

/// Threads that do nothing, to learn how many can be started.
private enum ThreadProbe {
    private static let stackBytes = 64 << 10

    /// - Returns: how many of `count` could be started at the same time.
    static func start(_ count: Int) -> Int {
        var gate = pthread_mutex_t()
        pthread_mutex_init(&gate, nil)
        defer { pthread_mutex_destroy(&gate) }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)
        return withUnsafeMutablePointer(to: &gate) { gate in
            // Each waits at the gate until all have been started.
            pthread_mutex_lock(gate)
            var threads: [pthread_t] = []
            for _ in 0..<count {
                var thread = pthread_t()
                let code = pthread_create(
                    &thread, &attributes,
                    { gate in
                        guard let gate = gate?.assumingMemoryBound(to: pthread_mutex_t.self) else { return nil }
                        pthread_mutex_lock(gate)
                        pthread_mutex_unlock(gate)
                        return nil
                    }, gate)
                guard code == 0 else { break }
                threads.append(thread)
            }
            pthread_mutex_unlock(gate)
            for thread in threads { pthread_join(thread, nil) }
            return threads.count
        }
    }
}

extension Configuration.Link {
    fileprivate var isDialledIn: Bool {
        if case .modbus(let endpoint, _) = way { endpoint.isDialIn } else { false }
    }
}
