// The path that lies ahead is fainter. The colour is multiplied by its alpha.

#version 300 es
precision highp float;
in float frame;
uniform vec3 trailColor;
uniform float now;
out vec4 result;
void main() {
  float alpha = frame <= now ? .8 : .24;
  result = vec4(trailColor * alpha, alpha);
}
