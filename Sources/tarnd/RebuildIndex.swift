internal import ArgumentParser
internal import CacheModel
internal import CacheServer
internal import CacheService

/// Makes a new database for the folder of a server that is stopped.
struct RebuildIndex: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tarnd rebuild-index",
        abstract: "Makes a new database for the data folder of a stopped server, from the stored bytes alone.",
        discussion: """
            Reads every blob, and brings back each entry whose record has the folder's seal and whose bytes are all \
            there. The old database is kept as catalog.sqlite.TIME.old. No blob is deleted.

            What only the database knew is lost: pins, when entries were last used, figures, history, and that \
            entries were removed. Those removed within the server's undo time come back.

            EXAMPLE
              tarnd rebuild-index --data /var/lib/tarn

            EXIT CODES
              0  all entries are back
              1  the database is made, but something was left out
              2  there is no new database
            """
    )

    @Option(name: .long, help: ArgumentHelp("the data folder", valueName: "DIR"))
    var data: String

    @Flag(name: .long, help: "believe entry records without the folder's seal; a job may have forged them")
    var acceptUnsealed = false

    func run() async throws {
        let outcome: FolderRebuild.Outcome
        do {
            outcome = try await FolderRebuild.run(self.data, acceptsUnsealed: self.acceptUnsealed)
        } catch {
            Tarnd.complain("\(error)")
            throw ExitCode(2)
        }
        let report = outcome.report
        for thing in report.leftOut { print("\(thing.name) left out: \(thing.reason)") }
        print(
            "\(report.restored) entries are back, from \(report.blobs) blobs of \(Quantity.describe(bytes: report.bytes)); "
                + "\(report.leftOut.count) left out"
        )
        if report.replaced > 0 { print("\(report.replaced) older entries of the same keys count as replaced") }
        if report.expired > 0 { print("\(report.expired) entries had expired") }
        if report.unusedBlobs > 0 {
            print(
                "\(report.unusedBlobs) blobs of \(Quantity.describe(bytes: report.unusedBytes)) belong to no entry; "
                    + "tarnd check --repair deletes them"
            )
        }
        print("pins, times of last use, figures and history are lost; entries that were removed lately are back")
        if let old = outcome.oldCatalog { print("the old database is kept as \(old)") }
        guard report.leftOut.isEmpty else { throw ExitCode(1) }
    }
}
