// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Logging
import ServiceLifecycle
import UnixSignals

/// Checks the configuration at each SIGHUP and logs the mistakes. The running gateway keeps its configuration.
struct HangupService: Service {
    private static let mostLogged = 20

    let file: String
    let logger: Logger

    func run() async {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() { check() }
    }

    private func check() {
        let problems = ProblemList(provesEnvironment: true)
        let proof = problems.check(file)
        guard !problems.lines.isEmpty else {
            return logger.notice(
                "SIGHUP: the configuration has no mistake; a change takes effect at the next start",
                metadata: ["file": "\(file)", "found": "\(proof)"])
        }
        for line in problems.lines.prefix(Self.mostLogged) {
            logger.error(.reloadRejected, "SIGHUP: a mistake in the configuration", metadata: ["mistake": "\(line)"])
        }
        logger.error(
            .reloadRejected,
            "SIGHUP: the configuration has mistakes; the gateway keeps the configuration with which it started",
            metadata: ["file": "\(file)", "mistakes": "\(problems.lines.count)"])
    }
}
