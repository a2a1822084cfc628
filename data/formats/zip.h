// Reading zip archives (npz is one): stored and deflated members, zip64, CRC checked. Memory is bounded: a member's
// size is held against deflate's greatest ratio before anything is allocated, and members may not overlap.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kg {

struct ZipMember {
  std::string name;
  uint16_t method = 0;                        // 0 stored, 8 deflated
  uint32_t crc = 0;                           // of the unpacked bytes
  uint64_t packed = 0;                        // bytes in the archive
  uint64_t size = 0;                          // bytes unpacked
  uint64_t local_header = 0, data_begin = 0;  // where its header and its packed bytes begin
};

class ZipArchive {
 public:
  // `bytes` must outlive the archive.
  ZipArchive(std::string_view bytes, std::string name);

  const std::vector<ZipMember>& members() const { return members_; }
  std::string read(const ZipMember& member) const;
  // Without a copy where the member is stored: its bytes in the archive; otherwise unpacked into `unpacked`.
  std::string_view read(const ZipMember& member, std::string& unpacked) const;

 private:
  template <class... Parts>
  void require(bool condition, const Parts&... parts) const;
  uint64_t field(uint64_t at, int bytes, const char* what) const;
  void find_directory(uint64_t& begin, uint64_t& size, uint64_t& count) const;
  uint64_t read_entry(uint64_t at, uint64_t end);
  void read_zip64_extra(uint64_t at, uint64_t end, ZipMember& member) const;
  void find_data(ZipMember& member) const;
  void check_bounds(uint64_t directory) const;
  void unpack(const ZipMember& member, std::string_view packed, std::string& bytes) const;

  std::string_view bytes_;
  std::string name_;
  std::vector<ZipMember> members_;
};

// An archive of stored members, with fixed dates: the same members give the same bytes.
std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace kg
