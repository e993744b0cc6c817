import CacheModel
import LayerFormat
import LayerKernels
import Testing

@testable import LayerFiles

/// What is known of the last save must lead to exactly the chunks that reading everything leads to.
struct ChunkMemoryTests {
    /// 1,000 files in 20 directories, some larger than a chunk, `.pyc` files with stamps, links and holes.
    private static let makeTree = #"""
        import os, random, struct
        random.seed(int(os.environ['SEED']))
        for d in range(20):
            os.makedirs(f'tree/d{d:02}/__pycache__', exist_ok=True)
            for f in range(25):
                size = random.choice([0, 1, 511, 512, 513, 3000, 20000, 70000])
                open(f'tree/d{d:02}/f{f}.{random.choice(["py", "txt", "so"])}', 'wb').write(random.randbytes(size))
            for f in range(25):
                head = b'\xa7\r\r\n' + bytes(4) + struct.pack('<II', random.getrandbits(31), 7)
                open(f'tree/d{d:02}/__pycache__/m{f}.pyc', 'wb').write(head + random.randbytes(random.choice([0, 9, 5000])))
        open('tree/big.bin', 'wb').write(random.randbytes(3_000_000))
        with open('tree/holes.img', 'wb') as f: f.truncate(3_000_000); f.seek(1_000_000); f.write(b'data')
        os.symlink('d01', 'tree/link'); os.link('tree/big.bin', 'tree/d00/again')
        """#

    /// One random step: files and directories come, go, grow, and are renamed.
    private static let changeTree = #"""
        import os, random, shutil
        random.seed(int(os.environ['SEED']))
        files = sorted(os.path.join(r, n) for r, _, ns in os.walk('tree') for n in ns)
        for _ in range(random.choice([0, 1, 1, 2, 5, 40])):
            path = random.choice(files)
            if not os.path.isfile(path) or os.path.islink(path): continue
            action = random.randrange(7)
            if action == 0: os.unlink(path)
            elif action == 1: open(path, 'ab').write(b'x')
            elif action == 2: open(path, 'wb').write(random.randbytes(random.choice([0, 10, 200_000])))
            elif action == 3: open(path + '.new', 'wb').write(random.randbytes(1000))
            elif action == 4: os.chmod(path, 0o600)
            elif action == 5: os.utime(path)
            else: os.rename(path, path + '.x')
            files = sorted(os.path.join(r, n) for r, _, ns in os.walk('tree') for n in ns)
        if random.random() < 0.2: shutil.rmtree(random.choice([f'tree/d{d:02}' for d in range(20) if os.path.isdir(f'tree/d{d:02}')]))
        if random.random() < 0.2: shutil.copytree('tree/d19' if os.path.isdir('tree/d19') else 'tree', f'tree/a{random.random()}', symlinks=True)
        """#

    @Test(arguments: 0..<3)
    func `what is passed over is what would have been read`(seed: Int) throws {
        let sandbox = try Sandbox()
        func python(_ script: String, _ seed: Int) throws {
            try run("env", "-C", sandbox.path, "SEED=\(seed)", "python3", "-c", script)
        }
        try python(Self.makeTree, seed)
        var memory: ChunkMemory?
        var passedOver = 0
        for step in 0..<5 {
            let tree = try TreeScanner(anchor: sandbox.path, path: "tree").scan()
            let wanted = try Self.chunks(LayerStream(source: tree)).chunks
            let known = memory?.compare(with: tree.members, contentDigests: tree.contentDigests)
            let found = try Self.chunks(LayerStream(source: tree, known: known))
            #expect(found.chunks == wanted, "seed \(seed), step \(step)")
            passedOver += found.passedOver
            memory = ChunkMemory(members: tree.members, contentDigests: tree.contentDigests, chunks: wanted)
            try python(Self.changeTree, seed * 100 + step)
        }
        #expect(passedOver > 10)
    }

    @Test func `a stream goes on at any byte`() throws {
        let sandbox = try Sandbox()
        try shell(
            #"""
            cd '\#(sandbox.path)'; mkdir -p tree/sub; printf abc > tree/a.txt; : > tree/empty; ln -s a.txt tree/sub/link
            printf '\xa7\r\r\n\0\0\0\0\1\2\3\4\5\6\7\10content' > tree/m.pyc; head -c 700 /dev/zero > tree/z.bin
            truncate -s 9000 tree/holes.img; printf data | dd of=tree/holes.img bs=1 seek=4096 conv=notrunc status=none
            """#
        )
        let tree = try TreeScanner(anchor: sandbox.path, path: "tree").scan()
        let whole = try Self.bytes(LayerStream(source: tree))
        #expect(whole.count == CanonicalTar.streamSize(of: tree.members))
        // Blocks are where something begins; all that is special about a file is in its first bytes.
        for start in 1..<whole.count where start % 512 < 20 || start % 512 == 511 {
            let none = SHA256.digest(of: [])
            let parts = [start, whole.count - start].map { ChunkReference(digest: none, size: $0) }
            let memory = ChunkMemory(members: tree.members, contentDigests: tree.contentDigests, chunks: parts)
            let known = memory.compare(with: tree.members, contentDigests: tree.contentDigests)
            let stream = try LayerStream(source: tree, known: known)
            #expect(try stream.nextKnown()?.size == start)
            let rest = try Self.bytes(stream)
            #expect(rest.elementsEqual(whole[start...]), "from byte \(start)")
        }
    }

    private static func bytes(_ stream: LayerStream) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let chunk = try stream.next() { chunk.withBytes { bytes.append(contentsOf: $0) } }
        return bytes
    }

    @Test func `a tree that did not change is not opened at all`() throws {
        let sandbox = try Sandbox()
        try makeDifficultTree(sandbox.path)
        let tree = try TreeScanner(anchor: sandbox.path, path: "tree").scan()
        let chunks = try Self.chunks(LayerStream(source: tree)).chunks
        let memory = ChunkMemory(members: tree.members, contentDigests: tree.contentDigests, chunks: chunks)
        let known = memory.compare(with: tree.members, contentDigests: tree.contentDigests)
        try shell("rm -r \(sandbox.path)/tree/big.bin \(sandbox.path)/tree/holes.img")
        let found = try Self.chunks(LayerStream(source: tree, known: known))
        #expect(found.chunks == chunks)
        #expect(found.passedOver == chunks.count)
    }

    @Test func `a memory is read back as it was written, and a damaged one not at all`() throws {
        let sandbox = try Sandbox()
        try makeDifficultTree(sandbox.path)
        let tree = try TreeScanner(anchor: sandbox.path, path: "tree").scan()
        let layer = try SavedLayer(tree)
        let digests = try ContentDigests.encode(tree.contentDigests)
        let recipe = try layer.recipe.encoded()
        let cache = try sandbox.directory("cache")
        try ChunkMemory.save(recipe: recipe, contentDigests: digests, to: cache, anchor: sandbox.path, path: "tree")
        let known = try #require(ChunkMemory.load(from: cache, anchor: sandbox.path, path: "tree"))
            .compare(with: tree.members, contentDigests: tree.contentDigests)
        #expect(try Self.chunks(LayerStream(source: tree, known: known)).passedOver == layer.recipe.chunks.count)
        #expect(ChunkMemory.load(from: cache, anchor: sandbox.path, path: "other").map { _ in true } == nil)
        try shell("printf x | dd of=$(ls \(cache)/*.chunks) bs=1 seek=100 conv=notrunc status=none")
        #expect(ChunkMemory.load(from: cache, anchor: sandbox.path, path: "tree").map { _ in true } == nil)
    }

    private static func chunks(_ stream: LayerStream) throws -> (chunks: [ChunkReference], passedOver: Int) {
        var chunks: [ChunkReference] = []
        var passedOver = 0
        while true {
            if let known = try stream.nextKnown() {
                chunks.append(known)
                passedOver += 1
            } else if let chunk = try stream.next() {
                chunks.append(ChunkReference(digest: chunk.withBytes { SHA256.digest(of: $0) }, size: chunk.count))
            } else {
                return (chunks, passedOver)
            }
        }
    }
}
