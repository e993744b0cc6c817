// swift-tools-version: 6.2
import PackageDescription

let core = Target.Dependency.product(name: "TarnCore", package: "tarn")
let parsers = Target.Dependency.product(name: "TarnParsers", package: "tarn")
let edge = Target.Dependency.product(name: "TarnEdge", package: "tarn")

/// A program around libFuzzer, which brings its own `main`.
func fuzzer(_ name: String, _ dependencies: Target.Dependency...) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["CFuzzer", "Support"] + dependencies,
        path: "Targets/\(name)",
        swiftSettings: [.unsafeFlags(["-parse-as-library"])]
    )
}

// A package of its own, because its programs link with `--sanitize=fuzzer` only. `Tests/Fuzz/run` builds and runs it.
let package = Package(
    name: "fuzz",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "tarn", path: "../.."),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    ],
    targets: [
        .target(name: "CFuzzer", path: "CFuzzer"),
        .target(name: "Support", dependencies: ["CFuzzer"], path: "Support"),
        fuzzer("FuzzTarReader", core),
        fuzzer("FuzzTarUpload", parsers),
        fuzzer("FuzzStreams", core),
        fuzzer("FuzzFrames", core),
        fuzzer("FuzzLayerBlobs", core),
        fuzzer("FuzzEntryRecord", core),
        fuzzer("FuzzMembers", core),
        fuzzer("FuzzTemplates", core),
        fuzzer("FuzzGlobs", core),
        fuzzer("FuzzWords", parsers),
        fuzzer("FuzzMessages", parsers),
        fuzzer("FuzzBlobRecords", parsers, .product(name: "NIOCore", package: "swift-nio")),
        fuzzer("FuzzYAML", parsers),
        fuzzer("FuzzPolicy", core),
        fuzzer("FuzzRequests", edge),
        fuzzer("FuzzIdentities", edge),
    ],
    swiftLanguageModes: [.v6]
)
