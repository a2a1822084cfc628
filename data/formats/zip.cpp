// An archive is read from its end: end record -> central directory -> local header of each member -> packed bytes.
// Numbers are little-endian; a size or offset of all ones stands in the zip64 extra field instead. (PKWARE's APPNOTE.)
#include "data/formats/zip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "data/formats/elements.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEndRecord = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kEndSize = 22, kLocator64Size = 20, kEnd64Size = 56, kCentralSize = 46, kLocalSize = 30;
constexpr uint64_t kMaxRatio = 1032;                                // deflate: at best 258 bytes for two bits
constexpr uint64_t kFreeUnpackedSize = 1 << 30, kUnpackRatio = 64;  // an archive of n bytes may unpack to 2^30 + 64 n
constexpr uint32_t kOnes32 = 0xffffffff;

uint32_t crc_of(std::string_view bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

template <class... Parts>
void ZipArchive::require(bool condition, const Parts&... parts) const {
  CHECK_INPUT(condition, name_, ": ", parts...);
}

// The number of `bytes` bytes at `at`.
uint64_t ZipArchive::field(uint64_t at, int bytes, const char* what) const {
  require(at <= bytes_.size() && bytes_.size() - at >= static_cast<uint64_t>(bytes), what,
          " lies beyond the end of the archive (is it cut off?)");
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes_[at + i]);
  return value;
}

ZipArchive::ZipArchive(std::string_view bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {
  uint64_t at = 0, size = 0, count = 0;
  find_directory(at, size, count);
  require(at <= bytes_.size() && size <= bytes_.size() - at, "the zip directory lies beyond the end of the archive");
  require(count <= size / kCentralSize, "the zip directory of ", size, " bytes cannot hold ", count, " members");
  const uint64_t end = at + size;
  members_.reserve(count);
  const uint64_t directory = at;
  for (uint64_t i = 0; i < count; ++i) at = read_entry(at, end);
  require(at == end, "the zip directory holds more than its ", count, " members");
  check_bounds(directory);
}

void ZipArchive::find_directory(uint64_t& begin, uint64_t& size, uint64_t& count) const {
  require(bytes_.size() >= kEndSize, "not a zip archive: it has only ", bytes_.size(), " bytes");
  // The end record is followed by a comment of up to 65535 bytes, whose length it names.
  uint64_t at = bytes_.size() - kEndSize;
  const uint64_t first = at > 65535 ? at - 65535 : 0;
  while (field(at, 4, "") != kEndRecord || field(at + 20, 2, "") != bytes_.size() - at - kEndSize) {
    require(at > first, "not a zip archive, or cut off: it has no end record");
    --at;
  }
  const bool has_zip64 = at >= kLocator64Size && field(at - kLocator64Size, 4, "") == kLocator64;
  if (!has_zip64) {
    require(field(at + 4, 2, "") == 0 && field(at + 6, 2, "") == 0, "archives in several parts are not supported");
    count = field(at + 10, 2, "");
    size = field(at + 12, 4, "");
    begin = field(at + 16, 4, "");
    return;
  }
  const uint64_t record = field(at - kLocator64Size + 8, 8, "");
  require(field(record, 4, "the zip64 end record") == kEnd64, "the zip64 end record is damaged");
  field(record + kEnd64Size - 1, 1, "the zip64 end record");
  count = field(record + 32, 8, "");
  size = field(record + 40, 8, "");
  begin = field(record + 48, 8, "");
}

// One entry of the directory; returns where the next begins.
uint64_t ZipArchive::read_entry(uint64_t at, uint64_t end) {
  require(end - at >= kCentralSize && field(at, 4, "") == kCentral, "the zip directory is damaged at byte ", at);
  const uint64_t name_size = field(at + 28, 2, ""), extra_size = field(at + 30, 2, ""), comment = field(at + 32, 2, "");
  const uint64_t next = at + kCentralSize + name_size + extra_size + comment;
  require(next <= end, "the zip directory is damaged at byte ", at, ": its entry is longer than the directory");
  ZipMember member;
  member.name = std::string(bytes_.substr(at + kCentralSize, name_size));
  const std::string shown = printable(member.name);
  require((field(at + 8, 2, "") & 1) == 0, "member ", shown, " is encrypted");
  member.method = static_cast<uint16_t>(field(at + 10, 2, ""));
  require(member.method == 0 || member.method == 8, "member ", shown, " uses compression method ", member.method,
          ", only stored (0) and deflate (8) are supported");
  member.crc = static_cast<uint32_t>(field(at + 16, 4, ""));
  member.packed = field(at + 20, 4, "");
  member.size = field(at + 24, 4, "");
  member.local_header = field(at + 42, 4, "");
  const uint64_t extra = at + kCentralSize + name_size;
  read_zip64_extra(extra, extra + extra_size, member);
  find_data(member);
  members_.push_back(std::move(member));
  return next;
}

// Extra field 1 holds, in this order, those of the three numbers that are all ones in the entry.
void ZipArchive::read_zip64_extra(uint64_t at, uint64_t end, ZipMember& member) const {
  while (end - at >= 4) {
    const uint64_t kind = field(at, 2, ""), size = field(at + 2, 2, "");
    at += 4;
    require(size <= end - at, "member ", printable(member.name), " has a damaged extra field");
    if (kind == 1) {
      uint64_t from = at;
      for (uint64_t* value : {&member.size, &member.packed, &member.local_header}) {
        if (*value != kOnes32) continue;
        require(at + size - from >= 8, "member ", printable(member.name), " has a damaged zip64 field");
        *value = field(from, 8, "");
        from += 8;
      }
    }
    at += size;
  }
}

// The local header repeats the name and has an extra field of its own length; the packed bytes follow.
void ZipArchive::find_data(ZipMember& member) const {
  const uint64_t local_header = member.local_header;
  const std::string shown = printable(member.name);
  require(local_header <= bytes_.size() && bytes_.size() - local_header >= kLocalSize &&
              field(local_header, 4, "") == kLocal,
          "member ", shown, " has no local header at byte ", local_header);
  member.data_begin = local_header + kLocalSize + field(local_header + 26, 2, "") + field(local_header + 28, 2, "");
  require(member.data_begin <= bytes_.size() && member.packed <= bytes_.size() - member.data_begin, "member ", shown,
          " ends beyond the end of the archive (is it cut off?)");
  if (member.method == 0) {
    require(member.size == member.packed, "member ", shown, " is stored, but its two sizes differ");
  } else {
    require(member.size <= member.packed * kMaxRatio, "member ", shown, " claims to unpack to ", member.size,
            " bytes, impossible for ", member.packed, " packed ones");
  }
}

// Members that share bytes could unpack to far more than an honest archive of the same length, and so could one that is
// almost all zeros: the first is refused, the second bounded.
void ZipArchive::check_bounds(uint64_t directory) const {
  std::vector<std::pair<uint64_t, uint64_t>> ranges = {{directory, bytes_.size()}};
  uint64_t total = 0;
  for (const ZipMember& member : members_) {
    ranges.emplace_back(member.local_header, member.data_begin + member.packed);
    total += member.size;
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    require(ranges[i].first >= ranges[i - 1].second, "two parts of the archive overlap at byte ", ranges[i].first);
  }
  require(total <= kFreeUnpackedSize + kUnpackRatio * bytes_.size(), "the archive of ", bytes_.size(),
          " bytes would unpack to ", total, "; a file that is packed so tightly is not read");
}

std::string ZipArchive::read(const ZipMember& member) const {
  std::string unpacked;
  const std::string_view bytes = read(member, unpacked);
  return member.method == 0 ? std::string(bytes) : unpacked;
}

std::string_view ZipArchive::read(const ZipMember& member, std::string& unpacked) const {
  std::string_view bytes = bytes_.substr(member.data_begin, member.packed);
  if (member.method != 0) {
    unpack(member, bytes, unpacked);
    bytes = unpacked;
  }
  const uint32_t crc = crc_of(bytes);
  require(crc == member.crc, "member ", printable(member.name), " is damaged: its CRC is ", crc, ", expected ",
          member.crc);
  return bytes;
}

void ZipArchive::unpack(const ZipMember& member, std::string_view packed, std::string& bytes) const {
  bytes.resize(member.size);
  z_stream stream{};
  CHECK(inflateInit2(&stream, -MAX_WBITS) == Z_OK, "[zip] zlib cannot start");
  // zlib counts in 32 bits: both sides are given piece by piece.
  constexpr uint64_t kPiece = 1 << 30;
  uint64_t taken = 0, made = 0;
  unsigned char none = 0;  // zlib wants a place for output even when none is expected
  int status = Z_OK;
  while (status == Z_OK) {
    const auto in = static_cast<uInt>(std::min(kPiece, packed.size() - taken));
    const auto out = static_cast<uInt>(std::min(kPiece, bytes.size() - made));
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + taken));
    stream.avail_in = in;
    stream.next_out = bytes.empty() ? &none : reinterpret_cast<Bytef*>(bytes.data() + made);
    stream.avail_out = out;
    status = inflate(&stream, Z_NO_FLUSH);  // Z_BUF_ERROR when a side is exhausted before the end
    taken += in - stream.avail_in;
    made += out - stream.avail_out;
  }
  inflateEnd(&stream);
  require(status == Z_STREAM_END && made == member.size && taken == packed.size(), "member ", printable(member.name),
          " does not unpack to its ", member.size, " bytes (is it damaged?)");
}

namespace {

struct FixedWidth {
  uint64_t value;
  int bytes;
};

void append(std::string& to, std::initializer_list<FixedWidth> fields) {
  for (const FixedWidth& field : fields) {
    for (int i = 0; i < field.bytes; ++i) to += static_cast<char>(field.value >> 8 * i & 255);
  }
}

}  // namespace

std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& members) {
  constexpr uint64_t kVersion = 20, kUtf8 = 1 << 11, kStored = 0, kTime = 0, kDate = 1 << 5 | 1;  // 1 January 1980
  CHECK(members.size() < 65535, "[zip] archives of 65535 members are not written; use safetensors");
  std::string bytes, directory;
  for (const auto& [name, content] : members) {
    CHECK(name.size() < 65536 && bytes.size() + directory.size() + content.size() < kOnes32 - (1 << 20),
          "[zip] archives of 4 GiB are not written; use safetensors");
    const uint64_t begin = bytes.size(), size = content.size();
    std::string common;  // what the local header and the directory's entry share
    append(common, {{kVersion, 2}, {kUtf8, 2}, {kStored, 2}, {kTime, 2}, {kDate, 2}, {crc_of(content), 4}});
    append(common, {{size, 4}, {size, 4}, {name.size(), 2}, {0, 2}});
    append(bytes, {{kLocal, 4}});
    bytes += common + name + content;
    append(directory, {{kCentral, 4}, {kVersion, 2}});
    directory += common;
    append(directory, {{0, 2}, {0, 2}, {0, 2}, {0, 4}, {begin, 4}});  // no comment, first disk, no attributes
    directory += name;
  }
  const uint64_t begin = bytes.size(), count = members.size();
  bytes += directory;
  append(bytes, {{kEndRecord, 4}, {0, 4}, {count, 2}, {count, 2}, {directory.size(), 4}, {begin, 4}, {0, 2}});
  return bytes;
}

}  // namespace kg
