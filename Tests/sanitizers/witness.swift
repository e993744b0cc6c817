// Shows that ThreadSanitizer sees what it has to see: `witness` takes locks in turns and is clean, `witness race` changes
// a variable without one.
import Foundation
import Synchronization

final class Shared: Sendable {
    let words = Mutex<[Int]>([])
    let sum = Mutex(0)
}

nonisolated(unsafe) var unprotected = 0
let shared = Shared()
let races = CommandLine.arguments.contains("race")
let done = DispatchSemaphore(value: 0)
for number in 0..<8 {
    Thread.detachNewThread {
        for round in 0..<1_000 {
            shared.words.withLock { words in
                words.append(number + round)
                if words.count > 100 { words.removeAll() }
            }
            if races { unprotected += 1 } else { shared.sum.withLock { $0 += 1 } }
        }
        done.signal()
    }
}
for _ in 0..<8 { done.wait() }
print(races ? unprotected : shared.sum.withLock { $0 })
