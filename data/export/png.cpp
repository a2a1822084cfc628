// stb_image_write, with zlib in place of its own, weaker compressor.
#include "data/export/png.h"

#include <zlib.h>

#include <cstdlib>

#include "tensor/error.h"

namespace {

// The signature that stb asks for: the result is freed by it with free().
unsigned char* compress_for_stb(unsigned char* data, int size, int* compressed_size, int quality) {
  uLongf capacity = compressBound(static_cast<uLong>(size));
  auto* out = static_cast<unsigned char*>(std::malloc(capacity));
  if (out == nullptr) return nullptr;
  if (compress2(out, &capacity, data, static_cast<uLong>(size), quality) != Z_OK) {
    std::free(out);
    return nullptr;
  }
  *compressed_size = static_cast<int>(capacity);
  return out;
}

}  // namespace

#define STBIW_ZLIB_COMPRESS compress_for_stb
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

namespace kg {

std::string encode_png(const Image& image) {
  std::string bytes;
  const auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  const int ok = stbi_write_png_to_func(append, &bytes, image.width, image.height, 3, image.pixels.data(), 0);
  CHECK(ok != 0 && !bytes.empty(), "[png] a picture of ", image.width, " x ", image.height, " could not be encoded");
  return bytes;
}

}  // namespace kg
