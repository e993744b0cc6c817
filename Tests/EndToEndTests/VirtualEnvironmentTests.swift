import Foundation
import Testing

/// It must show 2 and 3 on the user's own case: a real virtual environment of more than 10,000 files.
@Suite(.enabled(if: Programs.runsSlowCases))
struct VirtualEnvironmentTests {
    static let requirements = """
        Django==4.2.1
        djangorestframework==3.15.2
        sympy==1.12
        celery==5.3.6
        pytest==8.1.1
        networkx==3.2.1
        requests==2.31.0
        cryptography==42.0.5

        """
    static let install = """
        rm -rf venv; python3 -m venv venv; . venv/bin/activate
        pip install -q --disable-pip-version-check -r requirements.txt
        """

    @Test func `a venv is restored whole, re-created for free, and upgraded for little`() throws {
        let server = try TarnServer()
        let job = try Job(server.url)
        let key = #"deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}"#
        try job.write(Self.requirements, to: "requirements.txt")
        try shell(Self.install, in: job.directory)
        let files = try #require(Int(try shell("find venv -type f | wc -l", in: job.directory).dropLast()))
        #expect(files >= 10_000)
        let before = try RestoredTreeTests.snapshot(job.directory, "venv")

        let first = try job.save(key, "venv")
        #expect(first["outcome"] as? String == "saved")
        let full = try #require(first["bytesUploaded"] as? Int)
        try shell("rm -r venv", in: job.directory)
        #expect(try job.restore(key)["filesWritten"] as? Int == files)
        #expect(try RestoredTreeTests.snapshot(job.directory, "venv") == before)
        try shell("venv/bin/python -m django --version; venv/bin/pytest --version", in: job.directory)

        try shell(Self.install, in: job.directory)
        job.environment["TARN_BRANCH"] = "feature"
        let again = try job.save(key, "venv")
        #expect(again["outcome"] as? String == "known")
        #expect(again["chunksUploaded"] as? Int == 0)

        try shell(". venv/bin/activate; pip install -q --disable-pip-version-check Django==4.2.2", in: job.directory)
        try job.write(Self.requirements.replacing("4.2.1", with: "4.2.2"), to: "requirements.txt")
        let upgraded = try job.save(key, "venv")
        #expect(upgraded["outcome"] as? String == "saved")
        let uploaded = try #require(upgraded["bytesUploaded"] as? Int)
        #expect(uploaded * 5 < full, "uploaded \(uploaded) of \(full) bytes")
    }
}
