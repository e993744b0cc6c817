internal import CommandLineKit
internal import Glibc

/// What is told on the standard error.
enum Messages {
    /// Tells what went wrong.
    static func complain(_ text: String) { Self.write("cachectl: \(OutputText.escaped(text))") }

    /// Tells what a person should know although nothing went wrong.
    static func warn(_ text: String) { Self.write("cachectl: warning: \(OutputText.escaped(text))") }

    /// Tells what is going on.
    static func tell(_ text: String) { Self.write(OutputText.escaped(text)) }

    private static func write(_ line: String) { Self.writeUnescaped(line, to: STDERR_FILENO) }

    /// Prints text that is our own, such as help.
    static func writeUnescaped(_ text: String, to file: Int32) {
        let bytes = Array("\(text)\n".utf8)
        // Nobody is left to be told that telling failed.
        try? bytes.withUnsafeBytes { try Output.write($0, to: file, named: "the terminal") }
    }
}
