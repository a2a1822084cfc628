// The player's WebGL 2 shaders: limbs (one mesh, bent to each limb's hull of two balls), ground (grid and shadows) and
// the trail. Geometry and light are those of scene.cpp. Colours leave the shaders multiplied by their alpha.
#include "data/export/player.h"

namespace kg {

const char* const kPlayerShaders = R"js(
const PROJECTION = `
uniform vec3 eye, right, up, forward;
uniform vec2 focal;
vec4 project(vec3 p) {
  vec3 d = p - eye;
  float depth = dot(d, forward), near = .05, far = 200.;
  return vec4(dot(d, right) * focal.x, dot(d, up) * focal.y, (depth * (far + near) - 2. * far * near) / (far - near), depth);
}`;
const SHADERS = {
  // shape: angle around the axis, 0..1 from the pole to the cone, and the end (0: ball a, 1: ball b).
  limb: [`#version 300 es
precision highp float;
in vec3 shape;
uniform vec4 ends[2 * LIMBS];  // centre, radius
uniform vec3 colors[LIMBS];
out vec3 normal, place, color;
${PROJECTION}
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
}`, `#version 300 es
precision highp float;
in vec3 normal, place, color;
uniform vec3 eye, light;
uniform float ground;
out vec4 result;
void main() {
  vec3 n = normalize(normal), view = normalize(eye - place);
  float diffuse = max(dot(n, light), 0.), sky = .5 + .5 * n.y, front = max(dot(n, view), 0.);
  float edge = pow(1. - front, 3.), gloss = pow(max(dot(n, normalize(light + view)), 0.), 32.);
  float near_ground = 1. - .3 * exp(-9. * max(place.y - ground, 0.)) * (.5 - .5 * n.y);
  vec3 lit = color * (.3 + .26 * sky + .42 * diffuse + .12 * front) * near_ground;
  result = vec4(mix(lit, vec3(1), min(.14 * edge + .14 * gloss, .6)), 1);
}`],
  ground: [`#version 300 es
precision highp float;
in vec2 corner;
uniform vec3 focus;
uniform float ground, reach;
out vec3 place;
${PROJECTION}
void main() {
  place = vec3(focus.x + corner.x * reach, ground, focus.z + corner.y * reach);
  gl_Position = project(place);
}`, `#version 300 es
precision highp float;
in vec3 place;
uniform vec4 ends[2 * LIMBS];
uniform vec3 focus, light, body, gridColor, shadowColor;
uniform float ground, reach, shadowStrength;
out vec4 result;
float lines(vec2 p, float cell, float width) {
  vec2 footprint = fwidth(p), off = abs(p - cell * round(p / cell)), half_width = vec2(width) / 2.;
  vec2 part = min(vec2(1), 2. * half_width / footprint);
  vec2 covered = part * clamp(.5 + (max(half_width, footprint / 2.) - off) / footprint, 0., 1.);
  return max(covered.x, covered.y);
}
void main() {
  float away = distance(place.xz, focus.xz) / reach, fade = 1. - smoothstep(.25, 1., away);
  float grid = max(lines(place.xz, .5, .009) * .5, lines(place.xz, 2., .018)) * fade;
  float shadow = 0.;
  if (distance(place.xz, body.xz) < 4.) {
    vec2 lean = -light.xz / light.y;
    for (int i = 0; i < LIMBS; ++i) {
      vec4 a = ends[2 * i], b = ends[2 * i + 1];
      float ha = max(a.y - ground, 0.), hb = max(b.y - ground, 0.);
      vec2 pa = a.xz + lean * ha, along = b.xz + lean * hb - pa, to = place.xz - pa;
      float t = clamp(dot(to, along) / max(dot(along, along), 1e-9), 0., 1.);
      float soft = .03 + .13 * mix(ha, hb, t), outside = distance(to, along * t) - mix(a.w, b.w, t);
      shadow = max(shadow, (1. - smoothstep(0., 1., .5 + outside / soft / 2.)) / (1. + 6. * soft));
    }
  }
  shadow *= shadowStrength;
  result = vec4(gridColor * grid, grid) * (1. - shadow) + vec4(shadowColor * shadow, shadow);
}`],
  // point: x, z, frame.
  trail: [`#version 300 es
precision highp float;
in vec3 point;
uniform float ground;
out float frame;
${PROJECTION}
void main() {
  frame = point.z;
  gl_Position = project(vec3(point.x, ground, point.y));
}`, `#version 300 es
precision highp float;
in float frame;
uniform vec3 trailColor;
uniform float now;
out vec4 result;
void main() {
  float alpha = frame <= now ? .8 : .24;
  result = vec4(trailColor * alpha, alpha);
}`],
};
)js";

}  // namespace kg
