import CacheModel
import LayerKernels
import Testing

struct ChunkCutterTests {
    /// SHA-256 of counters 0..<131072 as 8-byte big-endian numbers, one after another: 4 MiB of noise.
    static let noise: [UInt8] = (0..<131_072).flatMap { (counter: UInt64) in
        SHA256.digest(of: withUnsafeBytes(of: counter.bigEndian) { Array($0) }).bytes
    }

    func cuts(of bytes: [UInt8], by cutter: ChunkCutter) -> [Int] {
        bytes.withUnsafeBytes { bytes in
            var cuts: [Int] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                cuts.append(cutter.firstCut(in: UnsafeRawBufferPointer(rebasing: rest)))
                rest = rest.dropFirst(cuts[cuts.count - 1])
            }
            return cuts
        }
    }

    @Test func `the noise is the noise that the vectors were made of`() {
        #expect(
            SHA256.digest(of: Self.noise).description
                == "931b8b883a3f86a9e187c538abeb95490596b23d7440d3a898472a07ce0c5169"
        )
    }

    @Test func `an average of 512 KiB cuts where other implementations cut`() {
        #expect(
            self.cuts(of: Self.noise, by: .layers)
                == [580_554, 223_385, 527_043, 635_310, 590_796, 287_192, 646_101, 622_428, 81_495]
        )
    }

    @Test func `an average of 64 KiB cuts where other implementations cut`() {
        #expect(
            self.cuts(of: Self.noise, by: ChunkCutter(averageSizeBits: 16)).prefix(10)
                == [86_806, 70_275, 116_729, 26_559, 56_506, 65_689, 70_946, 88_200, 43_733, 46_160]
        )
    }

    @Test func `an average of 16 KiB with an odd maximum cuts where other implementations cut`() {
        let cutter = ChunkCutter(averageSizeBits: 14, maximumSize: 65_535)
        #expect(
            self.cuts(of: Self.noise, by: cutter).prefix(10)
                == [27_247, 18_376, 4_975, 23_744, 19_422, 20_572, 19_738, 17_709, 20_739, 22_167]
        )
    }

    @Test func `zeros are cut at the maximum`() {
        #expect(self.cuts(of: [UInt8](repeating: 0, count: 3_000_000), by: .layers) == [2_097_152, 902_848])
    }
}
