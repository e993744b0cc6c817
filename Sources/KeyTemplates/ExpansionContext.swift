public import CacheModel

/// Everything that a template's actions can refer to.
public struct ExpansionContext: Sendable {
    /// The value of `.Branch`, where it is known.
    public var branch: String?
    /// The value of `.Revision`, where it is known.
    public var revision: String?
    /// The value of `.BuildNum`, where it is known.
    public var buildNum: String?
    /// The value of `.CheckoutKey`, where it is known.
    public var checkoutKey: String?
    /// Looks up the value of `.Environment.NAME`.
    public var environment: @Sendable (String) -> String?
    /// The absolute folder that relative file names start from.
    public var workingDirectory: String
    /// The absolute folder that `~` stands for.
    public var home: String
    /// The moment that `epoch` gives.
    public var now: Timestamp
    /// The value of `arch`.
    public var architecture: String
    /// The files to be checksummed.
    public var files: any TemplateFiles

    /// Creates a context.
    public init(
        branch: String? = nil,
        revision: String? = nil,
        buildNum: String? = nil,
        checkoutKey: String? = nil,
        environment: @escaping @Sendable (String) -> String? = { _ in nil },
        workingDirectory: String,
        home: String,
        now: Timestamp = .current,
        architecture: String = Architecture.current(),
        files: any TemplateFiles = LocalFiles()
    ) {
        self.branch = branch
        self.revision = revision
        self.buildNum = buildNum
        self.checkoutKey = checkoutKey
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.home = home
        self.now = now
        self.architecture = architecture
        self.files = files
    }

    /// The absolute path of a file as a template names it: relative to the working directory, `~` being the home folder.
    public func resolve(_ name: String) -> String {
        let start: String
        var rest = name[...]
        if name == "~" || name.hasPrefix("~/") {
            start = self.home
            rest = name.dropFirst()
        } else {
            start = name.hasPrefix("/") ? "" : self.workingDirectory
        }
        let isPlain: (Substring) -> Bool = { !$0.isEmpty && $0 != "." }
        let parts = (start.split(separator: "/") + rest.split(separator: "/")).filter(isPlain)
        return "/" + parts.joined(separator: "/")
    }
}
