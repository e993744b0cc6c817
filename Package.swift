// swift-tools-version: 6.2
import PackageDescription

/// Settings shared by every target: the Swift 6 language mode plus the
/// upcoming features that make imports and existentials explicit.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let jwtKit = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP1 = Target.Dependency.product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "tarn",
    products: [
        .executable(name: "tarnd", targets: ["tarnd"]),
        .executable(name: "restore_cache", targets: ["restore_cache"]),
        .executable(name: "save_cache", targets: ["save_cache"]),
        .executable(name: "cachectl", targets: ["cachectl"]),
        // For Benchmarks/kernels and Tests/Fuzz.
        .library(
            name: "TarnCore",
            targets: ["AccessPolicy", "CacheModel", "KeyTemplates", "LayerFormat", "LayerKernels"]
        ),
        // For Tests/Fuzz: also what reads foreign bytes and has dependencies.
        .library(
            name: "TarnParsers",
            targets: [
                "AccessPolicy", "CacheModel", "JobContext", "KeyTemplates", "LayerFiles", "LayerFormat", "LayerKernels",
                "NativeAPI",
            ]
        ),
        // For Tests/Fuzz: what only the server reads.
        .library(name: "TarnEdge", targets: ["AccessPolicy", "AccessRules", "CacheModel", "RequestFraming"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Layer 0: C.
        .target(name: "CLinux"),
        .target(name: "CSQLiteSettings"),
        .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CLibYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),

        // Layer 1: the core. Words, kernels, the layer format, files. No NIO, no Foundation.
        .target(name: "CacheModel", swiftSettings: strict),
        .target(name: "AccessPolicy", dependencies: ["CacheModel"], swiftSettings: strict),
        .target(
            name: "LayerKernels",
            dependencies: ["CacheModel", "CLibcrypto", "CZstd", "CZlib"],
            swiftSettings: strict
        ),
        .target(
            name: "LayerFormat",
            dependencies: ["CacheModel", "LayerKernels", protobuf],
            exclude: ["layer.proto"],
            swiftSettings: strict
        ),
        .target(
            name: "LayerFiles",
            dependencies: ["CacheModel", "LayerFormat", "LayerKernels", "CLinux"],
            swiftSettings: strict
        ),
        .target(name: "KeyTemplates", dependencies: ["CacheModel", "LayerKernels"], swiftSettings: strict),
        .target(name: "Signatures", dependencies: ["CacheModel", "LayerKernels", crypto], swiftSettings: strict),
        .target(name: "NativeAPI", dependencies: ["CacheModel", nioCore], swiftSettings: strict),

        // Layer 2: the storage seam.
        .target(
            name: "StorageInterface",
            dependencies: ["AccessPolicy", "CacheModel", "LayerKernels", nioCore],
            swiftSettings: strict
        ),

        // Layer 3: storage. Siblings never import each other.
        .target(
            name: "MemoryStorage",
            dependencies: ["CacheModel", "LayerKernels", "StorageInterface", nioCore],
            swiftSettings: strict
        ),
        .target(
            name: "DiskBlobs",
            dependencies: ["CacheModel", "CLinux", "LayerKernels", "StorageInterface", nioCore, nioPosix],
            swiftSettings: strict
        ),
        .target(
            name: "SQLiteCatalog",
            dependencies: ["AccessPolicy", "CSQLiteSettings", "CacheModel", "LayerKernels", "StorageInterface", grdb],
            swiftSettings: strict
        ),

        // Layer 4: the use cases, and who may use them. Siblings never import each other.
        .target(
            name: "AccessControl",
            dependencies: ["AccessPolicy", "CacheModel", "LayerKernels", "StorageInterface"],
            swiftSettings: strict
        ),
        .target(
            name: "CacheService",
            dependencies: [
                "CacheModel", "LayerFiles", "LayerFormat", "LayerKernels", "Signatures", "StorageInterface",
                logging, nioCore, nioPosix,
            ],
            swiftSettings: strict
        ),

        .target(
            name: "AccessRules",
            dependencies: ["AccessPolicy", "CacheModel", yams],
            swiftSettings: strict
        ),
        .target(
            name: "JobIdentities",
            dependencies: [
                "AccessControl", "AccessPolicy", "AccessRules", "CacheModel", "LayerKernels", asyncHTTPClient, jwtKit,
                logging, nioCore, nioHTTP1, nioSSL,
            ],
            swiftSettings: strict
        ),

        // Layer 5: wire protocols. Siblings never import each other.
        .target(name: "RequestFraming", swiftSettings: strict),
        .target(
            name: "GatewayKit",
            dependencies: [
                "CacheModel", "CacheService", "StorageInterface", hummingbird, httpTypes, logging, nioCore, nioHTTP1,
            ],
            swiftSettings: strict
        ),
        .target(
            name: "NativeGateway",
            dependencies: [
                "AccessControl", "AccessPolicy", "AccessRules", "CacheModel", "CacheService", "GatewayKit",
                "JobIdentities",
                "LayerFormat", "NativeAPI", "Signatures",
                "StorageInterface", hummingbird, httpTypes, logging, nioCore, nioHTTP1, nioPosix,
            ],
            swiftSettings: strict
        ),

        // Layer 6: the composition root and the clients.
        .target(
            name: "CacheServer",
            dependencies: [
                "AccessControl", "AccessPolicy", "AccessRules", "CLinux", "CacheModel", "CacheService", "DiskBlobs",
                "GatewayKit", "JobIdentities", "LayerFormat", "LayerKernels", "NativeAPI", "NativeGateway",
                "RequestFraming", "SQLiteCatalog", "Signatures", "StorageInterface",
                hummingbird, hummingbirdCore, httpTypes, logging, nioCore, nioHTTP1, nioHTTPTypes, nioHTTPTypesHTTP1,
                nioPosix, nioSSL, serviceLifecycle, unixSignals,
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "tarnd",
            dependencies: [
                "CLinux", "CacheModel", "CacheServer", "CacheService", "LayerKernels", "NativeAPI", argumentParser,
                logging,
            ],
            swiftSettings: strict
        ),
        .target(
            name: "CacheClient",
            dependencies: [
                "CacheModel", "KeyTemplates", "LayerFiles", "LayerFormat", "LayerKernels", "NativeAPI", "Signatures",
                asyncHTTPClient, nioCore, nioHTTP1, nioPosix, nioSSL,
            ],
            swiftSettings: strict
        ),
        .target(
            name: "JobContext",
            dependencies: ["CLibYAML", "CacheModel", "KeyTemplates"],
            swiftSettings: strict
        ),
        .target(
            name: "CommandLineKit",
            dependencies: [
                "CacheClient", "CacheModel", "JobContext", "KeyTemplates", "LayerFiles", "NativeAPI", "Signatures",
                argumentParser,
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "restore_cache",
            dependencies: ["CacheClient", "CacheModel", "CommandLineKit", "JobContext", "NativeAPI", argumentParser],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "save_cache",
            dependencies: ["CacheClient", "CacheModel", "CommandLineKit", "JobContext", "Signatures", argumentParser],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "cachectl",
            dependencies: [
                "CacheClient", "CacheModel", "CommandLineKit", "JobContext", "KeyTemplates", "LayerFiles",
                "LayerFormat", "LayerKernels", "NativeAPI", "Signatures", argumentParser, nioCore,
            ],
            swiftSettings: strict
        ),

        // Tests.
        .testTarget(name: "CacheModelTests", dependencies: ["CacheModel"], swiftSettings: strict),
        .testTarget(
            name: "AccessRulesTests",
            dependencies: ["AccessPolicy", "AccessRules"],
            swiftSettings: strict
        ),
        .testTarget(name: "RequestFramingTests", dependencies: ["RequestFraming"], swiftSettings: strict),
        .testTarget(name: "AccessPolicyTests", dependencies: ["AccessPolicy", "CacheModel"], swiftSettings: strict),
        .testTarget(
            name: "AccessControlTests",
            dependencies: ["AccessControl", "AccessPolicy", "CacheModel", "MemoryStorage", "StorageInterface"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "CacheServiceTests",
            dependencies: [
                "CacheModel", "CacheService", "LayerFiles", "LayerFormat", "LayerKernels", "MemoryStorage",
                "StorageInterface", logging, nioCore, nioPosix,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "SignaturesTests",
            dependencies: ["CacheModel", "LayerKernels", "Signatures"],
            swiftSettings: strict
        ),
        .testTarget(name: "LayerKernelsTests", dependencies: ["CacheModel", "LayerKernels"], swiftSettings: strict),
        .testTarget(
            name: "JobIdentitiesTests",
            dependencies: [
                "AccessPolicy", "AccessRules", "CacheModel", "JobIdentities", crypto, cryptoExtras, logging,
            ],
            swiftSettings: strict
        ),
        .testTarget(name: "KeyTemplatesTests", dependencies: ["CacheModel", "KeyTemplates"], swiftSettings: strict),
        .testTarget(
            name: "JobContextTests",
            dependencies: ["CacheModel", "JobContext", "KeyTemplates"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "LayerFormatTests",
            dependencies: ["CacheModel", "LayerFormat", "LayerKernels"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "LayerFilesTests",
            dependencies: ["CLinux", "CacheModel", "LayerFiles", "LayerFormat", "LayerKernels"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "StorageConformanceTests",
            dependencies: [
                "AccessPolicy", "CacheModel", "DiskBlobs", "LayerKernels", "MemoryStorage", "SQLiteCatalog",
                "StorageInterface", grdb, nioCore, nioPosix,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "AccessControl", "AccessPolicy", "AccessRules", "CacheModel", "CacheServer", "CacheService",
                "GatewayKit", "JobIdentities", "LayerFormat", "LayerKernels", "NativeAPI", "NativeGateway",
                "Signatures", "StorageInterface",
                crypto, hummingbird, httpTypes, jwtKit, logging, nioCore, nioPosix,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ServerTests",
            dependencies: [
                "AccessPolicy", "AccessRules", "CacheModel", "CacheServer", "CacheService", "NativeGateway", "tarnd",
                logging,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "CacheClientTests",
            dependencies: [
                "CacheClient", "CacheModel", "LayerKernels", "NativeAPI", "Signatures", nioCore, nioHTTP1, nioPosix,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "CommandLineKitTests",
            dependencies: [
                "CacheClient", "CacheModel", "CommandLineKit", "JobContext", "NativeAPI", "Signatures", "restore_cache",
                "save_cache", argumentParser,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "CachectlTests",
            dependencies: [
                "CacheModel", "CommandLineKit", "LayerFiles", "LayerFormat", "LayerKernels", "NativeAPI", "cachectl",
                argumentParser,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["cachectl", "restore_cache", "save_cache", "tarnd"],
            exclude: ["snapshot.py"],
            swiftSettings: strict
        ),
    ],
    swiftLanguageModes: [.v6]
)
