import Allocations
import Benchmark
import CacheModel
import KeyTemplates
import LayerFormat
import LayerKernels

let allocations = BenchmarkMetric.custom("Allocations", polarity: .prefersSmaller, useScalingFactor: false)

/// A benchmark of `work`, which is done once for each measurement; its allocations are counted beside its time.
func kernel(_ name: String, _ work: @escaping @Sendable () throws -> Void) {
    Benchmark(name) { benchmark in
        benchmark.startMeasurement()
        let before = tarn_allocation_count()
        try work()
        let after = tarn_allocation_count()
        benchmark.stopMeasurement()
        benchmark.measurement(allocations, Int(after - before))
    }
}

let mebibyte = 1 << 20

let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput, allocations],
        warmupIterations: 3,
        maxDuration: .seconds(1),
        maxIterations: 2_000
    )
    hashing()
    cutting()
    compression()
    tar()
    keys()
    recipes()
}

func hashing() {
    let big = Inputs.noise(16 * mebibyte)
    kernel("hash 16 MiB") { blackHole(SHA256.digest(of: big)) }
    let small = Inputs.noise(4_096)
    kernel("hash 4 KiB, a thousand times") {
        for _ in 0..<1_000 { blackHole(SHA256.digest(of: small)) }
    }
}

func cutting() {
    for (name, bytes) in [("noise", Inputs.noise(16 * mebibyte)), ("text", Inputs.text(16 * mebibyte))] {
        kernel("cut 16 MiB of \(name)") {
            bytes.withUnsafeBytes { bytes in
                var rest = bytes[...]
                while !rest.isEmpty {
                    rest = rest.dropFirst(ChunkCutter.layers.firstCut(in: UnsafeRawBufferPointer(rebasing: rest)))
                }
            }
        }
    }
}

/// A codec that all iterations reuse, as the client's workers do.
///
/// Sound to share: benchmarks run one after another, each on one thread.
final class SharedCodec: @unchecked Sendable {
    var codec = FrameCodec()
}

func compression() {
    let shared = SharedCodec()
    for (name, bytes) in [("noise", Inputs.noise(mebibyte)), ("text", Inputs.text(mebibyte))] {
        kernel("compress 1 MiB of \(name)") { blackHole(try shared.codec.compress(bytes)) }
        guard let frame = try? shared.codec.compress(bytes) else { fatalError("Any bytes compress.") }
        kernel("decompress 1 MiB of \(name)") {
            blackHole(try frame.withUnsafeBytes { try shared.codec.decompress($0, size: mebibyte) })
        }
    }
}

func tar() {
    let members = Inputs.members(10_000)
    kernel("tar headers of 10,000 files") {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(mebibyte)
        for index in members.indices {
            CanonicalTar.appendHeader(of: members, at: index, mtime: nil, to: &bytes)
            if bytes.count > mebibyte - 4_096 { bytes.removeAll(keepingCapacity: true) }
        }
        blackHole(bytes)
    }
    kernel("size of the tar of 10,000 files") { blackHole(CanonicalTar.streamSize(of: members)) }
}

func keys() {
    let text = #"deps1-{{ arch }}-{{ .Branch }}-{{ .Environment.CACHE_VERSION }}-{{ .Revision }}"#
    let context = ExpansionContext(
        branch: "main",
        revision: "0123456789abcdef0123456789abcdef01234567",
        environment: { $0 == "CACHE_VERSION" ? "7" : nil },
        workingDirectory: "/",
        home: "/",
        architecture: "arch1-linux-amd64"
    )
    kernel("parse and expand a key template, a thousand times") {
        for _ in 0..<1_000 { blackHole(try KeyTemplate(text).expand(in: context)) }
    }
}

func recipes() {
    let members = Inputs.members(10_000)
    let digest = SHA256.digest(of: [1, 2, 3])
    let size = CanonicalTar.streamSize(of: members)
    let chunk = 512 << 10
    let recipe = Recipe(
        treeDigest: digest,
        streamSize: size,
        chunks: stride(from: 0, to: size, by: chunk).map {
            ChunkReference(digest: digest, size: min(chunk, size - $0))
        },
        members: members,
        contentDigests: digest
    )
    kernel("encode the recipe of 10,000 files") { blackHole(try recipe.encoded()) }
    guard let bytes = try? recipe.encoded() else { fatalError("The recipe is within the limits.") }
    kernel("decode the recipe of 10,000 files") { blackHole(try Recipe(decoding: bytes)) }
}
