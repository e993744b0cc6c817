import CacheModel
import LayerFormat
import Support

// Entry records: what is accepted can be written again, and a seal holds for exactly the bytes that were sealed.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    require(!EntryRecord.isSealed(bytes, with: key), "bytes that nobody sealed count as sealed")
    guard let record = try? EntryRecord(decoding: bytes), let written = try? record.encoded() else { return 0 }
    require((try? EntryRecord(decoding: written)) == record, "a record changes when it is written again")
    guard count % 8 == 0, var sealed = try? record.sealed(with: key) else { return 0 }
    require(EntryRecord.isSealed(sealed, with: key), "a seal does not hold")
    require(!EntryRecord.isSealed(sealed, with: otherKey), "a seal holds for another key")
    require((try? EntryRecord(decoding: sealed)) == record, "a seal changes the record")
    sealed[count % sealed.count] ^= 1
    require(!EntryRecord.isSealed(sealed, with: key), "a seal holds for other bytes")
    return 0
}

private let key = RecordKey()
private let otherKey = RecordKey()
