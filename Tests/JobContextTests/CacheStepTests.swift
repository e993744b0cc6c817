import JobContext
import Testing

struct CacheStepTests {
    private static let key = #"deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}"#

    @Test(arguments: [
        "- restore_cache:\n    keys:\n      - KEY\n      - deps1-\n",
        "      - restore_cache:\n          name: Restore\n          keys: ['KEY', deps1-]\n",
        "restore_cache:\n  key: KEY\n  keys:\n  - deps1-\n",
        "- restore_cache:\n    - KEY\n    - deps1-\n",
        "keys:\n- KEY\n- deps1-\n",
        "- KEY\n- deps1-\n",
    ])
    func `a restore step is read in each form people paste`(text: String) throws {
        let step = try CacheStep.parse(text.replacing("KEY", with: Self.key), expecting: .restore)
        #expect(step.kind == .restore)
        #expect(step.keys.map(\.template) == [Self.key, "deps1-"])
        #expect(step.paths == [])
    }

    @Test func `a save step is read with all its fields`() throws {
        let text = """
            - save_cache:
                name: Save it
                key: \(Self.key)
                paths:
                  - venv
                  - ~/.cache/pip
                when: always
            """
        let step = try CacheStep.parse(text, expecting: .save)
        #expect(step.kind == .save)
        #expect(step.keys.map(\.template) == [Self.key])
        #expect(step.keys.map(\.line) == [3])
        #expect(step.paths == ["venv", "~/.cache/pip"])
        #expect(step.name == "Save it")
        #expect(step.when == .always)
        #expect(try CacheStep.parse("save_cache: {key: a, paths: [b]}").when == .onSuccess)
    }

    @Test(arguments: [
        ("restore_cache:\n  key: a\n  path: b\n", 3, "has no field 'path'; its fields are key, keys, name"),
        ("restore_cache:\n  key: a\n  when: always\n", 3, "has no field 'when'"),
        ("save_cache:\n  key: a\n  keys: [b]\n", 3, "has no field 'keys'"),
        ("save_cache:\n  key: a\n", 1, "no paths"),
        ("save_cache:\n  paths: [b]\n", 1, "no key"),
        ("save_cache:\n  key: a\n  paths: [b]\n  when: never\n", 4, "expected always, on_success or on_fail"),
        ("restore_cache:\n  keys: []\n", 1, "no key"),
        ("restore_cache:\n", 1, "needs 'key' or 'keys'"),
        ("restore_cache:\nkeys: [a]\n", 2, "indent the fields"),
        ("- restore_cache: {key: a}\n- run: x\n", 1, "there are 2 steps"),
        ("- run: make\n", 1, "'run' is not a cache step"),
        ("restore_cache:\n  key: {{ .Branch }}\n", 2, "in quotes"),
        ("restore_cache:\n  keys: [deps-{{ .Branch }}]\n", 2, "quote"),
        ("restore_cache:\n  key: a\n  key: b\n", 3, "twice"),
        ("", 1, "no restore_cache or save_cache step"),
        ("- restore_cache:\n\t- a\n", 2, "not YAML"),
    ])
    func `a wrong step is refused with its line and what to do`(text: String, line: Int, words: String) {
        do {
            let step = try CacheStep.parse(text)
            Issue.record("parsed as \(step)")
        } catch {
            #expect(error.line == line)
            #expect(error.message.contains(words), "\(error)")
        }
    }

    @Test func `the wrong kind of step says which command takes it`() {
        #expect {
            try CacheStep.parse("save_cache: {key: a, paths: [b]}", expecting: .restore)
        } throws: { error in
            "\(error)" == "line 1: this is a save_cache step; give it to the command save_cache"
        }
    }
}
