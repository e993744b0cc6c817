internal import CacheModel
internal import FoundationEssentials

/// JSON as the native API writes and reads it.
package enum NativeJSON {
    /// Writes a message with sorted keys.
    package static func encode(_ message: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(message))
    }

    /// How deep objects and lists may lie in each other; the messages need no more than 6.
    private static let deepest = 32

    /// Reads a message.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest` that names the place in the document.
    package static func decode<Message: Decodable>(_ type: Message.Type, from bytes: [UInt8]) throws -> Message {
        guard Self.isFlat(bytes) else {
            throw CacheError(.invalidRequest, "the JSON document has more than \(Self.deepest) levels")
        }
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as DecodingError {
            throw CacheError(.invalidRequest, "the JSON document does not fit: \(Self.describe(error))")
        } catch {
            throw CacheError(.invalidRequest, "the body is no JSON document")
        }
    }

    /// Whether brackets are at most ``deepest`` deep; the decoder goes on by calling itself.
    private static func isFlat(_ bytes: [UInt8]) -> Bool {
        var depth = 0
        var isInText = false
        var isEscaped = false
        for byte in bytes {
            if isInText {
                if isEscaped { isEscaped = false } else { (isInText, isEscaped) = (byte != 0x22, byte == 0x5c) }
                continue
            }
            switch byte {
            case 0x22: isInText = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                if depth > Self.deepest { return false }
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            default: break
            }
        }
        return true
    }

    private static func describe(_ error: DecodingError) -> String {
        let (context, problem): (DecodingError.Context, String) =
            switch error {
            case .keyNotFound(let key, let context): (context, "'\(key.stringValue)' is missing")
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
                (context, context.debugDescription)
            @unknown default: (.init(codingPath: [], debugDescription: ""), "it cannot be read")
            }
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        return path.isEmpty ? problem : "\(path): \(problem)"
    }
}
