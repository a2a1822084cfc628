// Bends one mesh to a limb, the hull of two balls.

#version 300 es
precision highp float;
in vec3 shape;
uniform vec4 ends[2 * LIMBS];  // centre, radius
uniform vec3 colors[LIMBS];
out vec3 normal, place, color;
#include "projection.glsl"
void main() {
  vec4 a = ends[2 * gl_InstanceID], b = ends[2 * gl_InstanceID + 1];
  float size = distance(a.xyz, b.xyz);
  vec3 axis = size > 1e-5 ? (b.xyz - a.xyz) / size : vec3(0, 1, 0);
  float k = clamp((b.w - a.w) / max(size, 1e-5), -.99, .99), cone = asin(-k);
  vec3 side = normalize(cross(axis, abs(axis.y) < .9 ? vec3(0, 1, 0) : vec3(1, 0, 0)));
  float latitude = shape.z < .5 ? mix(-1.5707963, cone, shape.y) : mix(1.5707963, cone, shape.y);
  normal = cos(latitude) * (cos(shape.x) * side + sin(shape.x) * cross(axis, side)) + sin(latitude) * axis;
  place = shape.z < .5 ? a.xyz + a.w * normal : b.xyz + b.w * normal;
  color = colors[gl_InstanceID];
  gl_Position = project(place);
}
