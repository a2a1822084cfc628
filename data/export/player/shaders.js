// The player's WebGL 2 shaders, each in a file of its own: the build puts it where its @name@ stands. The engine
// writes the number of limbs for LIMBS. Geometry and light are those of scene.cpp.

const PROJECTION = `
@projection.glsl@`;
const SHADERS = {
  // shape: angle around the axis, 0..1 from the pole to the cone, and the end (0: ball a, 1: ball b).
  limb: [`@limb.vert.glsl@`, `@limb.frag.glsl@`],
  ground: [`@ground.vert.glsl@`, `@ground.frag.glsl@`],
  // point: x, z, frame.
  trail: [`@trail.vert.glsl@`, `@trail.frag.glsl@`],
};
