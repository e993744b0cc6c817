import CacheModel
import Testing

struct QuantityTests {
    @Test(arguments: [
        ("50GB", 50_000_000_000), ("512 MiB", 536_870_912), ("1.5G", 1_610_612_736), ("4096", 4_096), ("0", 0),
        ("10kB", 10_000), ("2TiB", 2_199_023_255_552),
    ])
    func `byte counts are read as people write them`(text: String, bytes: Int) {
        #expect(Quantity.bytes(text) == bytes)
    }

    @Test(arguments: ["", "GB", "-1", "1 potato", "1e99", "99999999TB", "1..5G", "0x10"])
    func `what is no byte count is refused`(text: String) {
        #expect(Quantity.bytes(text) == nil)
    }

    @Test(arguments: [
        ("7d", 604_800_000), ("36h", 129_600_000), ("500ms", 500), ("2w", 1_209_600_000), ("90m", 5_400_000),
    ])
    func `durations are read with their unit`(text: String, milliseconds: Int) {
        #expect(Quantity.duration(text) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["7", "d", "1y", "", "-3d"])
    func `a duration without a known unit is refused`(text: String) {
        #expect(Quantity.duration(text) == nil)
    }

    @Test(arguments: [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (185_597_952, "177 MiB"), (1 << 30, "1 GiB")])
    func `byte counts are written as CircleCI writes them`(bytes: Int, text: String) {
        #expect(Quantity.describe(bytes: bytes) == text)
    }

    @Test(arguments: [
        (0, "0ms"), (245, "245ms"), (3_245, "3.245s"), (87_217, "1m27.217s"), (3_600_000, "1h0m0s"), (1_500, "1.5s"),
    ])
    func `durations are written as Go writes them`(milliseconds: Int, text: String) {
        #expect(Quantity.describe(.milliseconds(milliseconds)) == text)
    }
}
