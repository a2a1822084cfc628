// Both formats end in the same: a pickle of tensors that view storages, and the bytes of each storage by its key.
#include "data/formats/torch_archive.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <iterator>
#include <memory>
#include <set>

#include "data/formats/file.h"
#include "data/formats/torch_tree.h"
#include "data/formats/zip.h"

namespace kg {
namespace {

constexpr uint64_t kMaxTorchBytes = uint64_t{64} << 30;
// Views of one storage may overlap; together they may be this much larger than the storages.
constexpr uint64_t kFreeTorchBytes = 1 << 28, kTorchRatio = 16;
constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
constexpr int64_t kLegacyProtocol = 1001;

// The bytes of an archive and where its storages lie.
class Storages {
 public:
  Storages(std::string bytes, std::string name) : bytes_(std::move(bytes)), name_(std::move(name)) {}
  Storages(const Storages&) = delete;

  // Parses the pickle of tensors; what the views need is checked here, so that reading them later cannot fail on it.
  TorchTree open() { return std::string_view(bytes_).starts_with("PK") ? open_zip() : open_legacy(); }

  std::string_view storage(const std::string& key) {
    const auto found = ready_.find(key);
    if (found != ready_.end()) return found->second;
    const ZipMember& member = *members_.at(key);
    return ready_[key] = zip_->read(member, unpacked_[key]);
  }
  const std::string& name() const { return name_; }
  uint64_t storage_bytes() const { return storage_bytes_; }
  Pickle& pickle() { return pickle_; }

 private:
  template <class... Parts>
  void require(bool condition, const Parts&... parts) const {
    CHECK_INPUT(condition, name_, ": ", parts...);
  }
  TorchTree open_zip();
  TorchTree open_legacy();

  std::string bytes_, name_;
  Pickle pickle_;  // NumPy arrays lie in it
  uint64_t storage_bytes_ = 0;
  std::map<std::string, std::string_view> ready_;
  std::unique_ptr<ZipArchive> zip_;
  std::map<std::string, const ZipMember*> members_;  // by storage key
  std::map<std::string, std::string> unpacked_;
};

// FOLDER/data.pkl, FOLDER/data/KEY, FOLDER/byteorder
TorchTree Storages::open_zip() {
  zip_ = std::make_unique<ZipArchive>(bytes_, name_);
  constexpr std::string_view kPickle = "data.pkl";
  const ZipMember* main = nullptr;
  for (const ZipMember& member : zip_->members())
    if (member.name == kPickle || member.name.ends_with("/" + std::string(kPickle))) main = &member;
  require(main, "a zip archive, but none of PyTorch: it has no data.pkl",
          zip_->members().empty() ? "" : " (it begins with " + printable(zip_->members()[0].name) + ")");
  const std::string folder = main->name.substr(0, main->name.size() - kPickle.size());
  const std::string data = folder + "data/";
  for (const ZipMember& member : zip_->members()) {
    if (member.name == folder + "byteorder")
      require(zip_->read(member) == "little",
              "the archive was written on a big-endian machine; save it again on another");
    if (!member.name.starts_with(data)) continue;
    require(members_.emplace(member.name.substr(data.size()), &member).second, "storage ", printable(member.name),
            " appears twice");
    storage_bytes_ += member.size;
  }
  const std::string where = name_ + ": " + main->name;
  pickle_ = parse_pickle(zip_->read(*main), where);
  TorchTree tree = flatten_torch(pickle_, where);
  for (const TorchTensor& tensor : tree.tensors) {
    if (tensor.bytes) continue;
    const auto found = members_.find(tensor.storage);
    require(found != members_.end(), printable(tensor.path), " lies in ", data, printable(tensor.storage),
            ", which the archive lacks");
    const uint64_t elements = found->second->size / static_cast<uint64_t>(size_of(tensor.dtype));
    require(tensor.storage_elements == elements, printable(tensor.path), " needs ", tensor.storage_elements,
            " elements of ", name_of(tensor.dtype), " in ", data, printable(tensor.storage), ", which has ", elements);
  }
  return tree;
}

// Pickles of: the magic number, the protocol, facts about the machine, the tensors, the list of storage keys. Then for
// each key its number of elements (8 bytes) and the elements.
TorchTree Storages::open_legacy() {
  const std::string_view bytes = bytes_;
  size_t at = parse_pickle(bytes, name_).end;
  const Pickle protocol = parse_pickle(bytes, name_, at);
  require(protocol.root->integer == kLegacyProtocol, "byte ", at, ": protocol ", protocol.root->integer, ", expected ",
          kLegacyProtocol);
  const Pickle machine = parse_pickle(bytes, name_, protocol.end);
  const PickleValue* little = machine.root->find("little_endian");
  require(!little || little->integer != 0, "the archive was written on a big-endian machine; save it again on another");
  pickle_ = parse_pickle(bytes, name_, machine.end);
  TorchTree tree = flatten_torch(pickle_, name_);
  std::map<std::string, const TorchTensor*> users;
  for (const TorchTensor& tensor : tree.tensors) {
    if (tensor.bytes) continue;
    const auto [user, first] = users.emplace(tensor.storage, &tensor);
    require(first || (user->second->dtype == tensor.dtype && user->second->storage_elements == tensor.storage_elements),
            "storage ", printable(tensor.storage), " is given two sizes");
  }
  const Pickle keys = parse_pickle(bytes, name_, pickle_.end);
  at = keys.end;
  for (const PickleValue* key : keys.root->items) {
    const auto user = users.find(key->kind == PickleValue::Kind::integer ? std::to_string(key->integer) : key->text);
    require(user != users.end(), "byte ", at, ": storage ", printable(key->text), " belongs to no tensor");
    const TorchTensor& tensor = *user->second;
    const uint64_t size = tensor.storage_elements * static_cast<uint64_t>(size_of(tensor.dtype));
    require(tensor.storage_elements <= bytes.size() && bytes.size() - at >= 8 && bytes.size() - at - 8 >= size, "byte ",
            at, ": storage ", printable(tensor.storage), " of ", printable(tensor.path), " needs ",
            tensor.storage_elements, " elements of ", name_of(tensor.dtype), "; the file is cut off");
    uint64_t elements = 0;
    std::memcpy(&elements, bytes.data() + at, 8);
    require(elements == tensor.storage_elements, "byte ", at, ": storage ", printable(tensor.storage), " has ",
            elements, " elements, expected ", tensor.storage_elements);
    require(ready_.emplace(tensor.storage, bytes.substr(at + 8, size)).second, "storage ", printable(tensor.storage),
            " appears twice");
    at += 8 + size;
    storage_bytes_ += size;
  }
  require(at == bytes.size(), bytes.size() - at, " bytes follow the last storage");
  for (const TorchTensor& tensor : tree.tensors)
    require(tensor.bytes || ready_.contains(tensor.storage), printable(tensor.path), ": its storage ",
            printable(tensor.storage), " is missing");
  return tree;
}

// One past the last element that the view touches, from its offset on; 0 where it is empty.
uint64_t span_of(const TorchTensor& tensor, const std::string& where) {
  uint64_t span = 1;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] == 0) return 0;
    const uint64_t steps = tensor.shape[i] - 1, left = tensor.storage_elements;
    CHECK_INPUT(steps == 0 || tensor.strides[i] <= left / steps, where, "it reaches beyond its storage of ", left,
                " elements");
    span += steps * tensor.strides[i];
    CHECK_INPUT(span <= left, where, "it reaches beyond its storage of ", left, " elements");
  }
  return span;
}

Tensor read_view(FileDtype dtype, const Shape& shape, const Shape& strides, uint64_t span, std::string_view bytes,
                 const std::string& where) {
  const ReadBytes next = [&](void* to, size_t n) {
    std::memcpy(to, bytes.data(), n);
    bytes.remove_prefix(n);
  };
  if (strides == shape.contiguous_strides() || shape.numel() == 0) return read_elements(dtype, shape, next, where);
  const Tensor flat = read_elements(dtype, {static_cast<int64_t>(span)}, next, where);
  return Tensor::view_of(flat.storage(), 0, shape, strides, flat.dtype()).contiguous();
}

uint64_t allowed_bytes(const Storages& storages) { return kFreeTorchBytes + kTorchRatio * storages.storage_bytes(); }

StoredTensor stored_view(const TorchTensor& tensor, const std::shared_ptr<Storages>& storages) {
  const std::string where = storages->name() + ": " + printable(tensor.path) + ": ";
  const auto width = static_cast<uint64_t>(size_of(tensor.dtype));
  CHECK_INPUT(tensor.shape.size() <= kMaxRank, where, "it has ", tensor.shape.size(), " axes, at most ", kMaxRank,
              " are supported");
  const uint64_t span = span_of(tensor, where);
  CHECK_INPUT(tensor.offset <= tensor.storage_elements && span <= tensor.storage_elements - tensor.offset, where,
              "it reaches beyond its storage of ", tensor.storage_elements, " elements");
  // Expanded by strides of 0, a small storage could claim any size.
  uint64_t elements = span == 0 ? 0 : 1;
  for (const uint64_t extent : tensor.shape) {
    CHECK_INPUT(span == 0 || extent <= allowed_bytes(*storages) / elements, where,
                "its shape is too large for the file");
    elements *= extent;
  }
  const Shape shape = checked_shape(tensor.shape, tensor.dtype, elements * width, where);
  Shape strides = shape.contiguous_strides();
  // An axis of one element has no stride that matters: it takes the contiguous one, so that only real views are copied.
  for (int i = 0; i < shape.rank(); ++i)
    if (shape[i] > 1) strides[i] = static_cast<int64_t>(tensor.strides[static_cast<size_t>(i)]);
  const auto read = [=, dtype = tensor.dtype, begin = tensor.offset * width, key = tensor.storage, own = tensor.bytes] {
    const std::string_view bytes = own ? std::string_view(*own) : storages->storage(key);
    return read_view(dtype, shape, strides, span, bytes.substr(begin, span * width), where);
  };
  return {tensor.path, tensor.dtype, shape, read};
}

bool is_of_training(const std::string& section) {
  std::string lower = section;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower.starts_with("opt") || lower.find("optim") != lower.npos || lower.find("scheduler") != lower.npos ||
         lower.find("rng") != lower.npos || lower.starts_with("random");
}

}  // namespace

bool is_legacy_torch(std::string_view head) { return head.starts_with(kLegacyMagic); }

TorchArchive open_torch_archive_bytes(std::string bytes, const std::string& name) {
  const std::string_view head = std::string_view(bytes).substr(0, 512);
  if (!head.starts_with("PK") && !is_legacy_torch(head)) {
    const bool tar = head.size() > 262 && head.substr(257, 5) == "ustar";
    const std::string foreign = tar ? "it is a tar archive; unpack it" : foreign_content(head);
    fail(ErrorCode::input, name, ": not a file of PyTorch",
         foreign.empty() ? " (.pt .pth .bin .ckpt)" : ": " + foreign);
  }
  const auto storages = std::make_shared<Storages>(std::move(bytes), name);
  TorchTree tree = storages->open();
  TorchArchive archive;
  archive.name = name;
  archive.sections = std::move(tree.groups);
  archive.on_top = tree.on_top;
  archive.all.metadata = std::move(tree.metadata);
  std::set<std::string_view> names;
  uint64_t total = 0;
  for (const TorchTensor& tensor : tree.tensors) {
    CHECK_INPUT(names.insert(tensor.path).second, name, ": two tensors are named ", printable(tensor.path));
    archive.all.tensors.push_back(stored_view(tensor, storages));
    const StoredTensor& stored = archive.all.tensors.back();
    total += static_cast<uint64_t>(stored.shape.numel() * size_of(stored.dtype));
    CHECK_INPUT(total <= allowed_bytes(*storages), name,
                ": the tensors view their storages so often that they would fill ", total, " bytes");
  }
  return archive;
}

TorchArchive open_torch_archive(const std::filesystem::path& path) {
  return open_torch_archive_bytes(read_file(path, kMaxTorchBytes), path.string());
}

StoredFile section_of(const TorchArchive& archive, const std::string& section) {
  std::string listed, chosen = section;
  for (const std::string& group : archive.sections) listed += (listed.empty() ? "" : ", ") + printable(group);
  if (section.empty()) {
    std::vector<std::string> models;
    std::remove_copy_if(archive.sections.begin(), archive.sections.end(), std::back_inserter(models), is_of_training);
    CHECK_INPUT(!archive.all.tensors.empty(), archive.name, ": there are no tensors in it");
    if (archive.on_top && models.empty()) return archive.all;
    CHECK_INPUT(models.size() == 1, archive.name, ": it has the sections ", listed,
                "; say which is meant (--section NAME)");
    chosen = models[0];
  }
  StoredFile file;
  const std::string prefix = chosen + ".";
  for (const StoredTensor& tensor : archive.all.tensors)
    if (tensor.name.starts_with(prefix)) file.tensors.emplace_back(tensor).name.erase(0, prefix.size());
  for (const auto& [key, value] : archive.all.metadata)
    if (key.starts_with(prefix)) file.metadata.emplace(key.substr(prefix.size()), value);
  CHECK_INPUT(!file.tensors.empty(), archive.name, ": there is no section ", section,
              listed.empty() ? "" : "; it has " + listed);
  return file;
}

}  // namespace kg
