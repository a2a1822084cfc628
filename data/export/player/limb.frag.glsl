// Lights a limb: sun, sky, a little from the viewer, and darker towards the ground.

#version 300 es
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
}
