// Tokens that stand for themselves wherever a text spells them out ("[SEP]", "<motion_id_3>"): found before the text
// around them is cut into pieces, the leftmost first, at one place the longest.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace kg {

class AddedTokens {
 public:
  struct Match {
    size_t begin = 0, size = 0;
    int id = 0;
  };

  void add(const std::string& token, int id) {
    longest_ = std::max(longest_, token.size());
    first_ += first_.find(token[0]) == std::string::npos ? token.substr(0, 1) : "";
    ids_.emplace(token, id);
  }

  std::optional<Match> find(std::string_view text) const {
    for (size_t at = text.find_first_of(first_); at < text.size(); at = text.find_first_of(first_, at + 1)) {
      for (size_t size = std::min(longest_, text.size() - at); size > 0; --size) {
        const auto found = ids_.find(text.substr(at, size));
        if (found != ids_.end()) return Match{at, size, found->second};
      }
    }
    return std::nullopt;
  }

 private:
  std::map<std::string, int, std::less<>> ids_;
  std::string first_;  // first bytes of the tokens
  size_t longest_ = 0;
};

}  // namespace kg
