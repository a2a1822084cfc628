#include "tools/common/files/systems.h"

#include "models/motiongpt/motiongpt.h"
#include "models/t2m_gpt/t2m_gpt.h"
#include "tests/tools/standin/standin.h"

namespace kg::tools {

const std::vector<System>& systems() {
  static const std::vector<System> all = {
      system_of<MotionTokenizer>(),
      system_of<T2mGpt>(),
      system_of<MotionGpt>(),
      system_of<StandIn>(),
  };
  return all;
}

}  // namespace kg::tools
