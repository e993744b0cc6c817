extension TarReader {
    private typealias Malformed = TarHeaderBlock.Malformed

    /// Reads a PAX header or a GNU long name.
    func readExtension(
        _ header: TarHeaderBlock,
        at offset: Int,
        into pending: inout PendingHeaders
    ) throws(TarError) {
        let size = try self.check(at: offset, nil) { () throws(Malformed) in try header.size() }
        guard size <= self.limits.recordSize else {
            let problem = "a PAX header or long name has \(size) bytes, more than \(self.limits.recordSize)"
            throw TarError(offset: offset, problem)
        }
        let padded = CanonicalTar.paddedSize(size)
        var bytes = try self.input.take(padded)
        guard bytes.count == padded else {
            throw TarError(offset: offset, "the tar is truncated: it ends within a PAX header or long name")
        }
        bytes.removeLast(padded - size)
        let repeated = TarError(offset: offset, "two PAX headers or long names stand before one member")
        switch header.typeFlag {
        case UInt8(ascii: "x"):
            guard pending.records == nil else { throw repeated }
            pending.records = try self.check(at: offset, nil) { () throws(Malformed) in try PaxRecords(parsing: bytes) }
        case UInt8(ascii: "g"):
            guard pending.isEmpty else {
                throw TarError(offset: offset, "a global PAX header stands between a member and its own header")
            }
            let records = try self.check(at: offset, nil) { () throws(Malformed) in
                let records = try PaxRecords(parsing: bytes)
                try records.validateAsGlobal()
                return records
            }
            self.globals.override(with: records)
        case UInt8(ascii: "L"):
            guard pending.longPath == nil else { throw repeated }
            pending.longPath = try Self.longName(bytes, at: offset)
        default:
            guard pending.longTarget == nil else { throw repeated }
            pending.longTarget = try Self.longName(bytes, at: offset)
        }
    }

    private static func longName(_ bytes: [UInt8], at offset: Int) throws(TarError) -> [UInt8] {
        let name = bytes.prefix { $0 != 0 }
        // Without its NUL a name ends somewhere else for readers that go by blocks.
        guard name.count < bytes.count else {
            throw TarError(offset: offset, "a long name has no NUL at its end; the tar is damaged")
        }
        guard !name.isEmpty, bytes[name.endIndex...].allSatisfy({ $0 == 0 }) else {
            throw TarError(offset: offset, "a long name is empty or holds a NUL; the tar is damaged")
        }
        return Array(name)
    }

    /// Makes a member of its headers.
    func entry(
        from header: TarHeaderBlock,
        at offset: Int,
        _ pending: PendingHeaders
    ) throws(TarError) -> TarEntry {
        let records = pending.records ?? PaxRecords()
        let path = try self.path(of: header, at: offset, pending, records)
        let kind = try self.kind(of: header, path, at: offset)
        let member = try self.check(at: offset, path) { () throws(Malformed) in
            try Self.member(kind, Self.normalized(path), header, pending, records)
        }
        try self.validate(member, at: offset)
        let mtime = try self.check(at: offset, path) { () throws(Malformed) in
            if let time = try records.time("mtime") { return time }
            if !records.has("mtime"), let time = try self.globals.time("mtime") { return time }
            let seconds = try header.seconds()
            guard (-9_000_000_000..<9_000_000_000).contains(seconds) else {
                throw Malformed(problem: "its modification time cannot be kept")
            }
            return Int64(seconds) * 1_000_000_000
        }
        var entry = TarEntry(
            member: member,
            mtime: mtime,
            headerOffset: offset,
            contentOffset: self.input.offset,
            storedSize: member.size,
            extents: nil
        )
        if kind == .file { try self.applySparseMap(to: &entry, header, records) }
        return entry
    }

    private func path(
        of header: TarHeaderBlock,
        at offset: Int,
        _ pending: PendingHeaders,
        _ records: PaxRecords
    ) throws(TarError) -> [UInt8] {
        try self.check(at: offset, nil) { () throws(Malformed) in
            let contradiction = Malformed(problem: "a GNU long name and a PAX header both name one member")
            let isNamedTwice =
                pending.longPath != nil && (records.has("path") || records.has("GNU.sparse.name"))
                || pending.longTarget != nil && records.has("linkpath")
            guard !isNamedTwice else { throw contradiction }
            if let path = try records.text("GNU.sparse.name") { return path }
            if let path = try records.text("path") { return path }
            return pending.longPath ?? header.path
        }
    }

    /// What a type flag means; what a layer cannot hold is refused.
    private func kind(of header: TarHeaderBlock, _ path: [UInt8], at offset: Int) throws(TarError) -> MemberKind {
        let endsInSlash = path.last == UInt8(ascii: "/")
        let problem: String
        switch header.typeFlag {
        case UInt8(ascii: "5"): return .directory
        // Python goes by the name in the header, others by the one that takes its place.
        case 0 where endsInSlash != (header.path.last == UInt8(ascii: "/")):
            problem = "it is a directory by one of its names and a file by the other; write the tar with --format=posix"
        case 0 where endsInSlash: return .directory
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"), UInt8(ascii: "S"):
            guard endsInSlash || header.typeFlag == UInt8(ascii: "S") && header.dialect != .gnu else { return .file }
            problem = "it is a file by its type but not by its name or format"
        case UInt8(ascii: "1"):
            guard endsInSlash else { return .hardlink }
            problem = "it is a link, but its name is that of a directory"
        case UInt8(ascii: "2"):
            guard endsInSlash else { return .symlink }
            problem = "it is a link, but its name is that of a directory"
        case UInt8(ascii: "3"), UInt8(ascii: "4"): problem = "it is a device, which a layer cannot hold; leave it out"
        case UInt8(ascii: "6"): problem = "it is a named pipe, which a layer cannot hold; leave it out"
        case let flag:
            let shown = Member.display([flag])
            problem = "its type '\(shown)' is unknown; write the tar with --format=posix"
        }
        throw TarError(offset: offset, member: path, problem)
    }

    private static func member(
        _ kind: MemberKind,
        _ path: [UInt8],
        _ header: TarHeaderBlock,
        _ pending: PendingHeaders,
        _ records: PaxRecords
    ) throws(Malformed) -> Member {
        guard !records.has("SCHILY.realsize"), !records.has("GNU.dumpdir"), !records.has("GNU.volume.offset") else {
            throw Malformed(problem: "it is in star's sparse form or part of a dump; write the tar with --format=posix")
        }
        guard kind == .file || !records.has("GNU.sparse.name") else {
            throw Malformed(problem: "it is no file but has a sparse file's name")
        }
        // The field is read even if PAX overrides it: garbage there is a sign of damage.
        let field = try header.size()
        let size = try records.number("size") ?? field
        guard kind == .file || size == 0 else {
            throw Malformed(problem: "it has \(size) bytes of content but is no file")
        }
        let mode = try header.mode()
        switch kind {
        case .file, .directory: return Member(path: path, kind: kind, mode: mode, size: size)
        case .symlink:
            let target = try records.text("linkpath") ?? pending.longTarget ?? header.target
            return Member(path: path, kind: kind, mode: 0o777, target: target)
        case .hardlink:
            let target = try records.text("linkpath") ?? pending.longTarget ?? header.target
            return Member(path: path, kind: kind, mode: 0, target: self.normalized(target))
        }
    }

    private func validate(_ member: Member, at offset: Int) throws(TarError) {
        // The archive's own root, which tar writes as `./`.
        if member.path.isEmpty || member.path == [UInt8(ascii: ".")], member.kind == .directory { return }
        do throws(LayerFormatError) {
            try MemberList.validatePath(member.path)
            if member.kind == .hardlink { try MemberList.validatePath(member.target) }
        } catch {
            // Some of these messages repeat the path, which may have a million bytes here.
            let problem = String(error.description.unicodeScalars.prefix(300).map(Character.init))
            throw TarError(offset: offset, member: member.path, problem)
        }
        let hasTarget = !member.target.isEmpty && member.target.count < 4_096
        guard member.kind != .symlink || hasTarget else {
            throw TarError(offset: offset, member: member.path, "its target is empty or has over 4,095 bytes")
        }
    }

    /// A name without `./` at its start and without the slash that ends a directory's.
    private static func normalized(_ name: [UInt8]) -> [UInt8] {
        var name = name[...]
        while name.count > 2, name.starts(with: [UInt8(ascii: "."), UInt8(ascii: "/")]) { name = name.dropFirst(2) }
        if name.count > 1, name.last == UInt8(ascii: "/") { name = name.dropLast() }
        return Array(name)
    }
}
