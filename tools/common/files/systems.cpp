#include "tools/common/files/systems.h"

#include "models/motiongpt/motiongpt.h"
#include "models/t2m_gpt/t2m_gpt.h"

namespace kg::tools {

const std::vector<System>& systems() {
  static const std::vector<System> all = {
      system_of<MotionTokenizer>(),
      system_of<T2mGpt>(),
      system_of<MotionGpt>(),
  };
  return all;
}

}  // namespace kg::tools
