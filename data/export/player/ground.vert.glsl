// A square of the ground around the point that the camera looks at.

#version 300 es
precision highp float;
in vec2 corner;
uniform vec3 focus;
uniform float ground, reach;
out vec3 place;
#include "projection.glsl"
void main() {
  place = vec3(focus.x + corner.x * reach, ground, focus.z + corner.y * reach);
  gl_Position = project(place);
}
