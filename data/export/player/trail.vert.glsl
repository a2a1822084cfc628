// The root's path on the ground, as a ribbon.

#version 300 es
precision highp float;
in vec3 point;
uniform float ground;
out float frame;
#include "projection.glsl"
void main() {
  frame = point.z;
  gl_Position = project(vec3(point.x, ground, point.y));
}
