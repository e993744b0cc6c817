package import ArgumentParser

/// The flags that say which server and which project.
package struct ConnectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The server. [TARN_URL, default http://127.0.0.1:7878]", valueName: "url"))
    package var url: String?

    @Option(help: ArgumentHelp("The project. [TARN_PROJECT, else what the CI system says]", valueName: "owner/name"))
    package var project: String?

    @Option(help: ArgumentHelp("The scope. [TARN_SCOPE, else shared]", valueName: "scope"))
    package var scope: String?

    package init() {}
}
