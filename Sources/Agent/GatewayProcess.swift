// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import CGlibc
import Codes
import Glibc
import Logging
import Metrics
import Outbox

/// Another process has what this one needs.
public struct InUse: CodedError {
    public var code: Code { .outboxInUse }
    public let description: String
}

/// The gateway as a process: what is set once, before anything is opened.
public enum GatewayProcess {
    /// Has every log entry be one line. Once, before anything is logged.
    public static func prepareLog() { LoggingSystem.bootstrap(OneLineLog.init) }

    /// Runs until SIGTERM or SIGINT.
    /// - Parameter file: where the configuration is from.
    public static func run(_ configuration: Configuration, file: String) async throws {
        // Until `HangupService` runs, SIGHUP would end the process.
        signal(SIGHUP, SIG_IGN)
        let metrics = PrometheusRegistry()
        MetricsSystem.bootstrap(metrics)
        StateFolder.keepPrivate()
        try SystemLimits.prove(configuration)
        limitHeaps()
        if configuration.keepsSecrets { forbidCores() }
        let gateway: Gateway
        do {
            gateway = try Gateway(configuration, metrics: metrics)
        } catch let error as OutboxError where error.kind == .inUse {
            throw InUse(description: error.description)
        }
        do {
            try await gateway.run(checking: file)
        } catch let error as AdminError where error.isInUse {
            throw InUse(description: error.description)
        }
    }

    /// What is not to be on a disk is in memory for a moment.
    private static func forbidCores() {
        var limit = rlimit()
        let cores = __rlimit_resource_t(RLIMIT_CORE.rawValue)
        if getrlimit(cores, &limit) == 0 {
            limit.rlim_cur = 0
            setrlimit(cores, &limit)
        }
        forbid_cores()
    }

    /// Large buffers live as long as a block: each from the kernel and back to it, or they leave holes in the heap. One
    /// heap does for the few threads that allocate at once. Measured with a million readings waiting: 7.7 MB anonymous
    /// instead of 10.
    private static func limitHeaps() {
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, 32 << 10)
        mallopt(M_TRIM_THRESHOLD, 64 << 10)
    }
}

extension Configuration {
    /// Whether something is not to be read on the disk.
    fileprivate var keepsSecrets: Bool {
        outbox.encryption != nil || !minimise.points.isEmpty || !minimise.names.isEmpty
    }
}
