internal import ArgumentParser
internal import CacheModel
internal import CacheServer
internal import CacheService

/// Copies a data folder, also while its server runs.
struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tarnd backup",
        abstract: "Copies a data folder so that every entry has all its bytes, also while the server runs.",
        discussion: """
            The first backup brings everything over, later ones into the same folder only what is new. On the same \
            file system blobs become hard links: that keeps them when the cache deletes them, but not when the disk \
            fails. Elsewhere they are copied.

            EXAMPLES
              tarnd backup --data /var/lib/tarn /backup/tarn
              tarnd restore-backup /backup/tarn --data /var/lib/tarn-new

            EXIT CODES
              0  the backup is complete and checked
              1  it is, but entries whose bytes are missing in the data folder are not in it
              2  there is no new backup
            """
    )

    @Option(name: .long, help: ArgumentHelp("the data folder", valueName: "DIR"))
    var data: String

    @Flag(name: .long, help: "copy blobs even where hard links are possible")
    var copy = false

    @Argument(help: ArgumentHelp("the folder with the backup; empty or missing the first time", valueName: "TARGET"))
    var target: String

    func run() async throws {
        let report: FolderBackup.Report
        do {
            report = try await FolderBackup.run(self.data, to: self.target, copies: self.copy)
        } catch {
            Tarnd.complain("\(error)")
            throw ExitCode(2)
        }
        for entry in report.incompleteEntries.prefix(100) { Tarnd.complainIncomplete(entry) }
        print(
            "\(report.entries) entries in \(report.blobs) blobs of \(Quantity.describe(bytes: report.bytes)); "
                + "\(report.newBlobs) new blobs, \(report.linkedBlobs) of them linked; \(report.removedBlobs) old ones removed"
        )
        if report.rounds > 1 {
            print("the collector was at work: the database was copied \(report.rounds) times")
        }
        guard report.incompleteEntries.isEmpty else { throw ExitCode(1) }
    }
}

/// Makes a data folder from a backup.
struct RestoreBackup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tarnd restore-backup",
        abstract: "Makes a new data folder from a backup, and checks it.",
        discussion: """
            EXAMPLE
              tarnd restore-backup /backup/tarn --data /var/lib/tarn-new

            EXIT CODES
              0  the folder is complete and sound
              1  it can be used, but something in the backup was damaged
              2  there is no new folder
            """
    )

    @Argument(help: ArgumentHelp("the folder with the backup", valueName: "TARGET"))
    var target: String

    @Option(name: .long, help: ArgumentHelp("the new data folder, empty or missing", valueName: "DIR"))
    var data: String

    @Flag(name: .long, help: "copy blobs even where hard links are possible")
    var copy = false

    @Flag(name: .long, help: "read every blob and compare it with its digest")
    var readData = false

    func run() async throws {
        let report: BackupRestore.Report
        do {
            report = try await BackupRestore.run(
                self.target,
                to: self.data,
                copies: self.copy,
                readData: self.readData
            )
        } catch {
            Tarnd.complain("\(error)")
            throw ExitCode(2)
        }
        for entry in report.incompleteEntries.prefix(100) { Tarnd.complainIncomplete(entry) }
        for problem in report.check.problems { Tarnd.complain(problem) }
        print(
            "\(report.entries) entries in \(report.blobs) blobs, \(report.linkedBlobs) of them linked, "
                + "as of \(report.backupTime); \(report.check.problems.count) problems"
        )
        guard report.incompleteEntries.isEmpty, report.check.problems.isEmpty else { throw ExitCode(1) }
    }
}

extension Tarnd {
    /// Says that an entry is not in a copy.
    static func complainIncomplete(_ entry: Entry) {
        self.complain("entry '\(entry.key)' of \(entry.project) (\(entry.scope.text)) is left out: bytes are missing")
    }
}
