import CacheModel
import Testing

@testable import CacheClient

struct PlacesTests {
    private let places = Places(workdir: "/home/me/project/", home: "/home/me")

    @Test(arguments: [
        ("venv", Anchor.workdir, "venv"), ("./a//b/../c/", .workdir, "a/c"), (".", .workdir, "."),
        ("/home/me/project/x", .workdir, "x"), ("../sibling", .home, "sibling"), ("~/.npm", .home, ".npm"),
        ("~", .home, "."), ("/home/me/.cache", .home, ".cache"), ("/home/me", .home, "."),
        ("/home/mellow", .root, "home/mellow"), ("/caches/app.tar", .root, "caches/app.tar"), ("/", .root, "."),
        ("~other", .workdir, "~other"), ("~/project/x", .home, "project/x"), ("../../../..", .root, "."),
    ])
    func `a path belongs to the nearest folder that may move`(path: String, anchor: Anchor, below: String) {
        let located = self.places.locate(path)
        #expect(located.anchor == anchor && located.path == below, "\(located)")
    }

    @Test(arguments: ["venv", ".", "~/.npm", "/caches/app.tar", "/", "../x"])
    func `the absolute path leads back to the same place`(path: String) {
        let absolute = self.places.absolutePath(of: path)
        #expect(absolute.hasPrefix("/") && !absolute.contains("//"))
        #expect(self.places.absolutePath(of: absolute) == absolute)
    }

    @Test func `a job in the root folder or without a home works`() {
        let places = Places(workdir: "/", home: "/")
        #expect(places.locate("x") == (.root, "x"))
        #expect(places.locate("~/x") == (.root, "x"))
        #expect(places.absolutePath(of: "x") == "/x")
    }
}
