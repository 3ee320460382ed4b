// Headgate
// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import UnixSignals

/// Checks the configuration at each SIGHUP and logs what it finds. The gateway goes on with the one that it was started with.
struct HangupService: Service {
    private static let mostLogged = 20

    let file: String
    let logger: Logger

    func run() async {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() { check() }
    }

    private func check() {
        let problems = ProblemList()
        let proof = problems.check(file)
        guard !problems.lines.isEmpty else {
            return logger.notice(
                "SIGHUP: the configuration has no mistake; a change of it takes effect at the next start",
                metadata: ["file": "\(file)", "found": "\(proof)"])
        }
        for line in problems.lines.prefix(Self.mostLogged) {
            logger.error("SIGHUP: a mistake in the configuration", metadata: ["mistake": "\(line)"])
        }
        logger.error(
            "SIGHUP: the configuration has mistakes, and the gateway would not start with it; it goes on as it was started",
            metadata: ["file": "\(file)", "mistakes": "\(problems.lines.count)"])
    }
}
