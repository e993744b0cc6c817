#include <zlib.h>

// zlib's initialisers are macros, which Swift cannot import.

/// Starts a gzip stream: 15 bits of window, +16 selects the gzip wrapper.
static inline int tarn_gzip_deflate_init(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}

/// Starts reading a gzip stream.
static inline int tarn_gzip_inflate_init(z_stream *stream) {
    return inflateInit2(stream, 15 + 16);
}
