internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// Tells the channel to send `100 Continue`: the handler has looked at the head and wants the body.
package struct ContinueEvent: Sendable {
    /// Creates the event.
    package init() {}
}

extension Request {
    /// The request with a body that answers `Expect: 100-continue` when it is first read.
    ///
    /// A handler that refuses a request by its head never reads, and so the client never sends.
    func answeringExpectation(on channel: any Channel) -> Request {
        guard self.headers[.expect]?.lowercased() == "100-continue" else { return self }
        var request = self
        request.body = RequestBody(asyncSequence: ExpectedBody(body: self.body, channel: channel))
        return request
    }
}

/// A body that asks for itself.
private struct ExpectedBody: AsyncSequence, Sendable {
    let body: RequestBody
    let channel: any Channel

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: RequestBody.AsyncIterator?
        let body: RequestBody
        let channel: any Channel

        mutating func next() async throws -> ByteBuffer? {
            var base: RequestBody.AsyncIterator
            if let started = self.base {
                base = started
            } else {
                try await self.channel.triggerUserOutboundEvent(ContinueEvent()).get()
                base = self.body.makeAsyncIterator()
            }
            let next = try await base.next()
            self.base = base
            return next
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: nil, body: self.body, channel: self.channel) }
}
