import CacheModel
@testable import NativeAPI
import Support

// JSON messages of /v1: what is accepted is written as something that is accepted and written the same.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var feed = Feed(start, count)
    let kind = feed.number(below: 8)
    let bytes = Array(feed.rest)
    switch kind {
    case 0: check(ResolveRequest.self, bytes)
    case 1: check(CommitRequest.self, bytes)
    case 2: check(KnownTreesRequest.self, bytes)
    case 3: check(MissingBlobsRequest.self, bytes)
    case 4: check(ChangeRequest.self, bytes)
    case 5: check(ResolveResponse.self, bytes)
    case 6: check(EntriesResponse.self, bytes)
    default: check(HistoryResponse.self, bytes)
    }
    return 0
}

private func check<Message: Codable>(_ type: Message.Type, _ bytes: [UInt8]) {
    let message: Message
    do {
        message = try NativeJSON.decode(type, from: bytes)
    } catch {
        return require(error is CacheError, "\(error) is no error for a client")
    }
    guard let written = try? NativeJSON.encode(message) else { return require(false, "a message cannot be written") }
    let again = (try? NativeJSON.decode(type, from: written)).flatMap { try? NativeJSON.encode($0) }
    require(again == written, "a message changes: \(String(decoding: written, as: UTF8.self))")
}
