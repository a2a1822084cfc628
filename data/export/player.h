// The fixed parts of the HTML player, each in a file of its own name: style sheet, WebGL 2 shaders, program.
#pragma once

namespace kg {

extern const char* const kPlayerStyle;    // CSS
extern const char* const kPlayerShaders;  // JavaScript: const SHADERS = {...}
extern const char* const kPlayerEngine;   // JavaScript: class Stage, which draws one body on one canvas
extern const char* const kPlayerScript;   // JavaScript: timelines, camera, keys

}  // namespace kg
