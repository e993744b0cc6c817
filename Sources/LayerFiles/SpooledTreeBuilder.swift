internal import LayerFormat

/// Turns the members of a foreign tar, in any order, into a member list.
///
/// - Directories that are only implied get mode 0o755 and the newest modification time of the archive: it is a function
///   of the archive, and no older than what they hold.
/// - A directory may stand twice; the later mode and time count, as they do for programs that extract. Anything
///   else that stands twice is refused, and so is what lies below something that is no directory.
/// - The names of one file are equal: the first in canonical order becomes the file, the others hardlinks to it.
struct SpooledTreeBuilder {
    private struct Item {
        var member: Member
        var mtime: Int64
        var content: SpooledTree.Content?
        let offset: Int
    }

    private let limits: TarLimits
    private var items: [Item] = []
    private var positions: [[UInt8]: Int] = [:]
    private var pathBytes = 0
    private var newest: Int64 = 0

    private(set) var members = MemberList()
    private(set) var stamps = Stamps()
    private(set) var contents: [SpooledTree.Content?] = []

    init(limits: TarLimits) { self.limits = limits }

    /// Adds the next member of the archive.
    mutating func add(_ entry: TarEntry) throws(TarError) {
        let isRoot = entry.member.path.isEmpty || entry.member.path == [UInt8(ascii: ".")]
        guard !isRoot else { return }
        var item = Item(member: entry.member, mtime: entry.mtime, content: nil, offset: entry.headerOffset)
        self.newest = self.items.isEmpty ? entry.mtime : max(self.newest, entry.mtime)
        switch entry.member.kind {
        case .file: item.content = Self.content(of: entry)
        case .hardlink: try self.resolve(&item)
        case .directory, .symlink: break
        }
        guard let position = self.positions[item.member.path] else { return try self.append(item) }
        guard item.member.kind == .directory, self.items[position].member.kind == .directory else {
            throw Self.refuse(item, "its path stands twice in the tar; keep one of them")
        }
        self.items[position] = item
    }

    private static func content(of entry: TarEntry) -> SpooledTree.Content {
        var stored = 0
        let storedBefore = (entry.extents ?? []).map { extent in
            defer { stored += extent.count }
            return stored
        }
        return SpooledTree.Content(offset: entry.contentOffset, extents: entry.extents, storedBefore: storedBefore)
    }

    /// Lets a hardlink name the file that all its names share.
    private func resolve(_ item: inout Item) throws(TarError) {
        let target = item.member.target
        guard let position = self.positions[target] else {
            let shown = Member.display(Array(target.prefix(256)))
            throw Self.refuse(item, "it is a hardlink to '\(shown)', which is no earlier file of the tar")
        }
        let found = self.items[position].member
        switch found.kind {
        case .file: break
        case .hardlink: item.member.target = found.target
        case .directory, .symlink: throw Self.refuse(item, "it is a hardlink to something that is no file")
        }
    }

    private mutating func append(_ item: Item) throws(TarError) {
        self.pathBytes += item.member.path.count + item.member.target.count
        guard self.pathBytes <= self.limits.pathBytes else {
            throw Self.refuse(item, "paths and link targets have more than \(self.limits.pathBytes) bytes in all")
        }
        guard self.items.count < self.limits.members else {
            throw Self.refuse(item, "the tar has more than \(self.limits.members) members; split it")
        }
        self.positions[item.member.path] = self.items.count
        self.items.append(item)
    }

    private static func refuse(_ item: Item, _ problem: String) -> TarError {
        TarError(offset: item.offset, member: item.member.path, problem)
    }

    /// Adds implied directories, gives files their canonical names, and makes the list.
    mutating func finish() throws(TarError) {
        for position in self.items.indices { try self.addParents(of: self.items[position]) }
        self.renameFiles()
        self.items.sort { first, second in
            first.member.path.withUnsafeBufferPointer { firstPath in
                second.member.path.withUnsafeBufferPointer { secondPath in
                    CanonicalOrder.areInIncreasingOrder(
                        firstPath,
                        isDirectory: first.member.kind == .directory,
                        secondPath,
                        isDirectory: second.member.kind == .directory
                    )
                }
            }
        }
        self.positions = [:]
        for (index, item) in self.items.enumerated() {
            self.members.append(item.member)
            self.stamps.mtimes.append(item.mtime)
            self.contents.append(item.content)
            guard let extents = item.content?.extents else { continue }
            if extents != [0..<item.member.size] {
                self.stamps.sparseFiles.append(Stamps.SparseFile(member: index, extents: extents))
            }
        }
        self.items = []
    }

    private mutating func addParents(of item: Item) throws(TarError) {
        var path = item.member.path[...]
        while let slash = path.lastIndex(of: UInt8(ascii: "/")) {
            path = path[..<slash]
            let parent = Array(path)
            if let position = self.positions[parent] {
                guard self.items[position].member.kind != .directory else { return }
                let shown = Member.display(Array(parent.prefix(256)))
                throw Self.refuse(item, "it lies below '\(shown)', which is no directory in the tar")
            }
            let member = Member(path: parent, kind: .directory, mode: 0o755)
            try self.append(Item(member: member, mtime: self.newest, content: nil, offset: item.offset))
        }
    }

    /// Moves content to the canonically first name of each file with several.
    private mutating func renameFiles() {
        var first: [[UInt8]: Int] = [:]
        for (position, item) in self.items.enumerated() where item.member.kind == .hardlink {
            guard let best = first[item.member.target] ?? self.positions[item.member.target] else { continue }
            first[item.member.target] = self.isFileBefore(position, best) ? position : best
        }
        var names: [[UInt8]: [UInt8]] = [:]
        for (target, best) in first { names[target] = self.items[best].member.path }
        for position in self.items.indices where self.items[position].member.kind == .hardlink {
            // All names of a file have its time: that of the name that came first in the tar.
            guard let file = self.positions[self.items[position].member.target] else { continue }
            self.items[position].mtime = self.items[file].mtime
            self.items[position].member.target = names[self.items[position].member.target] ?? []
        }
        for (target, best) in first {
            guard let file = self.positions[target], file != best else { continue }
            let old = self.items[file]
            self.items[best].content = old.content
            self.items[best].member = old.member
            self.items[best].member.path = names[target] ?? []
            self.items[file].content = nil
            self.items[file].member = Member(path: target, kind: .hardlink, mode: 0, target: names[target] ?? [])
        }
    }

    private func isFileBefore(_ first: Int, _ second: Int) -> Bool {
        self.items[first].member.path.withUnsafeBufferPointer { firstPath in
            self.items[second].member.path.withUnsafeBufferPointer { secondPath in
                CanonicalOrder.areInIncreasingOrder(firstPath, isDirectory: false, secondPath, isDirectory: false)
            }
        }
    }

    /// The first component that all members share, if it can be a layer's path.
    var rootPath: String {
        guard let first = self.members.indices.first else { return "." }
        let name = self.members.path(at: first).prefix { $0 != UInt8(ascii: "/") }
        let isShared = self.members.indices.allSatisfy { index in
            self.members.withPath(at: index) { path in
                path.starts(with: name) && (path.count == name.count || path[name.count] == UInt8(ascii: "/"))
            }
        }
        guard isShared, let text = String(validating: name, as: UTF8.self),
            text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) })
        else { return "." }
        return text
    }
}
