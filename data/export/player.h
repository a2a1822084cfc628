// The fixed parts of the HTML player. Each is a file of its own kind in data/export/player/, which the build embeds.
#pragma once

namespace kg {

extern const char* const kPlayerStyle;    // style.css
extern const char* const kPlayerToolbar;  // toolbar.html: the buttons and the help, under all sections
extern const char* const kPlayerShaders;  // shaders.js with the *.glsl in their places: const SHADERS = {...}
extern const char* const kPlayerEngine;   // engine.js: one body drawn on one canvas
extern const char* const kPlayerScript;   // script.js: timelines, camera, keys

}  // namespace kg
