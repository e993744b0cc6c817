internal import ArgumentParser
internal import CacheModel
internal import CacheServer
internal import LayerKernels

/// Checks the audit log of a server that is stopped.
struct AuditVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tarnd audit verify",
        abstract: "Recomputes the chain of the audit log, and names the first row that is wrong.",
        discussion: """
            Every row has a hash over its content and the hash of the row before it. Whoever can write the database \
            can make a whole new chain, so compare the end with one that was noted elsewhere: --head takes the hash \
            that 'cachectl audit head' printed, or that stands in a receipt.

            EXAMPLE
              tarnd audit verify --data /var/lib/tarn --head 5f0c…

            EXIT CODES
              0  all rows follow from each other
              1  a row is missing, changed, or in the wrong place
              2  the log cannot be read
            """
    )

    @Option(name: .long, help: ArgumentHelp("the data folder", valueName: "DIR"))
    var data: String

    @Option(name: .long, help: ArgumentHelp("the hash of an end that was seen earlier", valueName: "HASH"))
    var head: String?

    @Flag(name: .long, help: "print the result as JSON")
    var json = false

    func validate() throws {
        if let head = self.head, (try? Digest(hex: head)) == nil {
            throw ValidationError("--head is a hash of 64 lowercase hexadecimal digits, not '\(head)'")
        }
    }

    func run() async throws {
        let verdict: AuditVerdict
        do {
            verdict = try await FolderAudit.verify(self.data, remembered: self.head.map { try Digest(hex: $0) })
        } catch {
            Tarnd.complain("\(error)")
            throw ExitCode(2)
        }
        if self.json {
            print(try FolderAudit.json(verdict))
        } else {
            for line in verdict.report { print(line) }
        }
        if verdict.problem != nil { throw ExitCode(1) }
    }
}
