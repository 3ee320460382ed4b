// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Glibc

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the gateway until SIGTERM or Ctrl-C.",
        discussion: """
            Starts whatever the state of devices and brokers is, and goes on trying. Logs to standard error, a line an \
            event; levels by part are set under `log:`. Stops within 5 s: devices are let go, what is committed is sent \
            if its broker takes it, the rest waits in the outbox for the next start. SIGHUP checks the configuration and \
            logs the mistakes; a change takes effect at the next start.
            """)

    @OptionGroup var options: ConfigurationOption

    func run() async throws {
        let configuration = try options.load()
        do {
            try await GatewayProcess.run(configuration, file: options.config)
        } catch let error as InUse {
            throw fail(error.description, EX_TEMPFAIL)
        } catch {
            throw fail("\(error)", EX_UNAVAILABLE)
        }
    }
}
