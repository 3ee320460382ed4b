// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Codes
import DeviceMaps
import Events
import Glibc
import Schemas
import YAMLText

extension SchemaComparison.Rule: ExpressibleByArgument {}

struct SchemaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Schemas of the events (Avro, JSON Schema, AsyncAPI).",
        subcommands: [Export.self, CheckSchema.self, AsyncAPI.self])

    // MARK: export

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the schemas of events.",
            discussion: """
                Each map has a record with a typed field for each point. The other kinds of events have a record each. Without MAP the \
                command prints the schemas of everything that the configuration sends: as one JSON object by the names of the records, \
                or as files in a folder.

                  headgate schema export --avro Devices/shelly-plus-plug-s.yaml
                  headgate schema export --avro --config headgate.yaml --folder schemas
                """)

        enum Form: String, EnumerableFlag {
            case avro, jsonSchema

            static func name(for value: Form) -> NameSpecification {
                .customLong(value == .avro ? "avro" : "json-schema")
            }

            static func help(for value: Form) -> ArgumentHelp? {
                value == .avro
                    ? "Avro records, as `format: avro` sends them."
                    : "JSON Schemas: of a map the data of its telemetry, else whole events."
            }
        }

        @OptionGroup var options: ConfigurationOption

        @Flag var form: Form

        @Option(help: "Use the units of this output of the configuration.")
        var output: String?

        @Option(help: "The folder for the schemas, one file each. Existing files are replaced.")
        var folder: String?

        @Argument(help: "Device maps.")
        var maps: [String] = []

        func run() async throws {
            let schemas = try schemas()
            guard let folder else {
                let all = JSONDocument.object(schemas)
                printFile(maps.count == 1 ? schemas.first?.1.lines ?? "" : all.lines)
                return
            }
            try prepareFolder(folder)
            for (name, schema) in schemas {
                let path = "\(folder)/\(name).\(form == .avro ? "avsc" : "json")"
                do {
                    try TextFile.create(path, schema.lines, replaces: true)
                } catch {
                    throw fail(error, else: .fileNotWritten, EX_CANTCREAT)
                }
            }
            print("\(schemas.count) schemas in \(folder)")
        }

        private func schemas() throws -> [(String, JSONDocument)] {
            guard maps.isEmpty else { return try readMaps(maps).map { schema(of: $0, $0.fields(), [:]) } }
            let configuration = try options.load(provesPlans: false)
            var units: [String: UnitChange] = [:]
            if let output {
                guard let known = configuration.outputs.first(where: { $0.name == output }) else {
                    throw fail(.usage, "\(output) is not an output of the configuration", EX_USAGE)
                }
                units = known.units
            }
            if form == .avro { return RecordSchemas(configuration, units: units).schemas }
            let own = EventKind.allCases.map { ($0.type, EventJSONSchema.envelope(of: $0)) }
            return configuration.recordedMaps.map {
                schema(of: $0, configuration.fields(of: $0, units: units), units)
            } + own
        }

        private func schema(
            of map: DeviceMap, _ fields: [PointField], _ units: [String: UnitChange]
        ) -> (String, JSONDocument) {
            let name = EventAvro.record(of: .telemetry, map: map.name)
            return switch form {
            case .avro: (name, AvroSchema.telemetry(of: map, fields: fields))
            case .jsonSchema: (name, EventJSONSchema.telemetry(of: map, fields: fields, units: units))
            }
        }
    }

    // MARK: check

    struct CheckSchema: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check", abstract: "Check whether a changed map breaks its consumers.",
            discussion: """
                Compares a map with the schema that consumers use: an Avro schema or an earlier version of the map (--against). Without \
                MAP the command compares everything that the Avro outputs of the configuration send with their registries. A field in \
                another unit also breaks consumers, because they would read wrong values.

                  headgate schema check Devices/meter.yaml --against released/meter.yaml
                  headgate schema check --config headgate.yaml --compatibility full

                Exit codes: 1 if a consumer breaks.
                """)

        @OptionGroup var options: ConfigurationOption

        @Option(
            help: """
                backward: consumers with the new schema can read old events; forward: consumers with the old schema can \
                read new events; full: both.
                """)
        var compatibility = SchemaComparison.Rule.full

        @Option(help: "The schema that consumers use: an Avro schema, or an earlier version of MAP.")
        var against: String?

        @Flag(help: "Print JSON.")
        var json = false

        @Argument(help: "A device map.")
        var map: String?

        func validate() throws {
            if (map == nil) != (against == nil) { throw ValidationError("write MAP together with --against") }
        }

        func run() async throws {
            let comparisons: [SchemaComparison]
            if let map, let against {
                guard let read = try readMaps([map]).first else { return }
                comparisons = [SchemaComparison.compare(read, with: try released(against), compatibility)]
            } else {
                do {
                    comparisons = try await SchemaComparison.compareWithRegistries(
                        try options.load(provesPlans: false), compatibility)
                } catch let exit as ExitCode {
                    throw exit
                } catch {
                    throw fail(error, else: .brokerDoesNotRespond, EX_UNAVAILABLE)
                }
            }
            if json { try printJSON(comparisons) } else { comparisons.forEach(show) }
            if comparisons.isEmpty { complain("no output has `format: avro`: nothing to compare") }
            guard comparisons.allSatisfy(\.breaches.isEmpty) else { throw ExitCode.failure }
        }

        private func released(_ path: String) throws -> ReleasedSchema {
            if path.hasSuffix(".yaml"), let map = try readMaps([path]).first { return ReleasedSchema(map, name: path) }
            do {
                if let schema = ReleasedSchema(avro: try TextFile.read(path), name: path) { return schema }
            } catch {
                throw fail(error, else: .fileNotRead, EX_NOINPUT)
            }
            throw fail(
                .wrongFileType, "\(path) must be the Avro schema of a record, or a device map (.yaml)", EX_DATAERR)
        }

        private func show(_ comparison: SchemaComparison) {
            guard let released = comparison.released else {
                return print("\(Style.good("new")): \(comparison.record) has not been sent before")
            }
            guard !comparison.breaches.isEmpty else {
                return print("\(Style.good("ok")): \(comparison.record), against \(released)")
            }
            print("\(Style.bad("breaks")): \(comparison.record), against \(released)")
            for breach in comparison.breaches {
                let whom =
                    breach.consumers == "new"
                    ? "consumers with the new schema, of events that were sent before"
                    : "consumers with the old schema, of events that are sent from now on"
                print("  \(breach.path) \(breach.why): \(whom)")
            }
        }
    }
}

extension SchemaCommand {
    struct AsyncAPI: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "asyncapi",
            abstract: "Print the topics of the configuration and their messages as AsyncAPI 3.0.",
            discussion: """
                The document contains the brokers, topics and messages of the outputs to Kafka and MQTT, with the schemas of the \
                messages, for catalogues and code generators.

                  headgate schema asyncapi --config headgate.yaml > asyncapi.json
                """)

        @OptionGroup var options: ConfigurationOption

        func run() async throws {
            printFile(AsyncAPIDocument(try options.load(provesPlans: false)).document.lines)
        }
    }
}

/// Maps without a mistake, or every mistake and exit code 78.
private func readMaps(_ paths: [String]) throws -> [DeviceMap] {
    let problems = ProblemList()
    let maps = problems.maps(at: paths)
    guard problems.lines.isEmpty else { throw mistakes(problems) }
    return maps
}
