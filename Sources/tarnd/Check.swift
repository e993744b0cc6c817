internal import ArgumentParser
internal import CacheModel
internal import CacheServer
internal import CacheService

/// Checks the folder of a server that is stopped.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tarnd check",
        abstract: "Checks the data folder of a stopped server.",
        discussion: """
            Compares the database's rows with the stored bytes, both ways.

            EXIT CODES
              0  everything is sound
              1  there was damage, and all of it is repaired
              2  there is damage, or the folder cannot be checked
            """
    )

    @Option(name: .long, help: ArgumentHelp("the data folder", valueName: "DIR"))
    var data: String

    @Flag(name: .long, help: "read every blob and compare it with its digest")
    var readData = false

    @Flag(name: .long, help: "mark damaged blobs as missing and delete bytes without a row")
    var repair = false

    @Option(name: .long, help: ArgumentHelp("look at one part of the blobs only, such as 3/7", valueName: "N/T"))
    var subset: String?

    @Flag(name: .long, help: "print the result as JSON")
    var json = false

    func run() async throws {
        let report: CheckReport
        do {
            report = try await FolderCheck.run(
                self.data,
                readData: self.readData,
                repair: self.repair,
                subset: try self.subset.map(BlobSubset.init(parsing:)) ?? .all
            )
        } catch {
            Tarnd.complain("\(error)")
            throw ExitCode(2)
        }
        if self.json {
            print(try FolderCheck.json(report))
        } else {
            for problem in report.problems { print(problem) }
            print(
                "checked \(report.checkedBlobs) blobs of \(Quantity.describe(bytes: report.checkedBytes)): "
                    + "\(report.problems.count) problems, \(report.repaired) repaired"
            )
        }
        if report.problems.isEmpty { return }
        throw ExitCode(report.repaired >= report.problems.count ? 1 : 2)
    }
}
