package import ArgumentParser
internal import CacheClient
internal import CacheModel

/// The flags that say which server and which project.
package struct ConnectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The server. [TARN_URL, default http://127.0.0.1:7878]", valueName: "url"))
    package var url: String?

    @Option(help: ArgumentHelp("The project. [TARN_PROJECT, else what the CI system says]", valueName: "owner/name"))
    package var project: String?

    @Option(help: ArgumentHelp("The scope. [TARN_SCOPE, else shared]", valueName: "scope"))
    package var scope: String?

    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp("Certificates of a private authority, PEM. [TARN_CA_FILE]", valueName: "file")
    )
    package var authorityFile: String?

    package init() {}

    /// Refuses flags that cannot be meant, before anything else is done.
    package func validate() throws {
        do {
            if let url = self.url { _ = try ServerAddress(url) }
            if let project = self.project { _ = try ProjectName(project) }
            if let scope = self.scope { _ = try Scope(scope) }
        } catch {
            throw ValidationError("\(error)")
        }
    }
}
