// The grid, which fades with distance, and the soft shadows of all limbs. The colour is multiplied by its alpha.

#version 300 es
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
}
