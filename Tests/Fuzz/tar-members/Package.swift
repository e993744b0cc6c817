// swift-tools-version: 6.2
import PackageDescription

// Beside the fuzz targets and not among them: these link with libFuzzer, which brings its own `main`.
let package = Package(
    name: "tar-members",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "tarn", path: "../../..")],
    targets: [
        .executableTarget(
            name: "tar-members",
            dependencies: [.product(name: "TarnParsers", package: "tarn")],
            path: "Sources"
        )
    ],
    swiftLanguageModes: [.v6]
)
