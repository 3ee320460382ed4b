// swift-tools-version: 6.2
import PackageDescription

// Each upcoming feature is on everywhere: https://github.com/swiftlang/swift-evolution
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .treatAllWarnings(as: .error),
]

/// One of the folders a reading passes through. `ls Sources` is the way of a reading.
func part(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(name)", swiftSettings: settings)
}

/// The thin Swift face of one library. A C module is imported by its face and by nothing else.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/Libraries/\(name)", swiftSettings: settings)
}

func systemLibrary(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(
        name: name, path: "Sources/Libraries/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

func tests(_ name: String, _ dependencies: [Target.Dependency], excluding data: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, path: "Tests/\(name)", exclude: data, swiftSettings: settings)
}

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")

func nio(_ product: String) -> Target.Dependency { .product(name: product, package: "swift-nio") }

let package = Package(
    name: "headgate",
    products: [.executable(name: "headgate", targets: ["Headgate"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .target(
            name: "Codes", dependencies: [logging], path: "Sources/Codes", resources: [.embedInCode("codes.md")],
            swiftSettings: settings),
        part("Events", ["Codes"]),
        part("DeviceMaps", ["Codes", "Events", "YAMLText", "Spectrum", crypto]),
        part(
            "Inputs",
            ["Codes", "Events", "DeviceMaps", "Modbus", "MQTT", "Sparkplug", "Waiting", logging, metrics, lifecycle]),
        part("Pipeline", ["Events", "DeviceMaps"]),
        part("MapImport", ["Codes", "Events", "DeviceMaps", "YAMLText"]),
        part("Outbox", ["Codes", "Events", "SQLite", "Zstd", "Waiting", crypto, logging, metrics, lifecycle]),
        .target(
            name: "Schemas", dependencies: ["Codes", "Events", "DeviceMaps"], path: "Sources/Schemas",
            resources: [
                .embedInCode("Events/headgate.aggregate.v1.json"), .embedInCode("Events/headgate.alarm.v1.json"),
                .embedInCode("Events/headgate.gap.v1.json"), .embedInCode("Events/headgate.status.v1.json"),
                .embedInCode("Events/headgate.telemetry.v1.json"), .embedInCode("Events/headgate.write.v1.json"),
            ], swiftSettings: settings),
        part(
            "Outputs",
            ["Codes", "Events", "HTTP", "Kafka", "MQTT", "Sparkplug", "Waiting", "Zstd", crypto, logging, metrics]),
        part(
            "Admin",
            [
                "Codes", "Events", "Schemas", hummingbird, nio("NIOCore"), nio("NIOPosix"), nio("NIOHTTP1"), logging,
                metrics, lifecycle,
            ]),
        part("Simulator", ["Codes", "Events", "DeviceMaps", "Modbus", "MQTT", "Kafka", "Waiting", logging]),
        part(
            "Agent",
            [
                "Codes", "Events", "DeviceMaps", "Inputs", "MapImport", "Pipeline", "Outbox", "Outputs", "Schemas",
                "Admin",
                "YAMLText", "Modbus", "MQTT", "Sparkplug", "HTTP", "SQLite", crypto, "Waiting", "CGlibc", unixSignals,
                logging, metrics, lifecycle,
            ]),
        .executableTarget(
            name: "Headgate",
            dependencies: [
                "Admin", "Agent", "Codes", "DeviceMaps", "Events", "Inputs", "MQTT", "MapImport", "Schemas",
                "Simulator", "YAMLText", argumentParser, unixSignals,
            ],
            path: "Sources/Headgate", swiftSettings: settings, plugins: ["CommitPlugin"]),
        .plugin(name: "CommitPlugin", capability: .buildTool()),

        .executableTarget(
            name: "OutboxBenchmark", dependencies: ["Outbox", "Events", logging], path: "Tests/Benchmarks/Outbox",
            swiftSettings: settings),

        .executableTarget(
            name: "PipelineBenchmark", dependencies: ["DeviceMaps", "Events", "Pipeline", "YAMLText", "Zstd"],
            path: "Tests/Benchmarks/Pipeline", swiftSettings: settings),

        .executableTarget(
            name: "Fuzz",
            dependencies: [
                "Agent", "DeviceMaps", "Events", "Inputs", "MQTT", "MapImport", "Schemas", "Sparkplug", "YAMLText",
            ],
            path: "Tests/Fuzz",
            exclude: ["Corpus"], swiftSettings: settings),

        library("Waiting", ["CGlibc"]),
        library("Modbus", ["CModbus", "CGlibc"]),
        library("MQTT", ["CMosquitto", "Waiting"]),
        library("Kafka", ["CRdKafka"]),
        library("HTTP", ["CCurl"]),
        library("SQLite", ["CSQLite"]),
        library("Zstd", ["CZstd"]),
        library("Spectrum", ["CKissFFT"]),
        .target(
            name: "Sparkplug", dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            path: "Sources/Libraries/Sparkplug", exclude: ["sparkplug_b.proto"], swiftSettings: settings),
        library("YAMLText", ["Codes", .product(name: "Yams", package: "Yams")]),
        .target(name: "CCurl", path: "Sources/Libraries/CCurl"),
        .systemLibrary(name: "CGlibc", path: "Sources/Libraries/CGlibc"),
        systemLibrary("CModbus", pkgConfig: "libmodbus", apt: "libmodbus-dev"),
        systemLibrary("CMosquitto", pkgConfig: "libmosquitto", apt: "libmosquitto-dev"),
        systemLibrary("CRdKafka", pkgConfig: "rdkafka", apt: "librdkafka-dev"),
        systemLibrary("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
        systemLibrary("CZstd", pkgConfig: "libzstd", apt: "libzstd-dev"),
        .systemLibrary(
            name: "CKissFFT", path: "Sources/Libraries/CKissFFT", providers: [.apt(["libkissfft-dev"])]),

        .target(name: "TestSupport", dependencies: ["Events"], path: "Tests/TestSupport", swiftSettings: settings),
        tests("WaitingTests", ["Waiting"]),
        tests("CodesTests", ["Codes"]),
        tests("EventsTests", ["Codes", "Events"]),
        tests("DeviceMapsTests", ["Codes", "DeviceMaps", "Events", "TestSupport", "YAMLText"], excluding: ["Cases"]),
        tests("MapImportTests", ["MapImport", "DeviceMaps", "YAMLText"], excluding: ["Cases"]),
        tests("PipelineTests", ["Pipeline", "DeviceMaps", "Events", "TestSupport"]),
        tests(
            "InputsTests",
            ["Inputs", "Codes", "DeviceMaps", "Events", "MQTT", "Modbus", "Sparkplug", "TestSupport", "YAMLText"]),
        tests("OutboxTests", ["Outbox", "Events", "SQLite", "TestSupport", logging]),
        tests("SchemasTests", ["Schemas", "DeviceMaps", "Events"]),
        tests("OutputsTests", ["Outputs", "Events", "Kafka", "MQTT", logging]),
        tests("AgentTests", ["Agent", "Codes", "Events", "Outputs", "YAMLText"], excluding: ["Cases"]),
    ],
    swiftLanguageModes: [.v6]
)
