// Drawing: decoding of a motion, its body and camera, and one WebGL canvas that draws for all pictures of the page
// (browsers allow few). Without WebGL 2 the bodies are drawn flat on the 2-D canvas, with a notice.

const {bodies: BODIES, sections: SECTIONS} = JSON.parse(document.getElementById('motions').textContent);
const LIMBS = Math.max(...BODIES.map(body => body.limbs.length));
// The shaders draw equally many limbs of every body.
for (const {limbs} of BODIES) while (limbs.length < LIMBS) limbs.push(limbs[0]);
const FIELD = 0.6;  // angle of view over the height, radians

const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const scale = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = (a, otherwise) => { const n = Math.hypot(...a); return n > 1e-9 ? scale(a, 1 / n) : otherwise; };

// One motion: positions in metres, and what the camera needs to know of them.
class Motion {
  constructor(data) {
    Object.assign(this, data);
    this.body = BODIES[data.body];
    const {joints, size, height} = this.body;
    const bytes = Uint8Array.from(atob(data.joints), c => c.charCodeAt(0));
    const steps = new DataView(bytes.buffer);
    this.values = new Float32Array(bytes.length / 2);
    for (let i = 0; i < this.values.length; ++i)
      this.values[i] = steps.getInt16(2 * i, true) * data.unit + data.middle[i % 3];
    this.duration = (this.frames - 1) / this.fps;
    // The follow camera moves with the mean of the root over about one second.
    const window = Math.round(this.fps / 2);
    this.smooth = [];
    for (let t = 0; t < this.frames; ++t) {
      let sum = [0, 0, 0], n = 0;
      for (let s = Math.max(0, t - window); s <= Math.min(this.frames - 1, t + window); ++s, ++n)
        sum = add(sum, this.joint(s, 0));
      this.smooth.push(scale(sum, 1 / n));
    }
    // The height of the motion, and how far joints reach from the follow camera's and the fixed camera's target.
    this.top = Math.max(this.ground + height, ...Array.from({length: this.frames * joints}, (_, i) => this.values[3 * i + 1])) + .2 * size;
    const low = [1e9, 1e9], high = [-1e9, -1e9];
    for (let i = 0; i < this.frames * joints; ++i)
      [0, 2].forEach((axis, k) => {
        low[k] = Math.min(low[k], this.values[3 * i + axis]);
        high[k] = Math.max(high[k], this.values[3 * i + axis]);
      });
    this.centre = [(low[0] + high[0]) / 2, 0, (low[1] + high[1]) / 2];
    this.nearReach = this.farReach = .5 * size;
    for (let t = 0; t < this.frames; ++t)
      for (let j = 0; j < joints; ++j) {
        const p = this.joint(t, j), s = this.smooth[t];
        this.nearReach = Math.max(this.nearReach, Math.hypot(p[0] - s[0], p[2] - s[2]));
        this.farReach = Math.max(this.farReach, Math.hypot(p[0] - this.centre[0], p[2] - this.centre[2]));
      }
  }
  joint(frame, j) {
    const i = 3 * (this.body.joints * frame + j);
    return [this.values[i], this.values[i + 1], this.values[i + 2]];
  }
  // Linear between frames: `frame` may be fractional.
  at(array, frame) {
    const first = Math.min(Math.floor(frame), this.frames - 1), next = Math.min(first + 1, this.frames - 1);
    const a = array(first), b = array(next), t = frame - first;
    return add(scale(a, 1 - t), scale(b, t));
  }
  // The joints, then the points beside them and those of the head, as figure.cpp makes them.
  pose(frame) {
    const {joints, points, head} = this.body, p = [];
    for (let j = 0; j < joints; ++j) p.push(this.at(f => this.joint(f, j), frame));
    for (const {from, joint, beyond} of points)
      p.push(add(p[joint], scale(unit(sub(p[joint], p[from]), [0, 0, 0]), beyond)));
    if (head) {
      const up = unit(sub(p[head.joint], p[head.chest]), [0, 1, 0]);
      const left = unit(sub(p[head.left], p[head.right]), [1, 0, 0]);
      const forward = unit(cross(left, up), [0, 0, 1]), skull = add(p[head.joint], scale(up, head.above));
      const face = add(skull, scale(forward, head.forward));
      p.push(skull, add(face, scale(left, head.aside)), add(face, scale(left, -head.aside)));
    }
    return p;
  }
}

// Camera of one picture: `view` (azimuth, elevation, zoom, pan) is shared by the section, the rest is the motion's.
function cameraOf(motion, frame, view, aspect) {
  const halfHeight = (motion.top - motion.ground) / 2, follow = view.following;
  const target = add(motion.at(f => motion.smooth[f], frame), [0, 0, 0]), tan = Math.tan(FIELD / 2);
  const mix = (a, b) => a + (b - a) * follow;
  const reach = mix(motion.farReach, motion.nearReach);
  const {size} = motion.body;
  const distance = Math.max(halfHeight * 1.16 / tan, (reach + .1 * size) / tan / aspect) + mix(motion.farReach * .7, .3 * size);
  const focus = [mix(motion.centre[0], target[0]), motion.ground + halfHeight * .94, mix(motion.centre[2], target[2])];
  const azimuth = motion.azimuth + view.azimuth, ce = Math.cos(view.elevation), se = Math.sin(view.elevation);
  const forward = [-Math.sin(azimuth) * ce, -se, -Math.cos(azimuth) * ce];
  const right = [Math.cos(azimuth), 0, -Math.sin(azimuth)], up = cross(right, forward);
  const away = distance / view.zoom;
  const moved = add(focus, add(scale(right, view.pan[0]), scale(up, view.pan[1])));
  return {eye: sub(moved, scale(forward, away)), right, up, forward, focus: moved, distance: away,
          focal: [1 / tan / aspect, 1 / tan], azimuth: motion.azimuth};
}

function compile(gl, [vertex, fragment]) {
  const program = gl.createProgram();
  for (const [type, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, text.replaceAll('LIMBS', LIMBS));
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  const places = {};
  return {
    use: () => gl.useProgram(program),
    attribute: name => gl.getAttribLocation(program, name),
    // Numbers, vectors of 2 or 3, and arrays of vectors as {each, values}.
    set(uniforms) {
      for (const [name, value] of Object.entries(uniforms)) {
        places[name] ??= gl.getUniformLocation(program, name);
        if (typeof value === 'number') gl.uniform1f(places[name], value);
        else if (value.each) gl[`uniform${value.each}fv`](places[name], value.values);
        else gl[`uniform${value.length}fv`](places[name], value);
      }
    },
  };
}

class GlRenderer {
  constructor() {
    this.canvas = document.createElement('canvas');
    const gl = this.gl = this.canvas.getContext('webgl2', {antialias: true, alpha: true, powerPreference: 'low-power'});
    if (!gl) throw new Error('WebGL 2 is not available');
    this.canvas.addEventListener('webglcontextlost', () => { this.lost = true; });
    this.limb = compile(gl, SHADERS.limb);
    this.ground = compile(gl, SHADERS.ground);
    this.trail = compile(gl, SHADERS.trail);
    for (const body of BODIES) body.colors = {each: 3, values: new Float32Array(body.limbs.flatMap(limb => limb.color))};
    const mesh = [], indices = [], around = 20, rings = 6;
    for (const end of [0, 1])
      for (let ring = 0; ring < rings; ++ring)
        for (let i = 0; i <= around; ++i) mesh.push(2 * Math.PI * i / around, (end ? rings - 1 - ring : ring) / (rings - 1), end);
    for (let ring = 0; ring + 1 < 2 * rings; ++ring)
      for (let i = 0; i < around; ++i) {
        const a = ring * (around + 1) + i, b = a + around + 1;
        indices.push(a, b, a + 1, a + 1, b, b + 1);
      }
    this.limbCount = indices.length;
    this.limbArray = this.array(this.limb, 'shape', 3, mesh, indices);
    this.groundArray = this.array(this.ground, 'corner', 2, [-1, -1, 1, -1, -1, 1, 1, 1]);
    gl.clearColor(0, 0, 0, 0);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }
  array(program, name, size, values, indices) {
    const gl = this.gl, array = gl.createVertexArray();
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(values), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(program.attribute(name));
    gl.vertexAttribPointer(program.attribute(name), size, gl.FLOAT, false, 0, 0);
    if (indices) {
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint16Array(indices), gl.STATIC_DRAW);
    }
    gl.bindVertexArray(null);
    return array;
  }
  // A ribbon along the root's path, 2.4 cm wide for a person: two points a frame.
  trailOf(motion) {
    if (motion.trail) return motion.trail;
    const points = [];
    let aside = [1, 0, 0];
    for (let t = 0; t < motion.frames; ++t) {
      const along = sub(motion.joint(Math.min(t + 1, motion.frames - 1), 0), motion.joint(Math.max(t - 1, 0), 0));
      if (Math.hypot(along[0], along[2]) > 1e-4) aside = unit([along[2], 0, -along[0]], aside);
      const p = motion.joint(t, 0), wide = .012 * motion.body.size;
      for (const s of [-wide, wide]) points.push(p[0] + s * aside[0], p[2] + s * aside[2], t);
    }
    return motion.trail = this.array(this.trail, 'point', 3, points);
  }
  // One picture of width x height device pixels, which then stands in the lower left corner of this.canvas.
  draw(motion, frame, camera, width, height, colors, options) {
    const gl = this.gl;
    if (this.canvas.width < width || this.canvas.height < height) {
      this.canvas.width = Math.max(width, this.canvas.width);
      this.canvas.height = Math.max(height, this.canvas.height);
    }
    gl.viewport(0, 0, width, height);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(0, 0, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const pose = motion.pose(frame), {limbs} = motion.body, values = new Float32Array(8 * LIMBS);
    limbs.forEach((limb, i) => values.set([...pose[limb.a], limb.ra, ...pose[limb.b], limb.rb], 8 * i));
    const ends = {each: 4, values}, {eye, right, up, forward, focal, focus} = camera;
    const sun = motion.azimuth + .2, light = unit([Math.sin(sun) * .42 - Math.cos(sun) * .4, .8, Math.cos(sun) * .42 + Math.sin(sun) * .4]);
    const shared = {eye, right, up, forward, focal, ground: motion.ground};

    gl.disable(gl.DEPTH_TEST);
    this.ground.use();
    this.ground.set({...shared, ends, focus, light, body: pose[0], reach: Math.max(5, camera.distance * 1.7),
                     gridColor: colors.grid, shadowColor: colors.shadow, shadowStrength: colors.dark ? .62 : .42});
    gl.bindVertexArray(this.groundArray);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    if (options.trail && motion.frames > 1) {
      this.trail.use();
      this.trail.set({...shared, trailColor: colors.trail, now: frame});
      gl.bindVertexArray(this.trailOf(motion));
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 2 * motion.frames);
    }
    gl.enable(gl.DEPTH_TEST);
    this.limb.use();
    this.limb.set({...shared, ends, light, colors: motion.body.colors});
    gl.bindVertexArray(this.limbArray);
    gl.drawElementsInstanced(gl.TRIANGLES, this.limbCount, gl.UNSIGNED_SHORT, 0, LIMBS);
  }
}

// Without WebGL: limbs as round-ended strokes, far ones first.
function drawFlat(context, motion, frame, camera, width, height, colors, options) {
  const project = p => {
    const d = sub(p, camera.eye), depth = Math.max(.05, dot(d, camera.forward));
    return {x: width * (.5 + .5 * dot(d, camera.right) * camera.focal[0] / depth),
            y: height * (.5 - .5 * dot(d, camera.up) * camera.focal[1] / depth), depth};
  };
  const line = (points, color, pixels) => {
    context.strokeStyle = color;
    context.lineWidth = pixels;
    context.beginPath();
    points.forEach(p => context.lineTo(p.x, p.y));
    context.stroke();
  };
  const css = (color, amount = 1) => `rgb(${color.map(c => Math.round(255 * c * amount)).join(' ')})`;
  context.lineCap = context.lineJoin = 'round';
  const near = Math.round(camera.focus[0]), far = Math.round(camera.focus[2]);
  for (let i = -3; i <= 3; ++i) {
    for (const [a, b] of [[[near + i, far - 3], [near + i, far + 3]], [[near - 3, far + i], [near + 3, far + i]]])
      line([a, b].map(([x, z]) => project([x, motion.ground, z])), css(colors.grid), 1);
  }
  if (options.trail)
    line(Array.from({length: motion.frames}, (_, t) => motion.joint(t, 0)).map(p => project([p[0], motion.ground, p[2]])), css(colors.trail), 2);
  const pose = motion.pose(frame);
  motion.body.limbs.map(limb => ({limb, a: project(pose[limb.a]), b: project(pose[limb.b])}))
    .sort((m, n) => n.a.depth + n.b.depth - m.a.depth - m.b.depth)
    .forEach(({limb, a, b}) => {
      const pixels = (limb.ra + limb.rb) * height * camera.focal[1] / (a.depth + b.depth);
      line([a, b, {x: b.x, y: b.y + .01}], css(limb.color, .72), pixels * 2);
      line([a, b, {x: b.x, y: b.y + .01}], css(limb.color), pixels * 1.5);
    });
}
