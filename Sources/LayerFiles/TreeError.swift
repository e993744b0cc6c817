internal import Glibc
internal import LayerFormat

/// Why a tree could not be read, streamed or restored.
///
/// The description names the file and says what to do next; callers decide on ``code`` alone.
public struct TreeError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: Hashable, Sendable {
        /// The saved path does not exist.
        case missing
        /// A device, socket or pipe, which a layer cannot hold.
        case specialFile
        /// A file changed while it was being read.
        case changed
        /// The disk or a quota is full.
        case noSpace
        /// The description of the layer is refused.
        case invalidLayer
        /// Chunks are missing at the end of a restore, or have another size than the recipe says.
        case incomplete
        /// Any other failure of the operating system.
        case system
    }

    /// What kind of failure it is.
    public let code: Code
    /// What happened, to which file, and what to do next.
    public let description: String

    /// Creates an error.
    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    /// An error of the operating system about one file.
    ///
    /// - Parameters:
    ///   - number: The value of `errno`.
    ///   - action: What failed, to follow "cannot …".
    ///   - path: The path as bytes.
    ///   - remedy: What else to say, after the reason.
    init(errno number: Int32, _ action: String, _ path: some Sequence<UInt8>, remedy: String = "") {
        let reason = String(cString: strerror(number))
        let text = "cannot \(action) '\(Member.display(Array(path)))': \(reason)"
        let code: Code =
            switch number {
            case ENOSPC, EDQUOT: .noSpace
            default: .system
            }
        self.init(code, remedy.isEmpty ? text : "\(text); \(remedy)")
    }

    /// The same error with one more remark.
    func adding(_ remark: String) -> Self { Self(self.code, "\(self.description); \(remark)") }
}
