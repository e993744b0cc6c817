import Foundation
import Testing

/// The audit log of a real server, read and checked by the real programs.
struct AuditTests {
    /// What somebody does to the database of a stopped server, and what is wrong after that.
    private static let forgeries = [
        // One bit of one byte, in the file: the actor `open` of the pin becomes `opeo`.
        (
            """
            import re
            data = bytearray(open("catalog.sqlite", "rb").read())
            at = data.index(b"openpinnedacme/shop")
            data[at + 3] ^= 1
            open("catalog.sqlite", "wb").write(data)
            """, "row 3: it was changed"
        ),
        (
            """
            import sqlite3
            database = sqlite3.connect("catalog.sqlite")
            database.execute("DROP TRIGGER audit_has_no_gaps")
            database.execute("DELETE FROM audit WHERE sequence = 3")
            database.commit()
            """, "row 3: it is missing"
        ),
    ]

    @Test(arguments: Self.forgeries)
    func `a flipped bit and a removed row are found, by the server's reader and over HTTP`(
        forgery: String,
        finding: String
    ) throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("hello", to: "venv/file")
        _ = try job.save("v1-main", "venv")
        #expect(try job.run("cachectl", "pin", "v1-main").status == 0)
        let head = try job.run("cachectl", "audit", "head")
        let hash = String(try #require(head.output.split(separator: " ").last?.dropLast()))
        let list = try job.run("cachectl", "audit", "list", "--server")
        #expect(list.output.contains("server-started") && list.output.contains("pinned"), "\(list.errors)")
        let sound = try job.run("cachectl", "audit", "verify", "--head", hash)
        #expect(sound.status == 0 && sound.output.contains("all 3 rows"), "\(sound.output)\(sound.errors)")
        #expect(server.stop().status == 0)
        #expect(try job.run("cachectl", "audit", "verify", "--data", server.data).status == 0)

        try shell("python3 - <<'END'\n\(forgery)\nEND", in: server.data)
        let stopped = try job.run("cachectl", "audit", "verify", "--data", server.data, "--head", hash)
        #expect(stopped.status == 1 && stopped.output.contains(finding), "\(stopped.output)\(stopped.errors)")
        let again = try TarnServer(data: server.data)
        job.environment["TARN_URL"] = again.url
        let running = try job.run("cachectl", "audit", "verify")
        #expect(running.status == 1 && running.output.contains(finding), "\(running.output)\(running.errors)")
    }

    @Test func `an end that was cut off is found with a head that was kept`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        try job.write("hello", to: "venv/file")
        _ = try job.save("v1-main", "venv")
        let head = try job.run("cachectl", "audit", "head").output.split(separator: " ")
        let hash = String(try #require(head.last?.dropLast()))
        #expect(server.stop().status == 0)
        try shell(
            """
            python3 - <<'END'
            import sqlite3
            database = sqlite3.connect("catalog.sqlite")
            database.execute("DROP TRIGGER audit_has_no_gaps")
            database.execute("DELETE FROM audit WHERE sequence > 1")
            database.commit()
            END
            """,
            in: server.data
        )
        #expect(try job.run("cachectl", "audit", "verify", "--data", server.data).status == 0)
        let compared = try job.run("cachectl", "audit", "verify", "--data", server.data, "--head", hash)
        #expect(compared.status == 1 && compared.output.contains("seen earlier"), "\(compared.output)")
    }
}
