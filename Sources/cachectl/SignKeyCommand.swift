internal import ArgumentParser
internal import CommandLineKit
internal import Glibc
internal import Signatures

/// `cachectl sign-key`.
struct SignKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign-key",
        abstract: "Make keys that entries are signed with.",
        subcommands: [SignKeyCreateCommand.self]
    )
}

/// `cachectl sign-key create`.
struct SignKeyCreateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a new key: the secret into a file, the public key into the same name with .pub.",
        discussion: """
            Give the secret to the jobs whose caches others may trust, as --sign-key or as the secret TARN_SIGN_KEY; the \\
            public key to those who restore, as --trusted-key. The server needs neither.

            Examples:
              cachectl sign-key create release.key
              save_cache --key deps-main --path venv --sign-key release.key
              restore_cache deps-main --require-signature any --trusted-key release.key.pub
            """
    )

    @Argument(help: ArgumentHelp("The file of the secret; it must not be there.", valueName: "file"))
    var file: String

    func run() throws {
        let key = SigningKey()
        try Self.write(key.text, to: self.file, mode: 0o600)
        do {
            try Self.write(key.publicKey.description, to: self.file + ".pub", mode: 0o644)
        } catch {
            // A secret whose public key nobody has is of no use.
            unlink(self.file)
            throw error
        }
        try Output().line("\(key.publicKey)")
    }

    private static func write(_ text: String, to path: String, mode: mode_t) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard file >= 0 else { throw Self.failure(path) }
        defer { close(file) }
        try Array((text + "\n").utf8).withUnsafeBytes { try Output.write($0, to: file, named: path) }
        guard fsync(file) == 0 else { throw Self.failure(path) }
    }

    private static func failure(_ path: String) -> CommandFailure {
        CommandFailure(.failure, "cannot write '\(path)': \(String(cString: strerror(errno)))")
    }
}
