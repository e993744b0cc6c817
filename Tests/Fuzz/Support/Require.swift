internal import Glibc

/// Ends the process as a crash that libFuzzer keeps the input of, unless `condition` holds.
@inline(__always)
public func require(_ condition: Bool, _ problem: @autoclosure () -> String) {
    if !condition { stop(problem()) }
}

@inline(never)
private func stop(_ problem: String) -> Never {
    let line = Array("PROPERTY VIOLATED: \(problem)\n".utf8)
    write(STDERR_FILENO, line, line.count)
    abort()
}

/// Uses a value, so that the optimizer keeps what made it.
@inline(never)
@_optimize(none)
public func consume<Value>(_ value: borrowing Value) {}
