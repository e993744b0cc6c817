// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that building Tarn does not build the benchmark library. The benchmark plugin takes the
// targets whose folder is in a folder named Benchmarks.
let package = Package(
    name: "kernels",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "tarn", path: "../.."),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        .target(name: "Allocations", path: "Allocations"),
        .executableTarget(
            name: "Kernels",
            dependencies: [
                "Allocations",
                .product(name: "TarnCore", package: "tarn"),
                .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Benchmarks/Kernels",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        ),
    ],
    swiftLanguageModes: [.v6]
)
