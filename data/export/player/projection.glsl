// World metres to the screen, for every vertex shader; the uniforms are the engine's cameraOf().

uniform vec3 eye, right, up, forward;
uniform vec2 focal;
vec4 project(vec3 p) {
  vec3 d = p - eye;
  float depth = dot(d, forward), near = .05, far = 200.;
  return vec4(dot(d, right) * focal.x, dot(d, up) * focal.y, (depth * (far + near) - 2. * far * near) / (far - near), depth);
}
